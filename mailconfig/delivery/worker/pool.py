"""Work beside the drain: a server that says nothing holds up a thread of a pool, and no mail."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from django.db import connections

from mailconfig.delivery.accounts.check_requests import run_check
from mailconfig.delivery.preparing.leases import MOST_OF_ACCOUNT
from mailconfig.delivery.preparing.prepare import prepare_message
from mailconfig.delivery.webhooks.deliver import deliver_events
from mailconfig.delivery.webhooks.leases import MOST_OF_TENANT

THREADS = 4
"""Checks of one worker; each lasts as long as its deadline at most."""
FILE_THREADS = 4
"""Mails of one worker whose files are fetched at once."""

WEBHOOK_THREADS = 4
"""Endpoints that one worker tells something at once; each has its turn for some seconds."""


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
        most_of_group: int | None = None,
        logger: logging.Logger,
    ) -> None:
        """Make one at rest.

        Args:
            work: does the piece of a key.
            name: what a piece is called in the log.
            should_stop: whether no more is to be begun.
            at_once: pieces under way at the same time, at most.
            most_of_group: those of one group; ``None``: as many.
            logger: told of what ``work`` throws.
        """
        self._work, self._name, self._logger = work, name, logger
        self._should_stop = should_stop
        self._at_once, self._most_of_group = at_once, most_of_group or at_once
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix=f"mailconfig-{name}")
        self._lock = threading.Lock()
        self._waiting: dict[int, int] = {}
        """What no thread has begun, in its order, by key: the group that it is of."""
        self._under_way: dict[int, int] = {}
        self._busy = 0

    def offer(self, keys: Iterable[int], groups: Mapping[int, int] | None = None) -> None:
        """Have these done soon, in this order, each once while it is under way. Returns at once.

        What was offered before and has not begun is forgotten: who it is the turn of may have changed.

        Args:
            keys: all that is to be done now.
            groups: by key; ``None``: each is its own.
        """
        groups = groups or {}
        with self._lock:
            self._waiting = {key: groups.get(key, key) for key in keys if key not in self._under_way}
            more = min(self._at_once - self._busy, len(self._waiting))
        for _ in range(more):
            with self._lock:
                self._busy += 1
            try:
                self._threads.submit(self._run)
            except BaseException:  # no thread could be started: the next offer tries again
                with self._lock:
                    self._busy -= 1
                raise

    def _run(self) -> None:
        """Do one after the other until there is nothing that this thread may begin."""
        while (key := self._begin()) is not None:
            try:
                self._work(key)
            except Exception:
                self._logger.exception("%s %s: an error of our own; everything else goes on", self._name, key)
            finally:
                connections.close_all()
                with self._lock:
                    del self._under_way[key]

    def _begin(self) -> int | None:
        """Return what is next. Of a group that is full nothing is: those who do its others go on with it."""
        is_ending = self._should_stop()
        with self._lock:
            full = {
                group
                for group, count in Counter(self._under_way.values()).items()
                if count >= self._most_of_group
            }
            for key, group in () if is_ending else self._waiting.items():
                if group not in full:
                    self._under_way[key] = self._waiting.pop(key)
                    return key
            self._busy -= 1
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            with self._lock:
                self._waiting = {}
        self._threads.shutdown(wait=True)


class WebhookPool(Pool):
    """Tells endpoints what happened, each in its turn."""

    def __init__(self, *, should_stop: Callable[[], bool]) -> None:
        super().__init__(
            lambda endpoint_id: deliver_events(endpoint_id=endpoint_id, should_stop=should_stop),
            "webhook",
            should_stop=should_stop,
            at_once=WEBHOOK_THREADS,
            most_of_group=MOST_OF_TENANT,
            logger=logging.getLogger("mailconfig.webhooks"),
        )


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
            most_of_group=MOST_OF_ACCOUNT,
            logger=logging.getLogger("mailconfig.files"),
        )
