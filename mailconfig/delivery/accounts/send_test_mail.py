"""The test mail: goes out at once, past queue, pauses and limits, but journaled and counted like any other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.utils.translation import gettext as _

from mailconfig.conf import get_settings
from mailconfig.delivery.accounts import check_record, check_result, sentences
from mailconfig.delivery.accounts.check_result import OF_A_MAIL, StageLog
from mailconfig.delivery.accounts.check_run import (
    blame,
    in_columns,
    kept_account,
    no_system_account,
    note_on_lane,
    open_for_check,
    pad,
    require_own_destination,
    sender_field,
    stages_of,
    watched,
)
from mailconfig.delivery.accounts.journal_test_mail import NoJournal, TestMailJournal
from mailconfig.delivery.accounts.running_checks import running_check
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.installation import ensure_this_installation
from mailconfig.delivery.queue.enqueue import compose_for
from mailconfig.exceptions import InvalidMessage, SecretUnreadable, TransportError, TransportMissing
from mailconfig.models import Account, CheckKind, ConnectionCheck, Tenant
from mailconfig.models.validators import validate_address
from mailconfig.rendering.compose import Rendered
from mailconfig.transports.contract import Judgement, Outcome, Verdict
from mailconfig.values import CheckResult, Envelope, Stage, StageResult

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser


def send_test_mail(
    *, account_id: int, recipient: str, requested_by: AbstractBaseUser | None
) -> ConnectionCheck:
    """Send a short text of ours to one address, now. Not to be called inside a transaction: it takes its time.

    Works for disabled and paused accounts. If the server accepts the mail, a pause of the account ends.

    Raises:
        NoAccount: there is none, or it was deleted.
        ValidationError: the recipient is no address.
        WrongInstallation: nothing is sent from here.
        Throttled, OnlyByWorkers: nothing was connected.
        RuntimeError: a transaction is open.
    """
    account = kept_account(account_id)
    require_recipient(recipient)
    ensure_this_installation()
    with running_check(requested_by):
        check = check_record.begin(
            kind=CheckKind.TEST_MAIL, account=account, requested_by=requested_by, recipient=recipient
        )
        return send_stored(check, account, requested_by=requested_by)


def send_test_of_values(
    *,
    account: Account,
    recipient: str,
    requested_by: AbstractBaseUser | None,
    tenant: Tenant | None = None,
    counts_for: Account | None = None,
) -> ConnectionCheck:
    """Send a short text of ours with the values of ``account``, which need not be those stored, or stored at all.

    Nothing is concluded for any lane: other values were tried than those that send.

    Args:
        tenant: whose hourly number of checks this is one of; else the account's.
        counts_for: the stored account with the same login, in whose journal and limits the mail belongs; without
            one the check is the only record.

    Raises:
        ValidationError: the recipient is no address, or the stored secret would reach another destination.
        WrongInstallation, Throttled, OnlyByWorkers, RuntimeError: see :func:`send_test_mail`.
    """
    require_recipient(recipient)
    require_own_destination(account)
    ensure_this_installation()
    with running_check(requested_by):
        check = check_record.begin(
            kind=CheckKind.TEST_MAIL,
            account=account,
            requested_by=requested_by,
            tenant=tenant,
            stored=False,
            recipient=recipient,
            counts_for=counts_for,
        )
        since = time.monotonic()
        result = in_columns(_send(account, recipient, requested_by, counts_for=counts_for), account)
        pad(result, since=since, requested_by=requested_by)
        return check_record.finish(check, result, username=account.username)


def require_recipient(recipient: str) -> None:
    """Refuse a recipient that no test mail can go to.

    Raises:
        ValidationError: at ``recipient``.
    """
    try:
        validate_address(recipient)
    except ValidationError as error:
        raise ValidationError({"recipient": error}) from error


def send_stored(
    check: ConnectionCheck, account: Account, *, requested_by: AbstractBaseUser | None
) -> ConnectionCheck:
    """Do what a running check of this kind asks for, and finish it.

    Raises:
        WrongInstallation: nothing is sent from here; the check is still running.
    """
    ensure_this_installation()
    since = time.monotonic()
    on_change = watched(check, requested_by)
    sent = _send(account, check.recipient, requested_by, counts_for=account, on_change=on_change)
    result = in_columns(sent, account)
    pad(result, since=since, requested_by=requested_by)
    check = check_record.finish(check, result, username=account.username)
    if not check.looks_only:
        note_on_lane(check, account, sent=check.ok)
    return check


def _send(
    account: Account,
    recipient: str,
    requested_by: AbstractBaseUser | None,
    *,
    counts_for: Account | None,
    on_change: Callable[[tuple[StageResult, ...]], None] | None = None,
) -> CheckResult:
    log = StageLog((*stages_of(account), *OF_A_MAIL), on_change)
    if not account.sender:
        return check_result.no_sender(log)
    try:
        rendered = _render(account, recipient, requested_by)
    except InvalidMessage as error:
        return check_result.of_error(error, log, sender_field=sender_field(account))
    journal = (
        TestMailJournal(counts_for, rendered, recipient=recipient)
        if counts_for
        else NoJournal(recipient=recipient)
    )
    return _deliver(account, rendered, journal, log)


def _render(account: Account, recipient: str, requested_by: AbstractBaseUser | None) -> Rendered:
    who = requested_by.get_username() if requested_by else _("the system")
    when = database_now().astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    text = _(
        "This is a test mail.\n\n"
        "Account: %(account)s\n"
        "Sent: %(when)s\n"
        "Asked for by: %(who)s\n\n"
        "That it arrived shows that the account can send mail. There is nothing to do."
    )
    name = check_record.cleaned(str(account), 200)
    message = EmailMessage(
        subject=_("Test mail from %(account)s") % {"account": name},
        body=text % {"account": name, "when": when, "who": check_record.cleaned(who, 200)},
        to=[recipient],
        headers={"Auto-Submitted": "auto-generated"},  # RFC 3834 §5: nobody's holiday answer is wanted
    )
    return compose_for(account, message)


@dataclass(slots=True)
class OneMail:
    """Deliveries of :mod:`mailconfig.transports.contract` that are one mail, which is never put back."""

    envelope: Envelope
    body: bytes
    was_taken: bool = False

    def chunks(self) -> Iterator[bytes]:
        """Return the bytes in one piece."""
        return iter((self.body,))

    def next(self) -> OneMail | None:
        """Take it, the first time."""
        if self.was_taken:
            return None
        self.was_taken = True
        return self

    def peek(self) -> None:
        """Nothing comes behind it."""

    def put_back(self, *, refused_behind: bool = False) -> None:
        """It goes out at once, or not at all."""


def _deliver(
    account: Account, rendered: Rendered, journal: TestMailJournal | NoJournal, log: StageLog
) -> CheckResult:
    """Hand the mail over and write down what came of it, before QUIT."""
    field = sender_field(account)
    try:
        session = open_for_check(account, log)
    except (TransportError, SecretUnreadable) as error:
        result = check_result.of_error(error, log, sender_field=field)
        journal.complete(result, error=error)
        return result
    except TransportMissing as error:
        return check_result.of_error(error, log, sender_field=field)
    except ValidationError:
        return no_system_account(log)
    target = get_settings().redirect_all_to or journal.recipient
    mail = OneMail(
        Envelope(rendered.sender, (target,), rendered.size, rendered.eight_bit), bytes(rendered.body)
    )
    try:
        with closing(session.send(mail, journal)) as outcomes:
            outcome = next(outcomes)
        result = _judge(outcome, account, log)
    except InvalidMessage as error:
        result = check_result.of_error(error, log, sender_field=field)
        journal.complete(result, error=error)
    else:
        journal.complete(result, reply=_deciding(outcome).answer, error=outcome.error)
    finally:
        session.quit()
    return result


def _judge(outcome: Outcome, account: Account, log: StageLog) -> CheckResult:
    """The result of the check, made of what came of its mail."""
    judgement = _deciding(outcome)
    if outcome.error is not None:
        return check_result.of_error(outcome.error, log, sender_field=sender_field(account))
    if judgement.verdict is Verdict.ACCEPTED:
        return check_result.passed(log, sentences.SENT, server_text=judgement.answer.words)
    if outcome.stage is Stage.SENDER:
        return check_result.sender_refused(judgement, log, blame(account))
    if outcome.stage is Stage.RECIPIENT:
        return check_result.recipient_refused(judgement, log, blame(account))
    return check_result.message_refused(judgement, log, blame(account))


def _deciding(outcome: Outcome) -> Judgement:
    """The one that decided: the recipient's own, if that is a refusal."""
    refused = (each for each in outcome.recipients if each.verdict is not Verdict.ACCEPTED)
    return next(refused, outcome.whole)
