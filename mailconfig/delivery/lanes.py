"""Lanes: owner, reason for waiting, due time. Every write is fenced by the owner's token."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from mailconfig import signals
from mailconfig.delivery import trail
from mailconfig.delivery.clock import DatabaseClock
from mailconfig.delivery.postgres import statements
from mailconfig.exceptions import LeaseLost
from mailconfig.models import (
    PAUSES,
    Account,
    Lane,
    Purpose,
    WaitReason,
    note_account_paused,
    note_account_resumed,
)
from mailconfig.models.lane import make_lanes

MOST_COUNTED = 32_767
"""What the columns of failures and strikes hold: whoever failed so often is counted no further."""


def worker_name() -> str:
    """Return host and process, for a person who looks for this worker."""
    return f"{socket.gethostname()}:{os.getpid()}"[:128]


@dataclass(slots=True)
class Ownership:
    """A lane taken by this drain, and the clock by which it was taken."""

    lane_id: int
    account_id: int
    token: uuid.UUID
    worker: str
    lease: float
    """Seconds a lease lasts from each renewal."""
    clock: DatabaseClock
    renewed_at: float = field(default_factory=time.monotonic)
    is_lost: bool = False
    """Somebody else owns the lane by now, as one of its sessions found out."""
    _renewing: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def is_sure(self) -> bool:
        """Return whether the lease cannot have run out: looked at right before a dot."""
        return not self.is_lost and time.monotonic() - self.renewed_at < self.lease * 0.9

    def renew_if_due(self) -> None:
        """Renew when a quarter of the lease is gone; one session of the lane does so for all.

        Raises:
            LeaseLost: somebody else owns the lane by now.
        """
        if self.is_lost:
            raise _lost()
        if time.monotonic() - self.renewed_at < self.lease / 4 or not self._renewing.acquire(blocking=False):
            return
        try:
            self.renew()
        finally:
            self._renewing.release()

    def renew(self) -> None:
        """Begin the lease anew.

        Raises:
            LeaseLost: somebody else owns the lane by now.
        """
        asked_at = time.monotonic()
        mine = Lane.objects.filter(pk=self.lane_id, lease_token=self.token)
        if not mine.update(lease_until=Now() + timedelta(seconds=self.lease)):
            self.is_lost = True
            raise _lost()
        self.renewed_at = max(self.renewed_at, asked_at)


class Renewal:
    """Renews a lane's lease while one of its sessions waits for the server."""

    def __init__(self, ownership: Ownership) -> None:
        self.awaits_reply = False
        """A dot is out: its reply is worth more than the lease, and nothing may keep us from reading it."""
        self._ownership = ownership

    def renew_while_waiting(self) -> None:
        """Renew if that is due. With a dot out a lost lease is told afterwards.

        Raises:
            LeaseLost, DatabaseError, InterfaceError: only as long as no dot is out.
        """
        try:
            self._ownership.renew_if_due()
        except (LeaseLost, DatabaseError, InterfaceError):
            if not self.awaits_reply:
                raise


def take(*, account_id: int, lease: float, purpose: Purpose = Purpose.SEND) -> Ownership | None:
    """Own the account's lane for ``lease`` seconds, or ``None`` if it is owned."""
    token, worker = uuid.uuid4(), worker_name()
    asked_at = time.monotonic()
    lane_id = _own(account_id, purpose, token, timedelta(seconds=lease), worker)
    if lane_id is None:
        return None
    # The clock is asked by itself: an answer that waits for its commit says less exactly what time it is.
    return Ownership(lane_id, account_id, token, worker, lease, DatabaseClock(), asked_at)


def _own(account_id: int, purpose: Purpose, token: uuid.UUID, lease: timedelta, worker: str) -> int | None:
    if connection.vendor == "postgresql":
        is_alone = not connection.in_atomic_block
        rows = statements.run(_TAKE, [token, lease, worker, account_id, purpose.value, is_alone])
        return rows[0][0] if rows else None
    lanes = Lane.objects.filter(account_id=account_id, purpose=purpose)
    free = lanes.filter(Q(lease_until=None) | Q(lease_until__lt=Now()))
    if not free.update(lease_token=token, lease_until=Now() + lease, worker=worker):
        return None
    return lanes.values_list("pk", flat=True).get()


_TAKE = """
    UPDATE mailconfig_lane
       SET lease_token = %s::uuid, lease_until = statement_timestamp() + %s::interval, worker = %s::text
     WHERE account_id = %s::bigint AND purpose = %s::text
       AND (lease_until IS NULL OR lease_until < statement_timestamp())
 RETURNING id, CASE WHEN %s::boolean THEN set_config('synchronous_commit', 'off', true) END
"""
"""In a transaction of its own the disk is not waited for: a crash of the database that forgets who took a lane leaves it
free, and without the token nothing is journaled."""


def free(
    ownership: Ownership,
    *,
    due_at: datetime | None,
    succeeded_at: datetime | None = None,
    finished_at: datetime | None = None,
) -> None:
    """Give the lane up. Without our token nothing happens.

    Args:
        ownership: of the lane.
        due_at: when somebody should look again; ``None``: once there is a reason.
        succeeded_at: when it came to something; ``None``: it did not.
        finished_at: when a sync came to its end; ``None``: it was none, or is to go on.
    """
    if connection.vendor == "postgresql":
        statements.run(_FREE, [due_at, succeeded_at, finished_at, ownership.lane_id, ownership.token])
        return
    values: dict[str, object] = {
        "lease_token": None,
        "lease_until": None,
        "worker": "",
        "due_at": due_at,
        "rung_at": None,
    }
    if succeeded_at is not None:
        values["last_success_at"] = succeeded_at
    if finished_at is not None:
        values["finished_at"] = finished_at
    Lane.objects.filter(pk=ownership.lane_id, lease_token=ownership.token).update(**values)


_FREE = """
    UPDATE mailconfig_lane
       SET lease_token = NULL, lease_until = NULL, worker = '', due_at = %s::timestamptz, rung_at = NULL,
           last_success_at = COALESCE(%s::timestamptz, last_success_at),
           finished_at = COALESCE(%s::timestamptz, finished_at)
     WHERE id = %s::bigint AND lease_token = %s::uuid
 RETURNING id
"""


def wait(
    lane: Lane,
    *,
    token: uuid.UUID,
    reason: WaitReason,
    until: datetime | None,
    now: datetime,
    text: str = "",
    error_code: str = "",
    failures: int | None = None,
    strikes: int | None = None,
    breaches: int | None = None,
    revision: int | None = None,
) -> bool:
    """Note what holds the lane back. A pause that was not there before is told once (``account_paused``).

    Args:
        lane: as it was when the cause was met.
        token: the owner's.
        revision: the account's when the cause was met.

    Returns:
        Whether it was noted: not if the account was edited, or somebody ended a wait, since the cause was met.

    Raises:
        LeaseLost: somebody else owns the lane by now.
    """
    newly = reason != lane.wait_reason
    since = now if newly else lane.wait_since
    values: dict[str, object] = {"wait_reason": reason, "wait_since": since, "wait_until": until}
    values["wait_text"] = text
    if error_code:
        values |= {"last_error_at": now, "last_error_code": error_code, "last_error_text": text}
    counts = {"failures": failures, "strikes": strikes, "breaches": breaches}
    values |= {name: min(count, MOST_COUNTED) for name, count in counts.items() if count is not None}
    pauses = newly and reason in PAUSES
    with transaction.atomic() if pauses else nullcontext():
        if not _write(lane, values, token=token, revision=revision):
            return False
        if pauses:
            note_account_paused(lane.account_id, purpose=lane.purpose, reason=reason)
    trail.waits(
        lane.account_id,
        purpose=lane.purpose,
        reason=reason,
        newly=newly,
        until=until,
        error_code=error_code,
        words=text,
    )
    if pauses:
        _tell_pause(lane, str(reason), text)
    return True


def _tell_pause(lane: Lane, reason: str, text: str) -> None:
    purpose = str(lane.purpose)
    signals.account_paused.send_robust(
        sender=Lane, account_id=lane.account_id, purpose=purpose, reason=reason, text=text
    )


def clear(
    lane: Lane,
    *,
    token: uuid.UUID | None = None,
    revision: int | None = None,
    succeeded_at: datetime | None = None,
    strikes: int = 0,
    breaches: int = 0,
) -> bool:
    """Nothing holds the lane back any more. The end of a pause is told (``account_resumed``).

    Args:
        lane: as it was when that was found out.
        token: the owner's; ``None`` for whoever does not drain.
        revision: the account's when that was found out.
        succeeded_at: when the connection was proved.
        strikes: what remains of them; a session that opened proves nothing about the sender.
        breaches: what remains of them.

    Returns:
        Whether that was noted: not if the account was edited, or another reason was noted, in between.

    Raises:
        LeaseLost: there is a token, and somebody else owns the lane by now.
    """
    paused, waited = lane.is_paused, lane.wait_reason not in {"", WaitReason.LIMIT}
    values: dict[str, object] = {
        "wait_reason": "",
        "wait_since": None,
        "wait_until": None,
        "wait_text": "",
        "failures": 0,
        "strikes": strikes,
        "breaches": breaches,
    }
    if succeeded_at is not None:
        values["validated_at"] = succeeded_at
    with transaction.atomic() if paused else nullcontext():
        was_written = _write(lane, values, token=token, revision=revision)
        if was_written and paused:
            note_account_resumed(lane.account_id, purpose=lane.purpose)
    if not was_written:
        lane.refresh_from_db(fields=list(values))
        return False
    if paused:
        signals.account_resumed.send_robust(
            sender=Lane, account_id=lane.account_id, purpose=str(lane.purpose)
        )
    elif waited:
        trail.goes_on(lane.account_id, purpose=lane.purpose)
    return True


def note_strikes(lane: Lane, strikes: int, *, token: uuid.UUID) -> None:
    """Note refusals of the account in a row.

    Raises:
        LeaseLost: somebody else owns the lane by now.
    """
    _note_counts(lane, token=token, strikes=min(strikes, MOST_COUNTED))


def note_breaches(lane: Lane, breaches: int, *, token: uuid.UUID) -> None:
    """Note breaches of the protocol in a row.

    Raises:
        LeaseLost: somebody else owns the lane by now.
    """
    _note_counts(lane, token=token, breaches=min(breaches, MOST_COUNTED))


def end_rows(lane: Lane, *, token: uuid.UUID) -> None:
    """Forget refusals and breaches: a mail went through.

    Raises:
        LeaseLost: somebody else owns the lane by now.
    """
    if lane.strikes or lane.breaches:
        _note_counts(lane, token=token, strikes=0, breaches=0)


def _note_counts(lane: Lane, *, token: uuid.UUID, **counts: int) -> None:
    if not Lane.objects.filter(pk=lane.pk, lease_token=token).update(**counts):
        raise _lost()
    for name, count in counts.items():
        setattr(lane, name, count)


def learn(lane: Lane, lesson: Mapping[str, datetime | int | None], *, token: uuid.UUID) -> None:
    """Note how the server wants to be talked to, for whoever drains the lane next.

    Args:
        lane: whose.
        lesson: values of the lane's columns for that: ``no_overlap_until``, say.
        token: the owner's.

    Raises:
        LeaseLost: somebody else owns the lane by now.
    """
    if not Lane.objects.filter(pk=lane.pk, lease_token=token).update(**lesson):
        raise _lost()
    for name, value in lesson.items():
        setattr(lane, name, value)


def _write(lane: Lane, values: dict[str, object], *, token: uuid.UUID | None, revision: int | None) -> bool:
    """Change the lane if nobody gave it another reason, or edited its account, since it was read.

    An UPDATE that waited for a lock compares the new version of its own row, but the old ones of all others
    (PostgreSQL's READ COMMITTED). So the account is locked before, in the order in which an edit locks as well.
    """
    rows = Lane.objects.filter(pk=lane.pk, wait_reason=lane.wait_reason, wait_since=lane.wait_since)
    if token is not None:
        rows = rows.filter(lease_token=token)
    with transaction.atomic():
        if revision is not None:
            rows = rows.filter(account__revision=revision)
            if not _keep_unedited(lane.account_id, revision):
                return False
        if not rows.update(**values):
            if token is not None and not Lane.objects.filter(pk=lane.pk, lease_token=token).exists():
                raise _lost()
            return False
    for name, value in values.items():
        setattr(lane, name, value)
    return True


def _keep_unedited(account_id: int, revision: int) -> bool:
    """Return whether the account still has this revision; then it keeps it until the transaction ends.

    A database without row locks lets nobody write in between: there the condition of the UPDATE is enough.
    """
    features = connection.features
    if not features.has_select_for_update:
        return True
    unedited = Account.objects.filter(pk=account_id, revision=revision).values_list("pk")
    return bool(unedited.select_for_update(no_key=features.has_select_for_no_key_update))


def _lost() -> LeaseLost:
    return LeaseLost("the lane was taken by another worker")


def make_due_at(account_id: int, at: datetime, *, purpose: Purpose = Purpose.SEND) -> None:
    """Let an account be looked at then, if not sooner."""
    later = Q(due_at=None) | Q(due_at__gt=at)
    Lane.objects.filter(later, account_id=account_id, purpose=purpose).update(due_at=at, rung_at=None)


def abandon(account_ids: Iterable[int], *, purpose: Purpose = Purpose.SEND) -> None:
    """Let others have the lanes that this process leaves in the middle; its tokens are worth nothing from now on."""
    mine = Lane.objects.filter(account_id__in=list(account_ids), purpose=purpose, worker=worker_name())
    mine.update(lease_token=None, lease_until=None, worker="", due_at=Now(), rung_at=None)


def ensure_lane(account_id: int) -> None:
    """Make the lane that sends, if a bulk insert left it out."""
    make_lanes(account_id, [Purpose.SEND])


def lane_of(account: Account, purpose: Purpose = Purpose.SEND) -> Lane:
    """The account's lane as it is now; made if a bulk insert left it out."""
    lane, _created = Lane.objects.get_or_create(account_id=account.pk, purpose=purpose)
    return lane
