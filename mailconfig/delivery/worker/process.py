"""The worker of a process that somebody else's tasks keep alive, Celery's say: it works while one of them attends."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable

from django.db import connection

from mailconfig.conf import get_settings
from mailconfig.delivery.sync.report import SyncReport
from mailconfig.delivery.worker.drain import DrainReport
from mailconfig.delivery.worker.loop import commits_of, concurrency_for
from mailconfig.delivery.worker.presence import Presence
from mailconfig.delivery.worker.side_by_side import SideBySide
from mailconfig.exceptions import WrongInstallation

logger = logging.getLogger("mailconfig.drain")

LOOK_UP_SECONDS = 0.25
WIND_DOWN_SECONDS = 5.0
"""How long lanes that give way are waited for. If some still wait for their servers then, the others go on meanwhile."""


class ProcessWorker:
    """Supervisors in threads that stay, with their connections and prepared statements, from task to task.

    Mail is in hand only while a task attends, so a process that has no task may be ended at any time.
    """

    def __init__(self) -> None:
        concurrency, _with_threads = concurrency_for()
        self._supervisor = SideBySide(
            concurrency=concurrency,
            with_threads=True,
            should_stop=lambda: self._ends,
            on_report=_ignore,
            on_sync=_ignore,
        )
        self._presence = Presence(self._supervisor)
        self._changed = threading.Condition()
        self._is_wanted = self._is_busy = self._is_attended = False
        self._ends = self._ends_for_good = False
        self._slice_ends_at = 0.0
        threading.Thread(target=self._work, name="mailconfig-supervisor", daemon=True).start()

    def attend(self, *, should_stop: Callable[[], bool]) -> bool:
        """Have all that is due worked on, and stay until nothing is due any more, for one slice of time.

        Where a task attends already nobody else has to: then that one is told to look again, and this returns at once.

        Args:
            should_stop: asked four times a second; once true, the mails in hand are finished, and no more begun.

        Returns:
            Whether there is more to do, for which somebody should come again.
        """
        with self._changed:
            self._is_wanted = self._is_busy = True
            self._supervisor.ring()
            self._changed.notify_all()
            if self._is_attended:
                return False
            self._is_attended, self._ends, self._ends_for_good = True, False, False
            self._slice_ends_at = time.monotonic() + get_settings().slice_seconds
        try:
            return self._stay(should_stop)
        finally:
            with self._changed:
                self._is_attended, self._ends = False, True

    def _stay(self, should_stop: Callable[[], bool]) -> bool:
        is_cut_short = False
        with self._changed:
            while self._is_busy:
                self._changed.wait(LOOK_UP_SECONDS)
                if should_stop():
                    self._ends = self._ends_for_good = True
                elif time.monotonic() >= self._slice_ends_at:
                    self._ends = True
                is_cut_short = self._ends
        return is_cut_short

    def end(self) -> None:
        """Finish the mails in hand, and begin no more. Returns after ``STOP_SECONDS`` at the latest."""
        give_up_at = time.monotonic() + get_settings().stop_seconds + 1.0
        with self._changed:
            self._ends = self._ends_for_good = True
            while self._is_busy and time.monotonic() < give_up_at:
                self._changed.wait(LOOK_UP_SECONDS)

    def _work(self) -> None:
        """Run the supervisor whenever it is wanted, with one writer that stays as the threads do."""
        with commits_of(self._supervisor):
            self._work_when_wanted()

    def _work_when_wanted(self) -> None:
        while True:
            with self._changed:
                while not self._is_wanted:
                    self._changed.wait()
                self._is_wanted = False
            try:
                self._run()
            except WrongInstallation as error:
                logger.error("%s", error)
            except Exception:
                logger.exception(
                    "the worker of this process: an error of our own; it goes on when it is called"
                )
                connection.close()
            with self._changed:
                if not self._is_wanted or self._ends:
                    self._is_busy = self._is_wanted = False
                    self._changed.notify_all()

    def _run(self) -> None:
        """Work until nothing is due, or it is to end and no lane is in hand any more."""
        while True:
            self._supervisor.run(once=True, between=self._presence.note_now_and_then)
            if not self._ends:
                return
            if self._ends_for_good:
                self._supervisor.leave(seconds=get_settings().stop_seconds)
                return
            if self._supervisor.await_lanes(seconds=WIND_DOWN_SECONDS):
                return
            with self._changed:
                if not self._ends_for_good:
                    self._ends = False
                    self._slice_ends_at = time.monotonic() + get_settings().slice_seconds


def _ignore(report: DrainReport | SyncReport) -> None:
    """Nobody asks what a drain did, or a sync."""


_lock = threading.Lock()
_workers: dict[int, ProcessWorker] = {}


def process_worker() -> ProcessWorker | None:
    """The worker of this process, made when it is first asked for: a fork has none of its parent's threads.

    Returns:
        ``None``: there is none, for lanes come one at a time here, in the caller's own thread (:func:`concurrency_for`).
    """
    if not concurrency_for()[1]:
        return None
    with _lock:
        worker = _workers.get(os.getpid())
        if worker is None:
            _workers.clear()
            worker = _workers[os.getpid()] = ProcessWorker()
    return worker
