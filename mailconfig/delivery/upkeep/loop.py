"""The loop of a worker without Celery: sweep, then drain whoever is due, turn about."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, connection

from mailconfig.conf import get_settings
from mailconfig.delivery import lanes
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.draining.drain import drain_account
from mailconfig.delivery.probing.check_requests import due_checks, run_check
from mailconfig.delivery.upkeep.purge import purge
from mailconfig.delivery.upkeep.sweep import sweep

logger = logging.getLogger("mailconfig.drain")

PURGE_SECONDS = 3600.0


def drain_all(*, should_stop: Callable[[], bool]) -> int:
    """Sweep once and drain every account that is due until nothing is due any more.

    Returns:
        How many turns were settled.

    Raises:
        WrongInstallation: this database belongs to another installation; nothing was sent.
    """
    _tend()
    settled = 0
    while not should_stop():
        reports = [
            drain_account(account_id=account_id, should_stop=should_stop)
            for account_id in lanes.due_account_ids()
            if not should_stop()
        ]
        settled += sum(report.settled for report in reports)
        if not any(report.is_due for report in reports):
            break
    return settled


def run(*, should_stop: Callable[[], bool], wait: Callable[[float], object] = time.sleep) -> None:
    """Drain until ``should_stop``. A database that is away is waited for.

    Args:
        wait: sleeps so many seconds, or less when it is to stop.

    Raises:
        WrongInstallation: this database belongs to another installation; nothing was sent.
    """
    settings = get_settings()
    tend = _Every(settings.sweep_seconds, _tend)
    clean = _Every(PURGE_SECONDS, purge)
    while not should_stop():
        try:
            connection.close_if_unusable_or_obsolete()
            tend()
            clean()
            for account_id in lanes.due_account_ids():
                if should_stop():
                    return
                drain_account(account_id=account_id, should_stop=should_stop)
                tend()
            wait(_seconds_to_wait(settings.ring_seconds))
        except (OperationalError, InterfaceError) as error:
            logger.warning("the database did not answer: %s", error)
            connection.close()
            wait(settings.ring_seconds)


class _Every:
    """Calls something if the last call was at least so many seconds ago."""

    def __init__(self, seconds: float, call: Callable[[], object]) -> None:
        self._seconds, self._call = seconds, call
        self._called_at = float("-inf")

    def __call__(self) -> None:
        if time.monotonic() - self._called_at >= self._seconds:
            self._call()
            self._called_at = time.monotonic()


def _tend() -> None:
    """What the beat does under Celery: sweep, and run the checks that somebody asked for."""
    sweep()
    for check_id in due_checks():
        run_check(check_id=check_id)


def _seconds_to_wait(most: float) -> float:
    due_at = lanes.next_due_at()
    if due_at is None:
        return most
    return min(most, max(0.0, (due_at - database_now()).total_seconds()))
