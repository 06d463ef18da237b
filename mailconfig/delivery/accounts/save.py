"""Accounts as a whole: storing what a person entered, and deleting them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mailconfig.conf import get_settings
from mailconfig.delivery.accounts.changes import differences, record_change, recorded_columns
from mailconfig.delivery.accounts.check_requests import request_check
from mailconfig.delivery.accounts.failovers import require_say_over_failover
from mailconfig.delivery.accounts.oauth2_logins import require_storable_grant, store_grant
from mailconfig.delivery.accounts.opening import is_send_method
from mailconfig.delivery.accounts.probe import adopt_check, probe_sync_values, probe_values
from mailconfig.delivery.accounts.running_checks import leaves_checks_to_workers
from mailconfig.delivery.accounts.say import require_say
from mailconfig.delivery.queue.backlog import count_unsent
from mailconfig.delivery.queue.moving import part
from mailconfig.exceptions import AccountChanged, AccountInUse, NoAccount, NotProved
from mailconfig.mail_services import is_mail_service
from mailconfig.models import (
    Account,
    AccountChangeKind,
    AccountKind,
    CheckKind,
    CheckState,
    ConnectionCheck,
    EventWebhook,
    Lane,
    Mailbox,
    OAuth2Grant,
    Scope,
)
from mailconfig.models.account_destination import SECRET_COLUMNS, SecretName, is_override
from mailconfig.models.failover import lock_chains
from mailconfig.models.oauth2_grant import logged_in_by_oauth2
from mailconfig.rendering.signature import sanitised
from mailconfig.secrets.sealed import SealedSecret
from mailconfig.values import Authentication, Security

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.contrib.auth.models import AbstractBaseUser

OF_MAILBOX = tuple(column for name, column in SECRET_COLUMNS.items() if name is not SecretName.SMTP)
"""Columns of the secrets that only mailboxes have."""


@dataclass(frozen=True, slots=True)
class Proved:
    """Connections that work."""

    check: ConnectionCheck | None = None
    """The check that says so of sending; ``None``: that was not tried."""
    binding: str = ""
    """The destination that was tried; ``""``: there is no server."""
    synced: ConnectionCheck | None = None
    """The check of the half of a mailbox that is synced; ``None``: that was not tried."""


def prove_account(
    *,
    account: Account,
    by: AbstractBaseUser | None,
    prove: bool = True,
    prove_sync: bool = False,
    judge_sender: bool = True,
) -> Proved:
    """Connect with the account as it was entered. Not to be called inside a transaction.

    Args:
        account, by, judge_sender: as for :func:`save_account`, to which the result is handed.
        prove: whether to connect as for sending, which comes first.
        prove_sync: whether to look into the mailbox.

    Raises:
        ValidationError: it may not be stored like that; nothing was connected.
        NotProved: one of them does not work.
        Throttled, RuntimeError: see :func:`mailconfig.delivery.probe_values`.
    """
    _require_storable(account, by)
    binding, check, synced = "", None, None
    if prove:
        _require_encrypted_login(account)
        binding = _binding(account)
        check = _require_passed(probe_values(account=account, requested_by=by, judge_sender=judge_sender))
    if prove_sync:
        synced = _require_passed(probe_sync_values(mailbox=cast("Mailbox", account), requested_by=by))
    return Proved(check, binding, synced)


def _require_passed(check: ConnectionCheck) -> ConnectionCheck:
    if check.state != CheckState.PASSED:
        msg = "the connection does not work"
        raise NotProved(msg, check=check)
    return check


def save_account(
    *,
    account: Account,
    by: AbstractBaseUser | None,
    prove: bool = False,
    prove_sync: bool = False,
    proved: Proved | None = None,
    judge_sender: bool = True,
) -> ConnectionCheck | None:
    """Store a new account, or what was changed of one that was read before.

    Args:
        account: with the values as they were entered; one that is stored must have been loaded whole.
        by: who entered them.
        prove: connect first, and store nothing if that fails. Then not to be called inside a transaction. Where
            only workers connect, it is stored first, and one of them is asked to check it.
        prove_sync: the same of the half of a mailbox that is synced. Where both are proved, sending comes first.
        proved: what :func:`prove_account` found of the same values; then nothing is connected any more.
        judge_sender: if false, a refused sender is reported in the check and stored all the same.

    Returns:
        The check, if the connection was proved, or if a worker was asked to; of two that for sending.

    Raises:
        ValidationError: by field; nothing was connected or stored.
        NotProved: the connection does not work.
        AccountChanged: somebody else stored something meanwhile, or deleted it; or the system account, whose server
            an override uses, is not the one any more that was proved.
        Throttled, RuntimeError: see :func:`mailconfig.delivery.probe_values`.
    """
    account.updated_by_id = by.pk if by else None
    if account._state.adding:
        account.created_by_id = account.updated_by_id
    later: list[CheckKind] = []
    if proved is None and (prove or prove_sync) and not leaves_checks_to_workers():
        proved = prove_account(
            account=account, by=by, prove=prove, prove_sync=prove_sync, judge_sender=judge_sender
        )
    else:
        later = _left_to_workers(prove=prove, prove_sync=prove_sync) if proved is None else []
        _require_storable(account, by)
        if CheckKind.CONNECTION in later:
            _require_encrypted_login(account)
    return _stored(account, proved or Proved(), later=later, by=by)


def _left_to_workers(*, prove: bool, prove_sync: bool) -> list[CheckKind]:
    """Return the checks that were asked for, in their order."""
    asked = {CheckKind.CONNECTION: prove, CheckKind.SYNC: prove_sync}
    return [kind for kind, wanted in asked.items() if wanted]


def _stored(
    account: Account, proved: Proved, *, later: list[CheckKind], by: AbstractBaseUser | None
) -> ConnectionCheck | None:
    """Store it with the checks that were made, and ask for those that workers make; return the first of them."""
    try:
        with transaction.atomic():
            _store(account, proved, by)
            asked = [request_check(account_id=account.pk, kind=kind, requested_by=by) for kind in later]
    except IntegrityError as error:
        msg = "another account of this kind was stored at the same moment"
        raise AccountChanged(msg) from error
    made = [check for check in (proved.check, proved.synced) if check is not None]
    for check in made:
        adopt_check(check=check, account=account)
    return next(iter([*made, *asked]), None)


def _store(account: Account, proved: Proved, by: AbstractBaseUser | None) -> None:
    """Write the row, if nobody changed it, or the server it was proved with, since it was read."""
    if account.fails_over_anew():
        lock_chains(account)  # first: whoever waits for it holds no row that the other one needs
    adding = account._state.adding
    stored = None if adding else _require_unchanged(account)
    if proved.check is not None:
        _require_proved_destination(account, proved.binding)
    had_grant = logged_in_by_oauth2(account)
    if not account._state.adding and account.would_be_held_by_another():
        part(account_id=account.pk)  # mail of one tenant is no mail of another's
    changed = differences(account, stored, by)
    account.save()
    store_grant(account, had_one=had_grant)
    record_change(account, AccountChangeKind.ADDED if adding else AccountChangeKind.CHANGED, changed, by)


def _require_storable(account: Account, by: AbstractBaseUser | None) -> None:
    """Refuse what may not be stored, whoever enters it where; nothing was connected yet.

    Raises:
        ValidationError: by field.
    """
    require_say(account, by)
    require_say_over_failover(account, by)
    if isinstance(account, Mailbox):
        account.signature = sanitised(account.signature)
    account.full_clean()
    require_storable_grant(account, by)
    _require_transport(account)


def _require_transport(account: Account) -> None:
    """Refuse a send method that nothing here has: models know no transports, so the row cannot tell by itself.

    Raises:
        ValidationError: nothing was connected or stored.
    """
    # A mailbox may name one that is not installed, as its clients expect: its mail waits.
    if account.kind != AccountKind.MAILBOX and not is_send_method(account.send_method):
        words = _("Nothing here sends in the way that the account names.")
        raise ValidationError({"send_method": ValidationError(words, code="invalid_choice")})


def _require_encrypted_login(account: Account) -> None:
    """Refuse before anything is connected what the session would refuse after its greeting."""
    if is_mail_service(account.send_method) or account.sends_by_ews:
        return  # which has TLS whatever the account says
    logs_in = account.authentication != Authentication.NONE and not is_override(account)
    if logs_in and account.security == Security.NONE and not get_settings().allow_plain_login:
        words = _("A login needs encryption: choose TLS or STARTTLS.")
        raise ValidationError({"security": ValidationError(words, code="plain_login")})


def _require_unchanged(account: Account) -> dict[str, Any]:
    """Lock the row, so that nobody comes in between; return what is stored."""
    rows = Account.objects.select_for_update().kept().filter(pk=account.pk, revision=account.revision)
    stored: dict[str, Any] | None = rows.values(*recorded_columns(Account)).first()
    if stored is None:
        msg = "the account was changed since it was read"
        raise AccountChanged(msg)
    if isinstance(account.secret, SealedSecret):
        # The same one, perhaps sealed anew: key rotation leaves the revision alone.
        account.secret = stored["secret"]
    if isinstance(account, Mailbox):
        stored |= _take_resealed(account, set(recorded_columns(Mailbox)) - set(stored))
    return stored


def _take_resealed(mailbox: Mailbox, columns: Collection[str]) -> dict[str, Any]:
    """Take the mailbox's further secrets as key rotation left them, and return these columns; its row stands still with the account's."""
    row: dict[str, Any] = Mailbox.objects.filter(pk=mailbox.pk).values(*columns).get()
    for column in OF_MAILBOX:
        if isinstance(getattr(mailbox, column), SealedSecret):
            setattr(mailbox, column, row[column])
    return row


def _binding(account: Account) -> str:
    """The destination that a secret of the account goes to; ``""``: there is none."""
    try:
        return account.secret_binding(SecretName.SMTP)
    except ValidationError:
        return ""


def _require_proved_destination(account: Account, proved_for: str) -> None:
    """An entered secret is sealed for the destination of this moment, so it has to be the one that was proved."""
    if is_override(account):
        # The lock, so that the server does not move before the secret is sealed.
        list(Account.objects.select_for_update().kept().filter(scope=Scope.SYSTEM).values_list("pk"))
    if _binding(account) != proved_for:
        msg = "the destination is another one than was proved: the system account moved"
        raise AccountChanged(msg)


def delete_account(*, account_id: int, by: AbstractBaseUser | None) -> None:
    """Take an account away: its secret is wiped, its row stays for the messages that were sent through it.

    Raises:
        AccountInUse: mail of this account still waits; nothing was changed.
        NoAccount: there is none, or it was deleted already.
    """
    with transaction.atomic():
        # The lock makes an enqueue of the same moment wait: its message's foreign key needs the row.
        accounts = Account.objects.select_for_update().kept()
        account = (
            accounts.only("pk", "kind", "name", "from_email", "username", "tenant")
            .filter(pk=account_id)
            .first()
        )
        if account is None:
            raise NoAccount(_("The account does not exist any more."))
        waiting = count_unsent([account_id]).get(account_id, 0)
        if waiting:
            text = ngettext(
                "%(count)d mail of this account is not sent yet. Cancel it or wait, then delete the account.",
                "%(count)d mails of this account are not sent yet. Cancel them or wait, then delete the account.",
                waiting,
            )
            raise AccountInUse(text % {"count": waiting}, waiting=waiting)
        Account.objects.filter(pk=account_id).update(
            secret=None,
            is_enabled=False,
            is_default=False,
            serves_project=False,
            failover=None,
            deleted_at=Now(),
            updated_at=Now(),
            updated_by=by,
            revision=F("revision") + 1,
        )
        if account.kind == AccountKind.MAILBOX:
            nothing: dict[str, Any] = dict.fromkeys(OF_MAILBOX)
            nothing |= {"has_own_smtp_secret": False, "has_password_besides": False}
            Mailbox.objects.filter(pk=account_id).update(**nothing)
        OAuth2Grant.objects.filter(account_id=account_id).delete()
        EventWebhook.objects.filter(account_id=account_id).delete()
        Lane.objects.filter(account_id=account_id).update(due_at=None)
        Account.objects.filter(failover_id=account_id).update(failover=None, revision=F("revision") + 1)
        record_change(account, AccountChangeKind.DELETED, [], by)
