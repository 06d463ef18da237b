"""House-keeping of a worker: sweep, purge and the look for due checks, files and webhooks, each in a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Self

from django.db import DatabaseError, InterfaceError, connections

from mailconfig.conf import get_settings
from mailconfig.delivery.accounts.check_requests import due_checks
from mailconfig.delivery.mishaps import Containment, outage
from mailconfig.delivery.preparing.leases import due_by_account
from mailconfig.delivery.queue.retry import backoff_seconds
from mailconfig.delivery.webhooks.leases import due_endpoints
from mailconfig.delivery.worker.pool import CheckPool, FilePool, WebhookPool
from mailconfig.delivery.worker.presence import PRESENCE_SECONDS, Presence
from mailconfig.delivery.worker.purge import PURGE_SECONDS, purge
from mailconfig.delivery.worker.sweep import SweepReport, sweep
from mailconfig.exceptions import WrongInstallation

logger = logging.getLogger("mailconfig.upkeep")

LOOK_SECONDS = 2.0
"""From one look for checks, for mail whose files are to be fetched and for webhooks that are to be told, to the next."""
END_SECONDS = 5.0
"""How long a step under way is waited for at the end; each may be broken off."""


class HouseKeeping:
    """Sweeps, purges and looks for checks and files: all that the beat does under Celery.

    As a context manager it has a thread for each, from which it tells what it found.
    """

    def __init__(
        self,
        checks: CheckPool,
        files: FilePool,
        webhooks: WebhookPool,
        presence: Presence,
        *,
        on_sweep: Callable[[SweepReport], object],
        on_wrong_installation: Callable[[WrongInstallation], object],
    ) -> None:
        """Make one at rest.

        Args:
            checks: runs what is found.
            files: fetches those of the mails that are found.
            webhooks: tells those that are found.
            presence: shows that the worker lives.
            on_sweep: told what each sweep did.
            on_wrong_installation: told that nothing may be done here.
        """
        settings = get_settings()
        self._on_wrong_installation = on_wrong_installation
        self._containment = Containment(rest_seconds=lambda failures: backoff_seconds(failures, settings))
        self._stop = threading.Event()
        self._frequent = (
            _Task("the sweep", settings.sweep_seconds, lambda: on_sweep(sweep())),
            _Task(
                "the look for checks, files and webhooks",
                min(LOOK_SECONDS, settings.sweep_seconds),
                partial(self._look, checks, files, webhooks),
            ),
        )
        self._tasks = (
            *self._frequent,
            _Task("the purge", PURGE_SECONDS, purge),
            _Task("the sign of life", PRESENCE_SECONDS, presence.note),
        )
        self._threads: list[threading.Thread] = []

    def _look(self, checks: CheckPool, files: FilePool, webhooks: WebhookPool) -> None:
        """Look for all over one connection; what one look throws costs the others nothing."""
        self._containment.call(lambda: checks.offer(due_checks()), "the checks that are due")
        self._containment.call(lambda: _offer_files(files), "the files to be fetched")
        self._containment.call(lambda: _offer_webhooks(webhooks), "the webhooks to be told")

    def sweep_once(self) -> None:
        """Sweep, and have the checks run that are due, in this thread.

        Raises:
            WrongInstallation: nothing may be done here.
            DatabaseError, InterfaceError: the database does not answer.
        """
        for task in self._frequent:
            self._containment.call(task.call, task.name)

    def do_what_is_due(self) -> None:
        """Do all that is due, in this thread.

        Raises:
            WrongInstallation: nothing may be done here.
            DatabaseError, InterfaceError: the database does not answer.
        """
        for task in self._tasks:
            if task.is_due():
                self._containment.call(task.call, task.name)
                task.note_done()

    def __enter__(self) -> Self:
        """Begin, with a thread for each."""
        for task in self._tasks:
            thread = threading.Thread(
                target=self._repeat, args=(task,), name="mailconfig-upkeep", daemon=True
            )
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        give_up_at = time.monotonic() + END_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, give_up_at - time.monotonic()))

    def _repeat(self, task: _Task) -> None:
        while not self._stop.is_set():
            try:
                self._containment.call(task.call, task.name)
            except WrongInstallation as error:
                self._on_wrong_installation(error)
                return
            except (DatabaseError, InterfaceError) as error:
                outage.note(error)
                self._stop.wait(get_settings().ring_seconds)
                continue
            except BaseException:  # the edge of a thread: it goes on, whatever that was meant to end
                logger.exception("%s: an error of our own; trying again", task.name)
            finally:
                connections.close_all()  # it is not needed for a while
            self._stop.wait(task.seconds)


def _offer_files(files: FilePool) -> None:
    due = due_by_account()
    files.offer(due, due)


def _offer_webhooks(webhooks: WebhookPool) -> None:
    due = due_endpoints()
    webhooks.offer(due, due)


class _Task:
    """Something to be done every so many seconds."""

    def __init__(self, name: str, seconds: float, call: Callable[[], object]) -> None:
        self.name, self.seconds, self.call = name, seconds, call
        self._done_at = float("-inf")

    def is_due(self) -> bool:
        return time.monotonic() - self._done_at >= self.seconds

    def note_done(self) -> None:
        self._done_at = time.monotonic()
