"""Limits on checks that people wait for: each holds a thread of a web process for as long as the server likes.

What a process runs is counted in its memory, so that a process that dies takes its count along. What a person runs is
counted over the rows of checks (:mod:`mailconfig.delivery.accounts.throttle`), whose time is limited.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from mailconfig.conf import get_settings
from mailconfig.delivery.accounts.throttle import RUNNING_OF_ONE, refuse
from mailconfig.exceptions import OnlyByWorkers

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

RETRY_SECONDS = 5
"""When to come back: most checks are over by then."""


class _Running:
    """The checks of this process that somebody waits for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_person: Counter[object] = Counter()

    def take(self, person: object, *, limit: int) -> bool:
        """Count one more, unless there are ``limit`` already; nobody takes the last place beside one's own."""
        mine = max(1, min(RUNNING_OF_ONE, limit - 1))
        with self._lock:
            if self._by_person.total() >= limit or self._by_person[person] >= mine:
                return False
            self._by_person[person] += 1
            return True

    def give_back(self, person: object) -> None:
        with self._lock:
            self._by_person[person] -= 1
            if not self._by_person[person]:
                del self._by_person[person]


_running = _Running()


def leaves_checks_to_workers() -> bool:
    """Return whether no web process makes checks: who asks for one is answered before it is made."""
    return get_settings().checks_at_once == 0


@contextmanager
def running_check(requested_by: AbstractBaseUser | None) -> Iterator[None]:
    """Count a check that somebody waits for among those that this process runs, as long as it runs.

    What nobody asked for (a command, code of the host's own) holds no web request up and is not counted.

    Raises:
        Throttled: all are taken.
        OnlyByWorkers: this deployment has none.
    """
    if requested_by is None:
        yield
        return
    limit = get_settings().checks_at_once
    if not limit:
        msg = _("Connections are tested by a worker here. Save the account, then have it tested.")
        raise OnlyByWorkers(str(msg))
    if not _running.take(requested_by.pk, limit=limit):
        refuse(
            _("Other checks are being made just now. The next one is possible in %(wait)s."), RETRY_SECONDS
        )
    try:
        yield
    finally:
        _running.give_back(requested_by.pk)
