"""A lane becomes due by a commit, and whoever made it so rings: a thousand enqueues ring once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from mailconfig import crash, signals
from mailconfig.conf import get_settings
from mailconfig.models import Lane, Purpose

CHANNEL = "mailconfig_due"
"""Where PostgreSQL tells, with the commit, that a lane became due."""

_WAKE = f"""
    UPDATE {Lane._meta.db_table} SET due_at = statement_timestamp(), rung_at = statement_timestamp()
    WHERE account_id = %s AND purpose = '{Purpose.SEND.value}'
        AND (due_at IS NULL OR due_at > statement_timestamp())
        AND (wait_reason = '' OR wait_until <= statement_timestamp())
"""  # noqa: S608 - names only
_SILENTLY = f"{_WAKE} RETURNING 1"
_WITH_NOTICE = f"{_WAKE} RETURNING pg_notify('{CHANNEL}', '')"


def wake_sql() -> str:
    """Return what the ORM says in :func:`wake_lane`; it takes four times as long to say it, and every mail comes by here.

    It takes the account's number, and returns a row if it made the lane due. Then PostgreSQL tells whoever listens.
    """
    return _WITH_NOTICE if get_settings().listen else _SILENTLY


def wake_lane(account_id: int, *, at: datetime | None = None) -> bool:
    """Let the account's lane be due now, or at ``at`` if that is earlier than what it knows.

    A lane that something holds back is left alone: the sweep finds it when that has passed.

    Returns:
        Whether this call made it due now; then the doorbell was rung, and PostgreSQL told the workers that listen.
    """
    if at is None and connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(wake_sql(), [account_id])
            changed = cursor.rowcount
    else:
        lanes = Lane.objects.filter(account_id=account_id, purpose=Purpose.SEND)
        lanes = lanes.filter(Q(wait_reason="") | Q(wait_until__lte=Now()))
        if at is not None:
            lanes.filter(Q(due_at=None) | Q(due_at__gt=at)).update(due_at=at)
            return False
        changed = lanes.filter(Q(due_at=None) | Q(due_at__gt=Now())).update(due_at=Now(), rung_at=Now())
    if not changed:
        return False
    ring(account_id)
    return True


def ring(account_id: int, purpose: Purpose = Purpose.SEND) -> None:
    """Call a worker for a lane that became due."""
    _BELLS[purpose].send_robust(sender=Lane, account_id=account_id)


_BELLS = {Purpose.SEND: signals.message_queued, Purpose.SYNC: signals.sync_due}


def ring_due() -> int:
    """Call a worker for each lane that is due, free, and was not rung since the time between two sweeps.

    Returns:
        How many were rung.
    """
    patience = timedelta(seconds=get_settings().sweep_seconds)
    silent = Q(rung_at=None) | Q(rung_at__lt=Now() - patience)
    unowned = Q(lease_until=None) | Q(lease_until__lt=Now())
    due = Lane.objects.filter(silent, unowned, due_at__lte=Now())
    rung = 0
    for lane_id, account_id, purpose in due.order_by("due_at").values_list("pk", "account_id", "purpose")[
        :1000
    ]:
        if due.filter(pk=lane_id).update(rung_at=Now()):
            rung += 1
            ring(account_id, Purpose(purpose))
    return rung


def ring_on_commit(accounts: Iterable[tuple[int, datetime | None]]) -> None:
    """Wake these lanes (account, when) once the transaction commits, each once however often it is named."""
    waiting = connection.run_on_commit
    bell: object = None
    if waiting and waiting[-1][0] == set(connection.savepoint_ids):
        bell = getattr(waiting[-1][1], "__self__", None)
    if not (isinstance(bell, _Bell) and connection.in_atomic_block):
        bell = _Bell()
        bell.add(accounts)
        transaction.on_commit(bell.ring, robust=True)
        return
    bell.add(accounts)


class _Bell:
    """One step after the commit for all lanes of the mails queued in a row, within the same savepoint.

    Django is given a method, whose name it writes into its log if it fails; an object that is called has none.
    """

    def __init__(self) -> None:
        self._accounts: dict[tuple[int, bool], datetime | None] = {}

    def add(self, accounts: Iterable[tuple[int, datetime | None]]) -> None:
        for account_id, at in accounts:
            key = (account_id, at is None)
            known = self._accounts.get(key)
            self._accounts[key] = at if known is None or at is None else min(at, known)

    def ring(self) -> None:
        crash.point("before_doorbell")
        for (account_id, _now), at in self._accounts.items():
            wake_lane(account_id, at=at)
