"""Carrying out a check: the session under one deadline, the stages, what it means for the lane."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from mailconfig.conf import get_settings
from mailconfig.delivery import lanes
from mailconfig.delivery.accounts import check_record, check_result, sentences
from mailconfig.delivery.accounts.check_result import CONNECTION_STAGES, Blame, StageLog
from mailconfig.delivery.accounts.check_target import (
    EWS_COLUMNS,
    model_of,
    purpose_of,
    secret_column_of,
    target_of,
)
from mailconfig.delivery.accounts.check_view import is_staff, is_unreachable
from mailconfig.delivery.accounts.opening import open_session, transport_of
from mailconfig.delivery.accounts.sync_check import look_into
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.installation import ensure_this_installation
from mailconfig.delivery.wake import ring, ring_on_commit
from mailconfig.exceptions import (
    InvalidMessage,
    NoAccount,
    SecretUnreadable,
    TransportError,
    TransportMissing,
)
from mailconfig.models import Account, CheckKind, ConnectionCheck, Lane, Mailbox, Purpose
from mailconfig.models.account_rules import why_enter_again
from mailconfig.models.choices import GMAIL_API
from mailconfig.models.mailbox_rules import why_enter_others_again
from mailconfig.models.oauth2_grant import grant_of
from mailconfig.secrets.sealed import SealedSecret
from mailconfig.transports.contract import Session, Verdict
from mailconfig.values import Authentication, CheckResult, ErrorCode, Stage, StageResult

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

UNREACHABLE_SECONDS = 1.0
"""No check that reached nobody ends sooner, or its time would tell why (staff need not wait)."""


def probe_stored(
    check: ConnectionCheck,
    account: Account,
    *,
    requested_by: AbstractBaseUser | None,
    judge_sender: bool = True,
) -> ConnectionCheck:
    """Do what a running check of a stored account asks for, and finish it."""
    check = run_probe(
        check, account, requested_by=requested_by, judge_sender=judge_sender, revision=account.revision
    )
    if not check.looks_only:
        note_on_lane(check, account)
    return check


def note_on_lane(check: ConnectionCheck, account: Account, *, sent: bool = False) -> None:
    """Note on the lane what a finished check of the stored values means for sending, or for syncing.

    Success ends a pause and lets waiting mail move on, or the mailbox be synced, unless the account was edited since it was read: then
    other values were proved. A failure is noted; only a drain pauses.

    Args:
        sent: a mail went out as well.
    """
    lane = lanes.lane_of(account, purpose_of(check.kind))
    if not check.ok:
        Lane.objects.filter(pk=lane.pk).update(
            last_error_at=Now(),
            last_error_code=check.code,
            last_error_text=check.server_text or sentences.in_english(check.message),
        )
        return
    if sent:
        Lane.objects.filter(pk=lane.pk).update(last_success_at=Now())
    if not lanes.clear(lane, revision=account.revision, succeeded_at=database_now()):
        return
    if lane.purpose == Purpose.SEND:
        ring_on_commit([(account.pk, None)])
        return
    Lane.objects.filter(pk=lane.pk).update(last_success_at=Now(), finished_at=Now())
    lanes.make_due_at(account.pk, database_now(), purpose=Purpose.SYNC)
    transaction.on_commit(partial(ring, account.pk, Purpose.SYNC), robust=True)


def kept_account(account_id: int, kind: str = CheckKind.CONNECTION) -> Account:
    """The account, with all that a check of this kind needs.

    Raises:
        NoAccount: there is none, or it was deleted.
    """
    rows = model_of(kind).objects.kept()
    account = rows.select_related("tenant", "owner").filter(pk=account_id).first()
    if account is None:
        raise NoAccount(_("The account does not exist any more."))
    return account


def require_own_destination(account: Account, kind: str = CheckKind.CONNECTION) -> None:
    """Refuse a secret that would not go where it was entered for.

    Raises:
        ValidationError: the stored secret would reach another destination, or serve somebody else: enter the password
            again.
    """
    if kind == CheckKind.SYNC and account.as_mailbox.sync_method == GMAIL_API:
        return  # which is shown fetched tokens alone
    column = secret_column_of(kind, account)
    if column != "secret":
        refusal = why_enter_others_again(account.as_mailbox).get(column)
    else:
        refusal = why_enter_again(account)
    if refusal:
        raise ValidationError({column: refusal})


def require_own_installation(account: Account, kind: str = CheckKind.CONNECTION) -> None:
    """Refuse a stored secret that may not be used from here: a copied database logs in nowhere.

    Raises:
        WrongInstallation: the database belongs to another installation.
    """
    logs_in_by_grant = account.authentication == Authentication.OAUTH2 and grant_of(account) is not None
    if logs_in_by_grant or isinstance(_secret(account, kind), SealedSecret):
        ensure_this_installation()


def _secret(account: Account, kind: str) -> object:
    column = secret_column_of(kind, account)
    return getattr(account if column == "secret" else account.as_mailbox, column)


def open_for_check(account: Account, log: StageLog) -> Session:
    """A session with the account's server, under one deadline over everything that is done with it.

    Raises:
        TransportError, SecretUnreadable, TransportMissing, ValidationError: see :func:`open_session`.
    """
    return open_session(account, within=get_settings().probe_seconds, on_stage=log.done)


def stages_of(account: Account) -> tuple[Stage, ...]:
    """The stages of a check of the account's connection; SMTP's where nothing can be checked."""
    try:
        return transport_of(account).stages
    except (TransportMissing, ValidationError):
        return CONNECTION_STAGES


def pad(result: CheckResult, *, since: float, requested_by: AbstractBaseUser | None) -> None:
    """Wait until the least time of an unreachable server is over, counted from ``since`` (monotonic).

    To be called before the result is stored: who polls a check that a worker runs would see the time otherwise.
    """
    if requested_by is not None and not is_staff(requested_by) and is_unreachable(result):
        time.sleep(max(0.0, since + UNREACHABLE_SECONDS - time.monotonic()))


def sender_field(account: Account) -> str:
    """The field that says what MAIL FROM says."""
    return "envelope_from" if account.envelope_from else "from_email"


def blame(account: Account) -> Blame:
    """The account's fields that a refusal may be about."""
    return Blame(sender=sender_field(account), logs_in=account.authentication != Authentication.NONE)


def in_columns(result: CheckResult, account: Account) -> CheckResult:
    """Return the result with the field that the account has for what a transport blames."""
    if account.sends_with_service_key and result.guilty_field == "secret":
        return replace(result, guilty_field=secret_column_of(CheckKind.CONNECTION, account))
    if not account.sends_by_ews:
        return result
    return replace(result, guilty_field=EWS_COLUMNS.get(result.guilty_field, result.guilty_field))


def run_probe(
    check: ConnectionCheck,
    account: Account,
    *,
    requested_by: AbstractBaseUser | None,
    judge_sender: bool = True,
    asks_sender: bool = True,
    revision: int | None = None,
) -> ConnectionCheck:
    since = time.monotonic()
    if check.kind == CheckKind.SYNC:
        result = look_into(cast("Mailbox", account), on_change=watched(check, requested_by))
    else:
        log = StageLog(stages_of(account), watched(check, requested_by))
        result = in_columns(_probe(account, log, judge_sender=judge_sender, asks_sender=asks_sender), account)
    pad(result, since=since, requested_by=requested_by)
    username = target_of(account, check.kind).username
    return check_record.finish(check, result, username=username, revision=revision)


def watched(
    check: ConnectionCheck, requested_by: AbstractBaseUser | None
) -> Callable[[tuple[StageResult, ...]], None] | None:
    """Return what notes how far a check has come; ``None``: nobody is shown that, since its times would tell too much."""
    return partial(check_record.note_stages, check) if is_staff(requested_by) else None


def _probe(account: Account, log: StageLog, *, judge_sender: bool, asks_sender: bool) -> CheckResult:
    try:
        session = open_for_check(account, log)
    except (TransportError, SecretUnreadable, TransportMissing) as error:
        return check_result.of_error(error, log, sender_field=sender_field(account))
    except ValidationError:
        return no_system_account(log)
    try:
        refused = _ask_for_sender(session, account, log) if asks_sender else None
    finally:
        session.quit()
    if refused is None:
        return check_result.passed(log, sentences.PASSED)
    if judge_sender:
        return refused
    return check_result.passed(
        log, sentences.PASSED_BUT_SENDER, hint=refused.hint, server_text=refused.server_text
    )


def _ask_for_sender(session: Session, account: Account, log: StageLog) -> CheckResult | None:
    """``None`` if the server takes mail from the account's sender, else why not."""
    sender = account.reverse_path
    if not sender:
        return check_result.no_sender(log)
    try:
        judgements = session.verify(sender, account.sender or sender)
    except (TransportError, InvalidMessage) as error:
        return check_result.of_error(error, log, sender_field=sender_field(account))
    for number, judgement in enumerate(judgements):
        # What is said of our own address as a recipient counts if it is about the account: the address need not exist,
        # or may be greylisted.
        refused = judgement.verdict is not Verdict.ACCEPTED
        if refused and (number == 0 or check_result.is_of_account(judgement)):
            return check_result.sender_refused(judgement, log, blame(account))
    words = filter(None, (judgement.answer.words for judgement in judgements))
    log.done(Stage.SENDER, detail=" | ".join(words))
    return None


def no_system_account(log: StageLog) -> CheckResult:
    """An override without the system account whose server it uses."""
    return check_result.failed(
        log,
        stage=Stage.RESOLVE,
        code=ErrorCode.HOST_NOT_ALLOWED,
        field="host",
        message=sentences.NO_SYSTEM_ACCOUNT,
    )
