"""Sending and syncing in one process, each with room of its own, so that neither keeps the other waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from django.db import connection

from mailconfig.conf import DEFAULT_SYNC_CONCURRENCY, get_settings
from mailconfig.delivery.sync.report import SyncReport
from mailconfig.delivery.worker import purposes
from mailconfig.delivery.worker.drain import DrainReport
from mailconfig.delivery.worker.figures import Figures
from mailconfig.delivery.worker.supervisor import Supervisor

STEP_SECONDS = 1.0
"""Where all happens in one thread, syncing has so long between two turns of sending."""
END_SECONDS = 5.0
"""How long it is waited for a supervisor that is to end; it looks four times a second whether it is."""


def _nothing() -> None:
    """There is nothing to do in between."""


class SideBySide:
    """Two supervisors, and what is asked of one asked of both.

    With threads the one that syncs runs in a thread of its own. Without, they take turns in the caller's.
    """

    def __init__(
        self,
        *,
        concurrency: int,
        with_threads: bool,
        should_stop: Callable[[], bool],
        on_report: Callable[[DrainReport], object],
        on_sync: Callable[[SyncReport], object],
    ) -> None:
        """Make both, at rest.

        Args:
            concurrency: lanes that send at once.
            with_threads: a thread for each lane, else all in the caller's.
            should_stop: asked often, between mails.
            on_report: told what each drain did.
            on_sync: told what each sync did.
        """
        syncs = get_settings().sync_concurrency or DEFAULT_SYNC_CONCURRENCY
        if not with_threads or connection.vendor == "sqlite":
            syncs = 1
        self.sending = Supervisor(
            purposes.sending(on_report),
            concurrency=concurrency,
            with_threads=with_threads,
            should_stop=should_stop,
        )
        self.syncing = Supervisor(
            purposes.syncing(on_sync), concurrency=syncs, with_threads=with_threads, should_stop=should_stop
        )

    @property
    def has_threads(self) -> bool:
        """Return whether lanes have threads of their own."""
        return self.sending.has_threads

    def figures(self) -> Figures:
        """Return what both do at this moment."""
        sending, syncing = self.sending.figures(), self.syncing.figures()
        return Figures(
            sending.concurrency,
            sending.lanes + syncing.lanes,
            sending.waiting + syncing.waiting,
            sending.mails_a_minute,
        )

    def ring(self) -> None:
        """Have both look for what is due, now."""
        self.sending.ring()
        self.syncing.ring()

    def fail(self, error: BaseException) -> None:
        """End the run with this error."""
        self.syncing.fail(error)
        self.sending.fail(error)

    def run(self, *, once: bool = False, between: Callable[[], object] = _nothing) -> None:
        """Work until it is to stop.

        Args:
            once: end when nothing is due, and no lane in hand any more, of either.
            between: called in this thread, before each look for room.

        Raises:
            WrongInstallation: this database belongs to another installation.
        """
        if not self.has_threads:

            def take_turns() -> None:
                between()
                self.syncing.step(seconds=STEP_SECONDS)

            self.sending.run(once=once, between=take_turns, is_alone=self.syncing.is_done)
            return
        sends, syncs = _Run(self.sending), _Run(self.syncing)

        def sync() -> None:
            try:
                self.syncing.run(once=once, is_alone=sends.is_over)
            except BaseException as error:  # noqa: BLE001 - raised by the one in the caller's thread
                self.sending.fail(error)
            finally:
                syncs.end()
                self.sending.wake()

        self.syncing.start_beside(sync)
        try:
            self.sending.run(once=once, between=between, is_alone=syncs.is_over)
        except BaseException as error:
            if not syncs.has_ended:
                self.syncing.fail(error)
            syncs.wait(END_SECONDS)
            raise
        finally:
            sends.end()
        self.syncing.wake()
        syncs.wait(END_SECONDS)

    def await_lanes(self, *, seconds: float) -> bool:
        """Return whether all lanes were left within so many seconds."""
        give_up_at = time.monotonic() + seconds
        are_left = self.sending.await_lanes(seconds=seconds)
        return self.syncing.await_lanes(seconds=max(0.0, give_up_at - time.monotonic())) and are_left

    def leave(self, *, seconds: float) -> bool:
        """Wait for the mails in hand, and free the lanes that are waited for in vain.

        Returns:
            Whether all lanes were left in time.
        """
        give_up_at = time.monotonic() + seconds
        are_left = self.sending.leave(seconds=seconds)
        return self.syncing.leave(seconds=max(0.0, give_up_at - time.monotonic())) and are_left

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # One does not wait for the other to have left.
        self.syncing.wind_down()
        self.sending.close()
        self.syncing.close()


class _Run:
    """A run of one of the two, as the other sees it."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._ended = threading.Event()

    @property
    def has_ended(self) -> bool:
        """Return whether it has left."""
        return self._ended.is_set()

    def is_over(self) -> bool:
        """Return whether the other need not be waited for; if it has to be, have it look as well.

        Whoever has left is waited for no more: what it is rung for afterwards is for its next run.
        """
        if self.has_ended or self._supervisor.is_done():
            return True
        self._supervisor.wake()
        return False

    def end(self) -> None:
        """Note that it has left."""
        self._ended.set()

    def wait(self, seconds: float) -> None:
        """Wait until it has left, or so many seconds are over."""
        self._ended.wait(seconds)
