"""Threads of a worker: each with a connection of its own to the database, and a few kept warm."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from django.db import connection, connections

logger = logging.getLogger("mailconfig.drain")

Work = Callable[[], object]

KEPT_WARM = 2
"""Idle threads that stay, connected, so that the next mail waits for no login at the database."""
IDLE_SECONDS = 10.0
"""How long the others stay."""
DOUBT_SECONDS = 1.0
"""A connection that was idle for so long is tried before it is used: the database may have been restarted."""


class Threads:
    """Runs each piece of work in a thread; never more than are busy, and the few that are kept warm.

    Whoever rested last is called first: its connection and prepared statements are there, and the others may go.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._resting: list[_Thread] = []
        self._all: set[_Thread] = set()
        self._is_closed = False

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
        return not any(thread.is_alive() for thread in threads)

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
            self._work_until_end()
        finally:
            connections.close_all()

    def _work_until_end(self) -> None:
        rested_at = time.monotonic()
        while True:
            try:
                work = self.inbox.get(timeout=IDLE_SECONDS)
            except Empty:
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
            rested_at = time.monotonic()
            if not self._owner.rest(self):
                return


def refresh_connection() -> None:
    """Let go of a connection that does not answer any more."""
    if connection.connection is not None and not connection.in_atomic_block and not connection.is_usable():
        connection.close()
