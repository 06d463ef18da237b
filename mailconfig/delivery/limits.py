"""Exact sliding windows: before a dot, ``now ≥ end of the T-th previous hand-over + period``, for each window.

A hand-over reaches the server between its dot and the end noted here, so no window measured at the server can
hold more than the limit. The owner of a lane is the only reader: it loads sums once, counts its own hand-overs in
memory, and reads the times of those before only where a window is nearly full. In one window what came in counts together with
what was sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count as CountRows
from django.db.models import Q

from mailconfig.delivery.tallies import (
    CHUNK,
    SLOT,
    AccountPast,
    NoPast,
    Past,
    bring_up_to_date,
    find,
    read_sums,
)
from mailconfig.models import Account, SyncedMessage

DAY = 86400
IN_OUT = "in_out_day"
"""The window in which what came in counts as well."""
WEEK = 7 * DAY
MARGIN = timedelta(milliseconds=2)
"""Two clocks that count the same span may differ by so much."""
ENOUGH = 100
"""As long as so many slots are free, nobody need know how many more."""
FEW_SLOTS = 3 * SLOT
"""A window no longer than this has nothing of tallies."""


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
        (IN_OUT, DAY, account.limit_in_out_per_day),
    )
    return tuple(Window(name, seconds, limit) for name, seconds, limit in candidates if limit is not None)


def _received_after(after: datetime) -> Q:
    """Return what is true of messages that came in later; none did later than it was found, whatever its server's clock says."""
    return Q(received_at__gt=after, synced_at__gt=after)


def received_since(account_id: int, now: datetime) -> list[datetime]:
    """Return when messages came into a mailbox within a day."""
    rows = SyncedMessage.objects.filter(
        _received_after(now - timedelta(seconds=DAY) - MARGIN), mailbox_id=account_id
    )
    return [min(times) for times in rows.values_list("received_at", "synced_at")]


def _count_received(account_ids: Collection[int], now: datetime) -> dict[int, int]:
    """Return how many messages came into each of these mailboxes within a day."""
    if not account_ids:
        return {}
    rows = SyncedMessage.objects.filter(
        _received_after(now - timedelta(seconds=DAY)), mailbox_id__in=account_ids
    )
    counts = rows.order_by().values("mailbox_id").annotate(count=CountRows("pk"))
    return dict(counts.values_list("mailbox_id", "count"))


class Count:
    """Hand-overs in one window: those before the limiter was loaded, and those noted since."""

    def __init__(self, window: Window, past: Past) -> None:
        self.window = window
        self.past_used = 0
        """No fewer than are in the window now."""
        self._past = past
        self._first: deque[tuple[datetime, int]] = deque()
        """The first of the past to leave the window, if they were read."""
        self._noted: deque[tuple[datetime, int]] = deque()
        self._noted_used = 0

    def note(self, ended_at: datetime, recipients: int) -> None:
        """Count one more."""
        self._noted.append((ended_at, recipients))
        self._noted_used += recipients

    def at_most(self, now: datetime) -> int:
        """Return how many are in the window now, or more."""
        return self._sent_at_most(now)

    def _sent_at_most(self, now: datetime) -> int:
        horizon = now - timedelta(seconds=self.window.seconds) - MARGIN
        while self._first and self._first[0][0] <= horizon:
            self.past_used -= self._first.popleft()[1]
        while self._noted and self._noted[0][0] <= horizon:
            self._noted_used -= self._noted.popleft()[1]
        return self.past_used + self._noted_used

    def exactly(self, now: datetime) -> int:
        """Return how many are in the window now."""
        return self._sent_exactly(now)

    def _sent_exactly(self, now: datetime) -> int:
        count = self._sent_at_most(now)
        if self._first or not self.past_used:
            return count
        horizon = now - timedelta(seconds=self.window.seconds) - MARGIN
        times = self._past.times(horizon)
        # In this order: what is settled in between is counted too long rather than not at all.
        self.past_used = self._past.used(horizon) if len(times) >= CHUNK else sum(some for _at, some in times)
        self._first = deque(times)
        return self.past_used + self._noted_used

    def end_of(self, number: int) -> tuple[datetime | None, int]:
        """When the ``number``-th of those in the window, as :meth:`exactly` counted them, ended.

        Returns:
            If there are fewer: when the last one did, and how many are missing.
        """
        at, missing = find(number, self._first)
        if missing and self._first and self.past_used > sum(some for _at, some in self._first):
            at, missing = self._past.end_of(missing, after=self._first[-1][0])
        if missing:
            noted_at, missing = find(missing, self._noted)
            at = noted_at or at
        return at, missing


class InOutCount(Count):
    """Hand-overs and what came in, together."""

    def __init__(self, window: Window, past: Past, received: Iterable[datetime]) -> None:
        """Count what came in at these times as well."""
        super().__init__(window, past)
        self._received = deque(sorted(received))

    def at_most(self, now: datetime) -> int:
        """Return how many are in the window now, or more."""
        return self._sent_at_most(now) + self._received_in(now)

    def exactly(self, now: datetime) -> int:
        """Return how many are in the window now."""
        return self._sent_exactly(now) + self._received_in(now)

    def _received_in(self, now: datetime) -> int:
        horizon = now - timedelta(seconds=self.window.seconds) - MARGIN
        while self._received and self._received[0] <= horizon:
            self._received.popleft()
        return len(self._received)

    def end_of(self, number: int) -> tuple[datetime | None, int]:
        """See :meth:`Count.end_of`. Where more was handed over than was read one by one, it may say a later time."""
        times = [*self._first, *self._noted, *((at, 1) for at in self._received)]
        at, missing = find(number, sorted(times))
        if missing and self._first and self.past_used > sum(some for _at, some in self._first):
            later, missing = self._past.end_of(missing, after=self._first[-1][0])
            at = max(filter(None, (at, later)), default=None)
        return at, missing


class Limiter:
    """Counts hand-overs in the windows of one account.

    A slot is taken with :meth:`take` before a proposal, and given back by :meth:`give_back` with what really
    was handed over, and when that ended.
    """

    def __init__(
        self, windows: tuple[Window, ...], past: Past | None = None, received: Collection[datetime] = ()
    ) -> None:
        self.windows = windows
        self._counts = [
            InOutCount(window, past or NoPast(), received)
            if window.name == IN_OUT
            else Count(window, past or NoPast())
            for window in windows
        ]
        self._open = 0
        self._left_open = 0
        """Recipients of hand-overs without an outcome that others left behind."""
        self._left_open_until: datetime | None = None
        """When these have ended at the latest."""

    @classmethod
    def load(cls, account: Account, *, now: datetime, open_for: timedelta, tallies: bool = True) -> Limiter:
        """The limiter with the account's hand-overs so far.

        Args:
            account: whose limits and hand-overs.
            now: the database's time.
            open_for: how long a hand-over without an outcome stays open.
            tallies: whether missing tallies are made; false for who does not own the lane.
        """
        windows = windows_of(account)
        lengths = {window.seconds for window in windows}
        if not windows:
            return cls(windows)
        sums = read_sums([account.pk], lengths, now=now, margin=MARGIN)[account.pk]
        wants_tallies = tallies and max(lengths) > FEW_SLOTS.total_seconds()
        if wants_tallies and bring_up_to_date(account.pk, sums.tallied_until, now=now):
            sums = read_sums([account.pk], lengths, now=now, margin=MARGIN)[account.pk]
        past = AccountPast(account.pk, tallied_until=sums.tallied_until, last_attempt=sums.last_attempt)
        counts_received = any(window.name == IN_OUT for window in windows)
        limiter = cls(windows, past, received_since(account.pk, now) if counts_received else ())
        for count in limiter._counts:
            count.past_used = sums.used[count.window.seconds]
        if sums.left_open:
            # One that nobody has given up yet may have ended right now, however long ago it began.
            limiter._left_open = sums.left_open
            limiter._left_open_until = max((sums.left_open_at or now) + open_for, now)
        return limiter

    def free(self, now: datetime) -> int | None:
        """Return how many recipients may be handed over now; ``None``: as many as you like.

        Beyond :data:`ENOUGH` there may be more than it says.
        """
        if not self.windows:
            return None
        return max(0, min(self._free_in(count, now) for count in self._counts))

    def _free_in(self, count: Count, now: datetime) -> int:
        taken = self._open_in(count.window, now)
        free = count.window.limit - taken - count.at_most(now)
        return free if free >= ENOUGH else count.window.limit - taken - count.exactly(now)

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
        if handed_over:
            for window_count in self._counts:
                window_count.note(ended_at, handed_over)

    def next_free_at(self, now: datetime, *, behind: int = 0) -> datetime | None:
        """When the next slot opens, or the one after ``behind`` others; ``None``: never, as things are.

        The estimate for ``behind`` > 0 takes every hand-over to last no time.
        """
        if any(window.limit == 0 for window in self.windows):
            return None
        return max([now, *(self._opens_at(count, now, behind) for count in self._counts)])

    def full_until(self, now: datetime) -> dict[str, datetime | None]:
        """Return, by the name of each window that is full, when its next slot opens; ``None``: never, as things are."""
        full = [count for count in self._counts if self._free_in(count, now) <= 0]
        return {
            count.window.name: self._opens_at(count, now, 0) if count.window.limit else None for count in full
        }

    def _opens_at(self, count: Count, now: datetime, behind: int) -> datetime:
        window = count.window
        period = timedelta(seconds=window.seconds) + MARGIN
        rounds, rest = divmod(behind, window.limit)
        is_open = self._open_in(window, now)
        surplus = count.exactly(now) + is_open + rest + 1 - window.limit
        at = now
        if surplus > 0:
            ended_at, missing = count.end_of(surplus)
            at = (ended_at or now) + period
            if missing and is_open:
                at = max(at, (self._left_open_until or now) + period)
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
    """For each account by primary key: its windows and what is used of them. One query for all, and one more where what came in counts.

    Args:
        accounts: with their limits loaded.
        now: the database's time.
    """
    windows = {account.pk: windows_of(account) for account in accounts}
    lengths = {window.seconds for mine in windows.values() for window in mine}
    sums = read_sums(windows, lengths, now=now, margin=timedelta()) if lengths else {}
    received = _count_received(
        [pk for pk, mine in windows.items() if any(window.name == IN_OUT for window in mine)], now
    )
    return {
        pk: tuple(
            WindowUsage(
                window,
                sums[pk].used[window.seconds]
                + sums[pk].left_open
                + (received.get(pk, 0) if window.name == IN_OUT else 0),
            )
            for window in mine
        )
        for pk, mine in windows.items()
    }
