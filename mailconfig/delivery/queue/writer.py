"""A writer for all lanes of a process: what they want committed while it commits, it commits together next."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue

from django.db import OperationalError, connection

from mailconfig import crash
from mailconfig.delivery.mishaps import is_database_away, is_lock_missing
from mailconfig.delivery.queue import parts
from mailconfig.delivery.queue.parts import Part

logger = logging.getLogger("mailconfig.writer")

STOP_SECONDS = 10.0
"""So long the end of the writer is waited for."""
MOST_PARTS = 200
"""Parts in one statement; the others are in the next one."""


class Pending:
    """A part's way into the database, for the one thread that waits for it: a Future takes several times as long."""

    __slots__ = ("_error", "_is_under_way", "has_ended")

    def __init__(self) -> None:
        self.has_ended = False
        """Whether the other thread may go on, as the writer knows."""
        self._is_under_way = threading.Lock()
        self._is_under_way.acquire()
        self._error: Exception | None = None

    def end(self, error: Exception | None = None) -> None:
        """Let the other thread go on: it is committed, or this kept it from being. Once."""
        self._error, self.has_ended = error, True
        self._is_under_way.release()

    def wait(self, seconds: float = -1) -> None:
        """Wait until it is committed, for so many seconds at most (-1: for ever). Not to be called again.

        Raises:
            TimeoutError: it was not.
            Exception: what kept it from being.
        """
        if not self._is_under_way.acquire(timeout=seconds):
            raise TimeoutError
        if self._error is not None:
            raise self._error


_Waiting = tuple[Part, Pending]


class Writer:
    """A thread with a connection of its own. Nobody waits for company: it takes all that waits, as soon as it can.

    A part that cannot be written, written by itself after the others, fails alone; one that waits for somebody's lock is
    given back. With the database away each part's owner hears of it, and has patience of its own.
    """

    def __init__(self) -> None:
        self._waiting: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="mailconfig-writer", daemon=True)
        self._held: _Waiting | None = None
        """Taken, but for the next commit."""
        self._lock = threading.Lock()
        self._is_stopped = False
        self.commits = 0
        """How many there were."""

    def start(self) -> None:
        """Begin to take parts."""
        self._thread.start()

    def stop(self) -> None:
        """Commit what waits, and end. Afterwards parts are refused. Who waits for a database that hangs is left behind."""
        with self._lock:
            self._is_stopped = True
            self._waiting.put(None)
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def submit(self, part: Part) -> Pending | None:
        """Hand in a part, and return what to wait for. ``None``: the writer has ended."""
        pending = Pending()
        with self._lock:
            if self._is_stopped:
                return None
            self._waiting.put((part, pending))
        return pending

    def _run(self) -> None:
        try:
            while (first := self._held or self._waiting.get()) is not None:
                self._held = None
                together, is_last = self._take_more(first)
                self._commit_or_tell(together)
                if is_last:
                    break
        finally:
            with self._lock:
                self._is_stopped = True
            self._refuse_rest()
            connection.close()

    def _take_more(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        """All that waits by now, each message once, and whether somebody said to stop."""
        together, messages = [first], first[0].message_ids()
        while len(together) < MOST_PARTS:
            try:
                further = self._waiting.get_nowait()
            except Empty:
                break
            if further is None:
                return together, True
            further_messages = further[0].message_ids()
            if not messages.isdisjoint(further_messages):
                self._held = further
                break
            together.append(further)
            messages |= further_messages
        return together, False

    def _refuse_rest(self) -> None:
        """Whoever handed a part in while the writer ended, writes it again by itself."""
        while True:
            try:
                waiting = self._held or self._waiting.get_nowait()
            except Empty:
                return
            self._held = None
            if waiting is not None:
                waiting[1].end(WriterEnded())

    def _commit_or_tell(self, together: Sequence[_Waiting]) -> None:
        """Commit them. Whatever that meets, nobody is left waiting: who was told nothing finds out what was committed."""
        try:
            self._commit(together)
        except Exception:
            logger.exception("an error of our own; each lane finds out what was committed")
        finally:
            for _part, pending in together:
                if not pending.has_ended:
                    pending.end(OperationalError("the writer does not know whether it was committed"))

    def _commit(self, together: Sequence[_Waiting]) -> None:
        try:
            self._write([part for part, _pending in together])
        except Exception as error:  # noqa: BLE001 - whoever handed it in is told, and judges it
            is_locked = is_lock_missing(error)
            if not is_locked:
                connection.close()
            if len(together) == 1 or (is_database_away(error) and not is_locked):
                for _part, pending in together:
                    pending.end(KeptWaiting() if is_locked else error)
                return
            logger.log(
                logging.DEBUG if is_locked else logging.WARNING,
                "a commit of %s lanes failed, now each by itself: %s",
                len(together),
                error,
            )
            for one in together:
                self._commit([one])
        else:
            for _part, pending in together:
                pending.end()

    def _write(self, together: Sequence[Part]) -> None:
        self.commits += 1
        crash.point("before_shared_commit")
        wait = parts.start(together, waits_for_locks=False)
        crash.point("shared_commit_sent")
        wait()
        crash.point("after_shared_commit")


class WriterEnded(Exception):
    """The writer ended before it took the part."""


class KeptWaiting(Exception):
    """Somebody has locked what the part is about: whoever handed it in waits for that, on a connection of its own."""


class _Process:
    """Has at most one writer."""

    writer: Writer | None = None

    @classmethod
    def forget(cls) -> None:
        """Begin without one: a fork has none of its parent's threads."""
        cls.writer = None


os.register_at_fork(after_in_child=_Process.forget)


@contextmanager
def shared_writer() -> Iterator[Writer]:
    """Let all lanes of this process commit through one writer until the end of the block. PostgreSQL only."""
    writer = Writer()
    writer.start()
    _Process.writer = writer
    try:
        yield writer
    finally:
        _Process.writer = None
        writer.stop()


def start(part: Part) -> tuple[Callable[[], None], bool]:
    """Begin to commit a part: through the process's writer if there is one, else over the caller's connection.

    Returns:
        What waits for the commit, and whether it may be one with others.
    """
    writer = _Process.writer
    pending = None if writer is None or connection.in_atomic_block else writer.submit(part)
    if pending is None:
        return parts.start([part]), False
    submitted = pending

    def wait() -> None:
        try:
            submitted.wait()
        except (WriterEnded, KeptWaiting):
            parts.start([part])()

    return wait, True
