"""Forecast of a queue: how much waits, and when all of it will have gone, as things are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max, Q

from mailconfig.conf import get_settings
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.limits import Limiter
from mailconfig.models import Account, Attempt, Lane, Message, MessageState, Purpose, WaitReason

MOST = 100_000
"""Mails that are counted."""
SAMPLE = 200
"""Attempts that tell how fast an account sends."""
FEWEST = 5
RECENTLY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class QueueForecast:
    """Mail that waits in the queue of one account.

    Attributes:
        waiting: how many mails are queued, at most 100,000.
        empty_at: when the last of them will have gone; ``None``: nobody knows, or somebody has to act.
        reason: what holds the account back now; ``None``: nothing does.
    """

    waiting: int
    empty_at: datetime | None = None
    reason: WaitReason | None = None


def forecast(*, account: Account) -> QueueForecast:
    """Foretell when the queue of an account is empty, from its limits and from how fast it sent within the last hour.

    The number of queries is fixed, and none reads more than 100,000 rows of an index. Mail that comes in
    meanwhile, and what is refused and tried again, are not foreseen.
    """
    now = database_now()
    queued = Message.objects.filter(account_id=account.pk, state=MessageState.QUEUED).order_by()
    waiting = queued.values("pk")[:MOST].count()
    lane = Lane.objects.filter(account_id=account.pk, purpose=Purpose.SEND).first()
    if not account.is_enabled:
        return QueueForecast(waiting, None, WaitReason.DISABLED)
    if lane is not None and lane.paused_at is not None:
        return QueueForecast(waiting, None, WaitReason.PAUSED_BY_PERSON)
    reason = WaitReason(lane.wait_reason) if lane is not None and lane.wait_reason else None
    is_stuck = reason is not None and reason != WaitReason.LIMIT and (lane is None or lane.wait_until is None)
    if not waiting or is_stuck or waiting == MOST:
        return QueueForecast(waiting, None, reason)
    later = queued.filter(not_before__gt=now).values("pk", "not_before")[:MOST]
    last_at = later.aggregate(last=Max("not_before"))["last"]
    begins_at = max(filter(None, (now, lane.wait_until if lane else None)))
    ends = [_by_rate(account, begins_at, waiting, now), _by_limits(account, waiting, now)]
    if ends[0] is None and ends[1] is None:
        return QueueForecast(waiting, None, reason)
    return QueueForecast(waiting, max(filter(None, (*ends, last_at))), reason)


def _by_rate(account: Account, begins_at: datetime, waiting: int, now: datetime) -> datetime | None:
    """Return when they have gone if they go as fast as the last ones did; ``None``: too few did."""
    made = Attempt.objects.filter(Q(ended_at__gt=now - RECENTLY), account_id=account.pk)
    ends = list(made.order_by("-ended_at").values_list("ended_at", flat=True)[:SAMPLE])
    if len(ends) < FEWEST:
        return None
    each = (ends[0] - ends[-1]) / (len(ends) - 1)
    return begins_at + each * waiting


def _by_limits(account: Account, waiting: int, now: datetime) -> datetime | None:
    """Return when the limits have let the last one go; ``None``: there are none, or they let nothing go."""
    open_for = timedelta(seconds=get_settings().ambiguous_after_seconds)
    limiter = Limiter.load(account, now=now, open_for=open_for, tallies=False)
    return limiter.next_free_at(now, behind=waiting - 1) if limiter.windows else None
