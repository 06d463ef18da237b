"""Work beside the drain: a server that says nothing holds up a thread of a pool, and no mail."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from django.db import connections

from mailconfig.delivery.accounts.check_requests import run_check
from mailconfig.delivery.preparing.prepare import prepare_message

THREADS = 4
"""Checks of one worker; each lasts as long as its deadline at most."""
FILE_THREADS = 2
"""Mails of one worker whose files are fetched at once."""


class Pool:
    """Does pieces of work, each named by a key, in threads of its own with connections of their own to the database.

    As a context manager it ends when the work under way has ended. What waits for a thread is done as well, unless the
    worker is to stop: then another one finds it.
    """

    def __init__(
        self,
        work: Callable[[int], object],
        name: str,
        *,
        should_stop: Callable[[], bool],
        at_once: int,
        logger: logging.Logger,
    ) -> None:
        """Make one at rest.

        Args:
            work: does the piece of a key.
            name: what a piece is called in the log.
            should_stop: whether no more is to be begun.
            at_once: pieces under way at the same time, at most.
            logger: told of what ``work`` throws.
        """
        self._work, self._name, self._logger = work, name, logger
        self._should_stop = should_stop
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix=f"mailconfig-{name}")
        self._lock = threading.Lock()
        self._offered: set[int] = set()

    def offer(self, keys: Iterable[int]) -> None:
        """Have these done soon, each once while it is under way. Returns at once."""
        for key in keys:
            with self._lock:
                if key in self._offered:
                    continue
                self._offered.add(key)
            self._threads.submit(self._run, key)

    def _run(self, key: int) -> None:
        try:
            if not self._should_stop():
                self._work(key)
        except Exception:
            self._logger.exception("%s %s: an error of our own; everything else goes on", self._name, key)
        finally:
            connections.close_all()
            with self._lock:
                self._offered.discard(key)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=True, cancel_futures=error is not None or self._should_stop())


class CheckPool(Pool):
    """Runs connection checks."""

    def __init__(self, *, should_stop: Callable[[], bool], at_once: int = THREADS) -> None:
        super().__init__(
            lambda check_id: run_check(check_id=check_id),
            "check",
            should_stop=should_stop,
            at_once=at_once,
            logger=logging.getLogger("mailconfig.checks"),
        )


class FilePool(Pool):
    """Fetches the files of mails."""

    def __init__(self, *, should_stop: Callable[[], bool], on_prepared: Callable[[], object]) -> None:
        """Make one at rest; ``on_prepared`` is told after each mail that it may be due."""

        def prepare(message_id: int) -> None:
            if prepare_message(message_id=message_id, should_stop=should_stop):
                on_prepared()

        super().__init__(
            prepare,
            "files",
            should_stop=should_stop,
            at_once=FILE_THREADS,
            logger=logging.getLogger("mailconfig.files"),
        )
