"""Threads of a worker: on PostgreSQL a few connections for all of them, and a few of both kept warm."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from django.db import DEFAULT_DB_ALIAS, connection, connections

from mailconfig.delivery.postgres.driver import has_psycopg3
from mailconfig.delivery.postgres.stock import DOUBT_SECONDS, IDLE_SECONDS, KEPT_WARM, Stock

logger = logging.getLogger("mailconfig.drain")

Work = Callable[[], object]


class Threads:
    """Runs each piece of work in a thread; never more than are busy, and the few that are kept warm.

    Whoever rested last is called first, and the others may go. On PostgreSQL (psycopg 3) a thread has a connection to
    the database for a statement or a transaction only, out of a stock; elsewhere it has one of its own.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._resting: list[_Thread] = []
        self._all: set[_Thread] = set()
        self._is_closed = False
        self._stock = Stock() if has_psycopg3() else None

    def start(self, work: Work) -> None:
        """Run ``work`` now. Whatever it throws is logged, and ends nothing else.

        Raises:
            RuntimeError: the machine has no room for another thread; nothing is run.
        """
        with self._lock:
            thread = self._resting.pop() if self._resting else None
            if thread is None:
                thread = _Thread(self, self._name)
                thread.start()
                self._all.add(thread)
        thread.inbox.put(work)

    def close(self, *, seconds: float) -> bool:
        """Let all threads end once they have nothing to do, and wait for them.

        Args:
            seconds: how long at most.

        Returns:
            Whether all have ended.
        """
        with self._lock:
            self._is_closed = True
            resting, self._resting = self._resting, []
            threads = list(self._all)
        for thread in resting:
            thread.inbox.put(None)
        give_up_at = time.monotonic() + seconds
        for thread in threads:
            thread.join(max(0.0, give_up_at - time.monotonic()))
        if self._stock is not None:
            self._stock.close()
        return not any(thread.is_alive() for thread in threads)

    def use_stock(self) -> None:
        """Have this thread use the stock's connections, if there is one."""
        if self._stock is not None:
            from mailconfig.delivery.postgres.lending import make_lending

            connections[DEFAULT_DB_ALIAS] = make_lending(connections[DEFAULT_DB_ALIAS], self._stock)

    def let_go(self) -> None:
        """Close a connection of the stock's that the last work of this thread did not let go of."""
        if self._stock is not None and connection.connection is not None:
            connection.close()

    def leave_stock(self) -> None:
        """End the use of the stock by this thread."""
        if self._stock is not None:
            self.let_go()
            del connections[DEFAULT_DB_ALIAS]

    def shrink(self) -> None:
        """Let go of connections that nobody needed for a while."""
        if self._stock is not None:
            self._stock.shrink()

    def rest(self, thread: _Thread) -> bool:
        """Note that a thread has nothing to do. Returns false if it is to end."""
        with self._lock:
            if self._is_closed:
                self._all.discard(thread)
                return False
            self._resting.append(thread)
            return True

    def may_end(self, thread: _Thread) -> bool:
        """Return whether a thread that waited long enough is to end; else work comes, or it is kept warm."""
        with self._lock:
            if thread not in self._resting or thread in self._resting[-KEPT_WARM:]:
                return False
            self._resting.remove(thread)
            self._all.discard(thread)
            return True


class _Thread(threading.Thread):
    """Does what comes into its inbox; ``None`` ends it. A process that ends does not wait for it."""

    def __init__(self, owner: Threads, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.inbox: SimpleQueue[Work | None] = SimpleQueue()
        self._owner = owner

    def run(self) -> None:
        try:
            self._owner.use_stock()
            self._work_until_end()
        finally:
            self._owner.leave_stock()
            connections.close_all()

    def _work_until_end(self) -> None:
        rested_at = time.monotonic()
        while True:
            try:
                work = self.inbox.get(timeout=IDLE_SECONDS)
            except Empty:
                self._owner.shrink()
                if self._owner.may_end(self):
                    return
                continue
            if work is None:
                return
            if time.monotonic() - rested_at > DOUBT_SECONDS:
                refresh_connection()
            try:
                work()
            except BaseException:  # the edge of a thread: also what means to end a process ends only its work
                logger.exception("an error of our own; everything else goes on")
            self._owner.let_go()
            rested_at = time.monotonic()
            if not self._owner.rest(self):
                return


def refresh_connection() -> None:
    """Let go of a connection that does not answer any more."""
    if connection.connection is not None and not connection.in_atomic_block and not connection.is_usable():
        connection.close()
