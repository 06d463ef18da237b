"""A stock of connections to PostgreSQL that many threads use in turn, each for a statement or a transaction."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from mailconfig.conf import SHARED_CONNECTIONS

PATIENCE_SECONDS = 0.1
"""When none comes back for so long, they are kept by something that lasts, a lock say: one more is made."""
DOUBT_SECONDS = 1.0
"""A connection that was idle for so long is tried before it is used: the database may have been restarted."""
IDLE_SECONDS = 10.0
"""How long those stay that nobody needs."""
KEPT_WARM = 2
"""So many stay all the same, so that the next mail waits for no login at the database."""


@dataclass(slots=True, eq=False)
class Lent:
    """A connection of the database's driver.

    Attributes:
        raw: the connection.
        made_at: when making it was begun, by the monotonic clock.
        uses: cursors, and answers that are fetched later, that still need it. Whoever has it counts them.
        rested_at: when it came back last, by that clock.
    """

    raw: Any
    made_at: float = field(default_factory=time.monotonic)
    uses: int = 0
    rested_at: float = 0.0


class Stock:
    """Lends each connection to one thread at a time.

    The one that came back last is lent first: it has most of the prepared statements. When all are lent, whoever needs one
    waits, in order. :data:`SHARED_CONNECTIONS` is no bound that could stop everybody: while none comes back, more are made one by one,
    and closed again once they are back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._resting: list[Lent] = []
        self._waiting: deque[SimpleQueue[Lent | None]] = deque()
        self._count = 0
        """Connections there are, those among them that are being made."""
        self._moved_at = 0.0
        self._renewed_at = float("-inf")
        self._is_closed = False

    def take(self) -> Lent | None:
        """Return a connection. The caller owes a :meth:`give_back` or :meth:`drop`.

        Returns:
            ``None``: the caller is to make one, and owes the same, also if it cannot.
        """
        with self._lock:
            if self._resting:
                return self._resting.pop()
            if self._count < SHARED_CONNECTIONS:
                self._count += 1
                return None
            waiter: SimpleQueue[Lent | None] = SimpleQueue()
            self._waiting.append(waiter)
        while True:
            try:
                return waiter.get(timeout=PATIENCE_SECONDS)
            except Empty:
                if self._grow(waiter):
                    return None

    def _grow(self, waiter: SimpleQueue[Lent | None]) -> bool:
        """Return whether one more may be made for whoever waits here."""
        now = time.monotonic()
        with self._lock:
            if waiter not in self._waiting or now - self._moved_at < PATIENCE_SECONDS:
                return False
            self._waiting.remove(waiter)
            self._count += 1
            self._moved_at = now
            return True

    def give_back(self, lent: Lent) -> None:
        """Take a connection back that is sound, and in no transaction."""
        lent.rested_at = now = time.monotonic()
        with self._lock:
            self._moved_at = now
            is_stale = lent.made_at <= self._renewed_at
            if self._waiting:
                self._waiting.popleft().put(None if is_stale else lent)
                if not is_stale:
                    return
            elif self._is_closed or is_stale or self._count > SHARED_CONNECTIONS:
                self._count -= 1
            else:
                self._resting.append(lent)
                return
        lent.raw.close()

    def drop(self) -> None:
        """Note that a connection that was lent is gone, or could not be made."""
        with self._lock:
            self._moved_at = time.monotonic()
            if self._waiting:
                self._waiting.popleft().put(None)
            else:
                self._count -= 1

    def renew(self) -> None:
        """Use no connection again that there is now: the database was restarted, say, or became another one."""
        with self._lock:
            self._renewed_at = time.monotonic()
            resting = self._clear()
        _close(resting)

    def shrink(self) -> None:
        """Let go of those that nobody needed for a while."""
        since = time.monotonic() - IDLE_SECONDS
        with self._lock:
            spare = [lent for lent in self._resting[:-KEPT_WARM] if lent.rested_at < since]
            self._resting = self._resting[len(spare) :]  # who rests longest comes first
            self._count -= len(spare)
        _close(spare)

    def close(self) -> None:
        """Let go of all that rest, and of the others as they come back."""
        with self._lock:
            self._is_closed = True
            resting = self._clear()
        _close(resting)

    def _clear(self) -> list[Lent]:
        resting, self._resting = self._resting, []
        self._count -= len(resting)
        return resting


def _close(lent: Iterable[Lent]) -> None:
    for one in lent:
        one.raw.close()


def is_doubtful(lent: Lent) -> bool:
    """Return whether to try a connection before it is used."""
    return time.monotonic() - lent.rested_at > DOUBT_SECONDS


def hold(database: BaseDatabaseWrapper) -> Callable[[], None]:
    """Keep the connection of a wrapper, which may be lent to another thread after each statement.

    Returns:
        What lets go of it.

    Raises:
        DatabaseError: there was none, and none could be had.
    """
    kept: Callable[[], Callable[[], None]] | None = getattr(database, "hold", None)
    return _nothing if kept is None else kept()


def _nothing() -> None:
    """Nobody lends it."""
