"""Checks that a worker runs: asked for with a row, told by a signal, found by the sweep if nobody heard it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.db import transaction

from mailconfig import signals
from mailconfig.delivery.accounts import check_record, sentences
from mailconfig.delivery.accounts.check_run import kept_account, probe_stored, require_own_installation
from mailconfig.delivery.accounts.send_test_mail import require_recipient, send_stored
from mailconfig.exceptions import NoAccount, WrongInstallation
from mailconfig.models import CheckKind, CheckState, ConnectionCheck
from mailconfig.values import CheckResult

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

logger = logging.getLogger("mailconfig.checks")

DOORBELL_SECONDS = 5.0
"""A check that waits for longer was not heard, and the sweep runs it."""


def request_check(
    *,
    account_id: int,
    kind: CheckKind,
    requested_by: AbstractBaseUser | None,
    recipient: str = "",
    looks_only: bool = False,
) -> ConnectionCheck:
    """Ask for a check of a stored account by a worker. The row is waiting; a worker is called on commit.

    Args:
        recipient: of a test mail.
        looks_only: see :func:`mailconfig.delivery.probe_account`.

    Raises:
        NoAccount: there is none, or it was deleted.
        ValidationError: a test mail needs a recipient with an address.
        Throttled: nothing is waiting.
    """
    if kind == CheckKind.TEST_MAIL:
        require_recipient(recipient)
    with transaction.atomic():
        check = check_record.begin(
            kind=kind,
            account=kept_account(account_id, kind),
            requested_by=requested_by,
            recipient=recipient if kind == CheckKind.TEST_MAIL else "",
            state=CheckState.PENDING,
            looks_only=looks_only,
        )
        transaction.on_commit(lambda: _ring(check.pk), robust=True)
    return check


def _ring(check_id: int) -> None:
    signals.check_requested.send_robust(sender=ConnectionCheck, check_id=check_id)


def run_check(*, check_id: int) -> ConnectionCheck | None:
    """Run a waiting check. Called twice, or late, it does nothing. Not to be called inside a transaction.

    Any number may run side by side, each in a thread of its own; of one person's no more than two do.

    Returns:
        The finished check; ``None`` if it was not waiting, or has to wait for another one of the same person.
    """
    check = check_record.claim(check_id)
    if check is None:
        return None
    finished = _run(check)
    if check.requested_by_id is not None:
        waiting = check_record.next_waiting_id(check.requested_by_id)
        if waiting is not None:  # it may have been refused while this one ran
            _ring(waiting)
    return finished


def _run(check: ConnectionCheck) -> ConnectionCheck:
    try:
        account = kept_account(check.account_id or 0, check.kind)
        if check.kind == CheckKind.TEST_MAIL:
            return send_stored(check, account, requested_by=check.requested_by)
        require_own_installation(account, check.kind)
        return probe_stored(check, account, requested_by=check.requested_by)
    except NoAccount:
        return check_record.finish(check, CheckResult(ok=False, message=sentences.ACCOUNT_GONE))
    except WrongInstallation:
        return check_record.finish(check, CheckResult(ok=False, message=sentences.WRONG_INSTALLATION))
    except Exception:
        logger.exception("check %s: an error of our own", check.pk)
        return check_record.finish(check, CheckResult(ok=False, message=sentences.INTERNAL_ERROR))


def due_checks(*, limit: int = 100) -> list[int]:
    """The checks that wait and that no doorbell reached; those whose worker is gone are failed on the way."""
    check_record.give_up()
    return check_record.waiting_ids(older_than=DOORBELL_SECONDS, limit=limit)
