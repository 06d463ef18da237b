"""Exact sliding windows: before a dot, ``now ≥ end of the T-th previous hand-over + period``, for each window.

A hand-over reaches the server between its dot and the end noted here, so no window measured at the server can
hold more than the limit. The owner of a lane is the only reader: it loads once and counts in memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from django.db.models import Q, Sum

from mailconfig.models import Account, Attempt

DAY = 86400
WEEK = 7 * DAY
MARGIN = timedelta(milliseconds=2)
"""Two clocks that count the same span may differ by so much."""


@dataclass(frozen=True, slots=True)
class Window:
    """At most ``limit`` recipients in any ``seconds``. ``limit`` 0: nothing at all."""

    name: str
    seconds: int
    limit: int


def windows_of(account: Account) -> tuple[Window, ...]:
    """The account's windows; a limit that is ``None`` makes none."""
    candidates = (
        ("period", account.limit_period or 0, account.limit_count),
        ("day", DAY, account.limit_per_day),
        ("week", WEEK, account.limit_per_week),
        ("in_out_day", DAY, account.limit_in_out_per_day),
    )
    return tuple(Window(name, seconds, limit) for name, seconds, limit in candidates if limit is not None)


class Limiter:
    """Counts hand-overs in the windows of one account.

    A slot is taken with :meth:`take` before a proposal, and given back by :meth:`give_back` with what really
    was handed over, and when that ended.
    """

    def __init__(self, windows: tuple[Window, ...]) -> None:
        self.windows = windows
        self._ended: dict[Window, deque[tuple[datetime, int]]] = {window: deque() for window in windows}
        self._used: dict[Window, int] = dict.fromkeys(windows, 0)
        self._open = 0
        self._left_open = 0
        """Recipients of hand-overs without an outcome that others left behind."""
        self._left_open_until: datetime | None = None
        """When these have ended at the latest."""

    @classmethod
    def load(cls, account: Account, *, now: datetime, open_for: timedelta) -> Limiter:
        """The limiter with the account's hand-overs so far.

        Args:
            account: whose limits and hand-overs.
            now: the database's time.
            open_for: how long a hand-over without an outcome stays open.
        """
        limiter = cls(windows_of(account))
        if not limiter.windows:
            return limiter
        longest = timedelta(seconds=max(window.seconds for window in limiter.windows))
        mine = Attempt.objects.filter(account_id=account.pk, recipients__gt=0)
        ended = mine.filter(ended_at__gt=now - longest).order_by("ended_at")
        for ended_at, weight in ended.values_list("ended_at", "recipients").iterator(chunk_size=2000):
            limiter._note(ended_at or now, weight)
        for handed_over_at, weight in mine.filter(outcome="").values_list("handed_over_at", "recipients"):
            # One that nobody has given up yet may have ended right now, however long ago it began.
            open_until = max((handed_over_at or now) + open_for, now)
            limiter._left_open += weight
            limiter._left_open_until = max(limiter._left_open_until or open_until, open_until)
        return limiter

    def _note(self, ended_at: datetime, weight: int) -> None:
        for window in self.windows:
            self._ended[window].append((ended_at, weight))
            self._used[window] += weight

    def _forget(self, now: datetime) -> None:
        for window in self.windows:
            ended = self._ended[window]
            horizon = now - timedelta(seconds=window.seconds) - MARGIN
            while ended and ended[0][0] <= horizon:
                self._used[window] -= ended.popleft()[1]

    def free(self, now: datetime) -> int | None:
        """Return how many recipients may be handed over now; ``None``: as many as you like."""
        if not self.windows:
            return None
        self._forget(now)
        return max(
            0, min(window.limit - self._used[window] - self._open_in(window, now) for window in self.windows)
        )

    def _open_in(self, window: Window, now: datetime) -> int:
        """Recipients of the window whose hand-over has no outcome."""
        until = self._left_open_until
        is_over = until is None or until + timedelta(seconds=window.seconds) + MARGIN <= now
        return self._open + (0 if is_over else self._left_open)

    def take(self, count: int) -> None:
        """Hold slots for a hand-over to come."""
        self._open += count

    def give_back(self, count: int, *, handed_over: int, ended_at: datetime) -> None:
        """Give ``count`` held slots back, of which ``handed_over`` were used until ``ended_at``."""
        self._open -= count
        if handed_over and self.windows:
            self._note(ended_at, handed_over)

    def next_free_at(self, now: datetime, *, behind: int = 0) -> datetime | None:
        """When the next slot opens, or the one after ``behind`` others; ``None``: never, as things are.

        The estimate for ``behind`` > 0 takes every hand-over to last no time.
        """
        self._forget(now)
        latest = now
        for window in self.windows:
            if window.limit == 0:
                return None
            latest = max(latest, self._opens_at(window, now, behind))
        return latest

    def _opens_at(self, window: Window, now: datetime, behind: int) -> datetime:
        period = timedelta(seconds=window.seconds) + MARGIN
        rounds, rest = divmod(behind, window.limit)
        is_open = self._open_in(window, now)
        surplus = self._used[window] + is_open + rest + 1 - window.limit
        at = now
        for ended_at, weight in self._ended[window]:
            if surplus <= 0:
                break
            surplus -= weight
            at = ended_at + period
        if surplus > 0 and is_open:
            at = max(at, (self._left_open_until or now) + period)
        elif surplus > 0:
            at += period
        return at + rounds * period


@dataclass(frozen=True, slots=True)
class WindowUsage:
    """Use of one window."""

    window: Window
    used: int

    @property
    def left(self) -> int:
        """Recipients that may still be handed over."""
        return max(0, self.window.limit - self.used)


def usage(accounts: Iterable[Account], *, now: datetime) -> dict[int, tuple[WindowUsage, ...]]:
    """For each account by primary key: its windows and what is used of them. One query for all.

    Args:
        accounts: with their limits loaded.
        now: the database's time.
    """
    windows = {account.pk: windows_of(account) for account in accounts}
    lengths = {window.seconds for mine in windows.values() for window in mine}
    used: dict[int, Mapping[str, Any]] = {}
    if lengths:
        sums = {
            f"used_{seconds}": Sum(
                "recipients", filter=Q(outcome="") | Q(ended_at__gt=now - timedelta(seconds=seconds))
            )
            for seconds in lengths
        }
        recent = Q(outcome="") | Q(ended_at__gt=now - timedelta(seconds=max(lengths)))
        rows = (
            Attempt.objects.filter(recent, account_id__in=list(windows)).values("account_id").annotate(**sums)
        )
        used = {row["account_id"]: cast("Mapping[str, Any]", row) for row in rows}
    return {
        pk: tuple(WindowUsage(window, used.get(pk, {}).get(f"used_{window.seconds}") or 0) for window in mine)
        for pk, mine in windows.items()
    }
