"""Checks beside the drain: a server that says nothing holds up a thread of the checks, and no mail."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from django.db import connections

from mailconfig.delivery.accounts.check_requests import run_check

logger = logging.getLogger("mailconfig.checks")

THREADS = 4
"""Checks of one worker; each lasts as long as its deadline at most."""


class CheckPool:
    """Runs checks in threads of its own, each with a connection of its own to the database.

    As a context manager it ends when the checks under way have ended. Those that wait for a thread are run as well,
    unless the worker is to stop: then another one finds them.
    """

    def __init__(self, *, should_stop: Callable[[], bool], at_once: int = THREADS) -> None:
        self._should_stop = should_stop
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="mailconfig-check")
        self._lock = threading.Lock()
        self._offered: set[int] = set()

    def offer(self, check_ids: Iterable[int]) -> None:
        """Have these checks run soon, each once while it is under way. Returns at once."""
        for check_id in check_ids:
            with self._lock:
                if check_id in self._offered:
                    continue
                self._offered.add(check_id)
            self._threads.submit(self._run, check_id)

    def _run(self, check_id: int) -> None:
        try:
            if not self._should_stop():
                run_check(check_id=check_id)
        except Exception:
            logger.exception("check %s: an error of our own; everything else goes on", check_id)
        finally:
            connections.close_all()
            with self._lock:
                self._offered.discard(check_id)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=True, cancel_futures=error is not None or self._should_stop())
