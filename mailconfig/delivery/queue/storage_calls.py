"""Calls to the storage of large mails, each within a time: one that hangs keeps a thread of its own, and nobody's lane."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from django.db import connections

MOST_CALLS = 32
"""Calls under way in this process, those that hang among them. Nobody can end a thread that waits for a disk."""

Result = TypeVar("Result")


class StorageHangs(Exception):
    """The storage did not answer in time, or so many calls hang that no other is made."""


class Calls:
    """Makes calls in daemon threads, never more than :data:`MOST_CALLS`."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Forget the threads of another process: they did not come along over a fork."""
        self._free = threading.BoundedSemaphore(MOST_CALLS)

    def make(
        self,
        call: Callable[[], Result],
        *,
        seconds: float,
        discard: Callable[[Result | None], object] = lambda _result: None,
    ) -> Result:
        """Return what ``call`` returns, or raise what it raises.

        Args:
            call: asks the storage.
            seconds: how long it is waited for.
            discard: what its thread does with a result that comes too late; ``None``: it raised.

        Raises:
            StorageHangs: not within ``seconds``.
        """
        free = self._free
        if not free.acquire(timeout=seconds):
            raise StorageHangs(f"{MOST_CALLS} calls to the storage hang")
        answer: Future[Result] = Future()

        def work() -> None:
            try:
                _answer(answer, call)
            finally:
                connections.close_all()  # a storage may keep its files in the database
                free.release()

        threading.Thread(target=work, name="mailconfig-storage", daemon=True).start()
        try:
            return answer.result(timeout=seconds)
        except TimeoutError:
            if answer.done():
                raise  # the storage's own
            answer.add_done_callback(partial(_discard, discard))
            raise StorageHangs(f"the storage did not answer within {seconds:g} seconds") from None


def _answer(answer: Future[Result], call: Callable[[], Result]) -> None:
    try:
        answer.set_result(call())
    except BaseException as error:  # noqa: BLE001 - handed to the waiting thread, which raises it
        answer.set_exception(error)


def _discard(discard: Callable[[Any], object], late: Future[Any]) -> None:
    with suppress(Exception):
        discard(None if late.exception() else late.result())


calls = Calls()
os.register_at_fork(after_in_child=calls.renew)
