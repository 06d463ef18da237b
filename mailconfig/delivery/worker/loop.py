"""The loop of a worker without Celery: sweep, then drain whoever is due, turn about; checks run beside it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

from django.db import connection

from mailconfig.conf import get_settings
from mailconfig.delivery import lanes
from mailconfig.delivery.accounts.check_requests import due_checks
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.mishaps import Containment, is_database_away
from mailconfig.delivery.queue.retry import backoff_seconds
from mailconfig.delivery.worker.checks import CheckPool
from mailconfig.delivery.worker.drain import DrainReport, drain_account
from mailconfig.delivery.worker.purge import PURGE_SECONDS, purge
from mailconfig.delivery.worker.sweep import sweep

logger = logging.getLogger("mailconfig.drain")


def _ignore(report: DrainReport) -> None:
    """Nobody asks what a drain did."""


def drain_all(
    *, should_stop: Callable[[], bool], on_report: Callable[[DrainReport], object] = _ignore
) -> int:
    """Sweep once and drain every account that is due until nothing is due any more.

    Args:
        should_stop: asked between messages.
        on_report: told what each drain did.

    Returns:
        How many turns were settled.

    Raises:
        WrongInstallation: this database belongs to another installation; nothing was sent.
    """
    settled = 0
    with CheckPool(should_stop=should_stop) as checks:
        worker = _Worker(should_stop, checks, on_report)
        worker.tend()
        while not should_stop():
            reports = worker.drain_due()
            settled += sum(report.settled for report in reports)
            if not any(report.is_due for report in reports):
                break
    return settled


def run(
    *,
    should_stop: Callable[[], bool],
    wait: Callable[[float], object] = time.sleep,
    on_report: Callable[[DrainReport], object] = _ignore,
) -> None:
    """Drain until ``should_stop``. A database that is away is waited for.

    What one account, check or step of the house-keeping throws is logged and costs that one its turn.

    Args:
        wait: sleeps so many seconds, or less when it is to stop.
        on_report: told what each drain did.

    Raises:
        WrongInstallation: this database belongs to another installation; nothing was sent.
    """
    settings = get_settings()
    with CheckPool(should_stop=should_stop) as checks:
        worker = _Worker(should_stop, checks, on_report)
        tend = _Every(settings.sweep_seconds, worker.tend)
        clean = _Every(PURGE_SECONDS, worker.clean)
        while not should_stop():
            try:
                connection.close_if_unusable_or_obsolete()
                tend()
                clean()
                worker.drain_due(after_each=tend)
                if not should_stop():
                    wait(worker.seconds_to_wait(settings.ring_seconds))
            except Exception as error:
                if not is_database_away(error):
                    raise
                logger.warning("the database did not answer: %s", error)
                connection.close()
                wait(settings.ring_seconds)


def _nothing() -> None:
    """There is nothing to do in between."""


class _Worker:
    """The units of work of a worker, each contained."""

    def __init__(
        self,
        should_stop: Callable[[], bool],
        checks: CheckPool,
        on_report: Callable[[DrainReport], object],
    ) -> None:
        self._should_stop, self._on_report = should_stop, on_report
        self._checks = checks
        settings = get_settings()
        self._containment = Containment(rest_seconds=lambda failures: backoff_seconds(failures, settings))

    def tend(self) -> None:
        """Do what the beat does under Celery: sweep, and run the checks that somebody asked for."""
        self._containment.call(sweep, "the sweep")
        self._containment.call(lambda: self._checks.offer(due_checks()), "the checks that are due")

    def clean(self) -> None:
        """Purge."""
        self._containment.call(purge, "the purge")

    def drain_due(self, *, after_each: Callable[[], None] = _nothing) -> list[DrainReport]:
        """One turn for each account that is due."""
        reports = []
        for account_id in lanes.due_account_ids():
            if self._should_stop():
                break
            turn = partial(drain_account, account_id=account_id, should_stop=self._should_stop)
            report = self._containment.call(turn, "account %s", account_id)
            if report is not None:
                reports.append(report)
                self._on_report(report)
            after_each()
        return reports

    def seconds_to_wait(self, most: float) -> float:
        """Until the next lane is due; one that is left alone for a while is not waited for without a pause."""
        due_at = lanes.next_due_at()
        if due_at is None or self._containment.is_anybody_resting:
            return most
        return min(most, max(0.0, (due_at - database_now()).total_seconds()))


class _Every:
    """Calls something if the last call was at least so many seconds ago."""

    def __init__(self, seconds: float, call: Callable[[], object]) -> None:
        self._seconds, self._call = seconds, call
        self._called_at = float("-inf")

    def __call__(self) -> None:
        if time.monotonic() - self._called_at >= self._seconds:
            self._call()
            self._called_at = time.monotonic()
