"""Rings workers from a thread of its own, so that a broker that hangs or fails never touches a request.

A ring that is lost costs the time between two sweeps at most: then whoever is due is rung again.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import threading
import time
from collections.abc import Callable

logger = logging.getLogger("mailconfig.doorbell")

LONGEST_LINE = 1000
"""Rings waiting for a slow broker; more are dropped, and counted."""
GOODBYE_SECONDS = 0.5
"""How long a process that ends waits for its last rings."""
COMPLAIN_EVERY = 60.0


class Doorbell:
    """Calls a publisher in the background, once for the same arguments while they wait.

    Attributes:
        dropped: rings given up because the broker failed or too many waited.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._complained_at = 0.0
        self._start()
        atexit.register(self._say_goodbye)

    def _start(self) -> None:
        self._pid = os.getpid()
        self._line: queue.Queue[tuple[Callable[[int], object], int]] = queue.Queue(LONGEST_LINE)
        self._waiting: set[tuple[Callable[[int], object], int]] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def ring(self, publish: Callable[[int], object], pk: int) -> None:
        """Have ``publish(pk)`` called soon, in another thread. Returns at once and never raises."""
        if self._pid != os.getpid():
            # A fork has the line but not the thread.
            self._start()
        with self._lock:
            if (publish, pk) in self._waiting:
                return
            try:
                self._line.put_nowait((publish, pk))
            except queue.Full:
                self._drop("too many rings wait for the broker")
                return
            self._waiting.add((publish, pk))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="mailconfig-doorbell", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            publish, pk = self._line.get()
            with self._lock:
                self._waiting.discard((publish, pk))
            try:
                publish(pk)
            except Exception as error:  # noqa: BLE001 - whatever a broker's client raises, the ring is lost
                self._drop(f"{type(error).__name__}: {error}")
            finally:
                self._line.task_done()

    def _drop(self, why: str) -> None:
        self.dropped += 1
        if time.monotonic() - self._complained_at > COMPLAIN_EVERY:
            self._complained_at = time.monotonic()
            logger.warning(
                "the broker could not be reached (%s); mail waits for the beat, or for mailconfig_drain", why
            )

    def _say_goodbye(self) -> None:
        give_up_at = time.monotonic() + GOODBYE_SECONDS
        while self._pid == os.getpid() and self._line.unfinished_tasks and time.monotonic() < give_up_at:
            time.sleep(0.01)


doorbell = Doorbell()
