"""Probing a connection stage by stage: name, connect, TLS, EHLO, login, sender, or the folder that is synced. No mail is sent."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models.functions import Now

from mailconfig.delivery import lanes
from mailconfig.delivery.accounts import check_record
from mailconfig.delivery.accounts.check_run import (
    kept_account,
    note_on_lane,
    probe_stored,
    require_own_destination,
    require_own_installation,
    run_probe,
)
from mailconfig.delivery.accounts.running_checks import running_check
from mailconfig.models import Account, CheckKind, CheckState, ConnectionCheck, Mailbox, Tenant

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser


def probe_account(
    *,
    account_id: int,
    requested_by: AbstractBaseUser | None,
    judge_sender: bool = True,
    looks_only: bool = False,
) -> ConnectionCheck:
    """Check the connection with the stored values. Not to be called inside a transaction: it takes its time.

    If it passes, a pause of the account ends and its mail moves on; if not, the error is noted on the lane, and
    nothing else changes.

    Args:
        judge_sender: if false, a refused sender is reported among the stages, and the check passes.
        looks_only: for somebody who may not change the account: neither happens, only the check tells.

    Raises:
        NoAccount: there is none, or it was deleted.
        WrongInstallation: the stored secret is used by another installation.
        Throttled, OnlyByWorkers: nothing was connected.
        RuntimeError: a transaction is open.
    """
    account = kept_account(account_id)
    require_own_installation(account)
    with running_check(requested_by):
        check = check_record.begin(
            kind=CheckKind.CONNECTION, account=account, requested_by=requested_by, looks_only=looks_only
        )
        return probe_stored(check, account, requested_by=requested_by, judge_sender=judge_sender)


def recent_check(*, account: Account, seconds: float) -> ConnectionCheck | None:
    """The newest finished check of the connection as ``account`` was read, if it is not older than ``seconds``.

    By the account's revision, for a time of change is told by another clock than the times of a check. What passed
    while the account is paused does not count: the pause came later, or who asked could not end it.
    """
    rows = ConnectionCheck.objects.filter(
        account_id=account.pk,
        revision=account.revision,
        kind=CheckKind.CONNECTION,
        state__in=[CheckState.PASSED, CheckState.FAILED],
        finished_at__gt=Now() - timedelta(seconds=seconds),
    )
    found = rows.order_by("-created_at", "-pk").first()
    return None if found is not None and found.ok and lanes.lane_of(account).is_paused else found


def probe_values(
    *,
    account: Account,
    requested_by: AbstractBaseUser | None,
    tenant: Tenant | None = None,
    judge_sender: bool = True,
    asks_sender: bool = True,
) -> ConnectionCheck:
    """Check the connection with the values of ``account``, which need not be those stored, or stored at all.

    Its secret is one that was just entered, or the stored one if it goes where it always went. The row has no
    account: after the values were saved, :func:`adopt_check` gives it one.

    Args:
        tenant: whose hourly number of checks this is one of; else the account's.
        judge_sender: if false, a refused sender is reported among the stages, and the check passes.
        asks_sender: if false, the check ends with the login.

    Raises:
        ValidationError: the stored secret would reach another destination, or serve somebody else: enter the password
            again.
        WrongInstallation: the stored secret is used by another installation.
        Throttled, OnlyByWorkers: nothing was connected.
        RuntimeError: a transaction is open.
    """
    require_own_destination(account)
    require_own_installation(account)
    with running_check(requested_by):
        check = check_record.begin(
            kind=CheckKind.CONNECTION,
            account=account,
            requested_by=requested_by,
            tenant=tenant,
            stored=False,
        )
        return run_probe(
            check,
            account,
            requested_by=requested_by,
            judge_sender=judge_sender,
            asks_sender=asks_sender,
        )


def probe_sync(
    *, account_id: int, requested_by: AbstractBaseUser | None, looks_only: bool = False
) -> ConnectionCheck:
    """Check with the stored values whether a mailbox can be synced. Not to be called inside a transaction.

    If it can, a pause of its sync ends, and that counts as a success; if not, the error is noted on the lane of its sync.

    Args:
        looks_only: as for :func:`probe_account`.

    Raises:
        NoAccount: there is no such mailbox, or it was deleted.
        WrongInstallation, Throttled, OnlyByWorkers, RuntimeError: see :func:`probe_account`.
    """
    mailbox = kept_account(account_id, CheckKind.SYNC)
    require_own_installation(mailbox, CheckKind.SYNC)
    with running_check(requested_by):
        check = check_record.begin(
            kind=CheckKind.SYNC, account=mailbox, requested_by=requested_by, looks_only=looks_only
        )
        return probe_stored(check, mailbox, requested_by=requested_by)


def probe_sync_values(*, mailbox: Mailbox, requested_by: AbstractBaseUser | None) -> ConnectionCheck:
    """Check whether a mailbox could be synced with these values, which need not be those stored, or stored at all.

    See :func:`probe_values`.

    Raises:
        ValidationError, WrongInstallation, Throttled, OnlyByWorkers, RuntimeError: see :func:`probe_values`.
    """
    require_own_destination(mailbox, CheckKind.SYNC)
    require_own_installation(mailbox, CheckKind.SYNC)
    with running_check(requested_by):
        check = check_record.begin(
            kind=CheckKind.SYNC, account=mailbox, requested_by=requested_by, stored=False
        )
        return run_probe(check, mailbox, requested_by=requested_by)


def adopt_check(*, check: ConnectionCheck, account: Account) -> None:
    """Say that the values which ``check`` checked are now those stored in ``account``."""
    ConnectionCheck.objects.filter(pk=check.pk, account=None).update(
        account_id=account.pk, revision=account.revision
    )
    check.account = account
    note_on_lane(check, account)
