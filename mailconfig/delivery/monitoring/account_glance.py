"""An account at a glance: its last day by hour, what waits, when the next slot opens, and what happened last.

A fixed number of queries, each of them bounded by an index: an account with a million attempts costs what a new one does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailconfig.conf import get_settings
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.limits import Limiter
from mailconfig.delivery.monitoring.dashboard import HourSums, WaitingNow, read_day
from mailconfig.models import Account, Attempt, Message

SHOWN = 5
"""So many mails and attempts are read."""


@dataclass(frozen=True, slots=True)
class AccountGlance:
    """Facts about one account.

    Attributes:
        hours: the last 24, the present one last.
        is_counted: whether anybody counts hours: not before the first sweep.
        waiting: what waits, and since when the oldest is due.
        opens: by name of a window that is full: when its next slot opens; ``None``: never, as things are.
        attempts: the last, the newest first.
        messages: the last that were queued, the newest first; without their contents.
        at: the database's time at which this was so.
    """

    hours: tuple[HourSums, ...]
    is_counted: bool
    waiting: WaitingNow
    opens: Mapping[str, datetime | None]
    attempts: tuple[Attempt, ...]
    messages: tuple[Message, ...]
    at: datetime

    @property
    def sent(self) -> int:
        """Mails that were accepted in these hours."""
        return sum(hour.sent for hour in self.hours)

    @property
    def failed(self) -> int:
        """Mails that failed in these hours."""
        return sum(hour.failed for hour in self.hours)


def glance_at(account: Account) -> AccountGlance:
    """Describe the account, which need not be loaded with its secret."""
    now = database_now()
    hours, waiting, is_counted = read_day(Account.objects.filter(pk=account.pk), now)
    open_for = timedelta(seconds=get_settings().ambiguous_after_seconds)
    limiter = Limiter.load(account, now=now, open_for=open_for, tallies=False)
    attempts = Attempt.objects.filter(account_id=account.pk).order_by("-ended_at")
    messages = Message.objects.filter(account_id=account.pk).order_by("-pk")
    return AccountGlance(
        hours=hours,
        is_counted=is_counted,
        waiting=waiting,
        opens=limiter.full_until(now),
        attempts=tuple(attempts[:SHOWN]),
        messages=tuple(messages[:SHOWN]),
        at=now,
    )
