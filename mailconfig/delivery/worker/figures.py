"""Figures of a worker, for people."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Figures:
    """A worker at one moment.

    Attributes:
        concurrency: lanes that may move at once.
        lanes: those in hand.
        waiting: those of them whose servers keep them waiting.
        mails_a_minute: mails whose outcome came in the last minute.
    """

    concurrency: int
    lanes: int
    waiting: int
    mails_a_minute: int


class Throughput:
    """Counts mails of the last minute. Used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: deque[tuple[float, int]] = deque()

    def note(self, mails: int) -> None:
        """Add mails that were settled just now."""
        if mails:
            with self._lock:
                self._counts.append((time.monotonic(), mails))

    def last_minute(self) -> int:
        """Return how many there were."""
        with self._lock:
            while self._counts and self._counts[0][0] < time.monotonic() - MINUTE:
                self._counts.popleft()
            return sum(mails for _at, mails in self._counts)
