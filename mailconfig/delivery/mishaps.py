"""Errors that nobody expected: whose they are, and that they cost that one its turn, and nobody else."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from django.db import (
    DatabaseError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    connection,
)

from mailconfig.exceptions import LeaseLost, WrongInstallation

logger = logging.getLogger("mailconfig.mishaps")

READ_ONLY = "25006"
"""``read_only_sql_transaction``: after a fail-over the old server takes no writes any more."""
STALE_PLAN = "0A000"
"""``feature_not_supported``: also what a prepared statement says once a migration changed the type of a column."""

Result = TypeVar("Result")


def sqlstate(error: BaseException) -> str:
    """PostgreSQL's code of an error (Appendix A of its manual); ``""`` where there is none."""
    return str(getattr(error.__cause__, "sqlstate", None) or "")


def is_database_away(error: BaseException) -> bool:
    """Return whether the database did not answer, or cannot be written to: nothing was done, and waiting may help."""
    if isinstance(error, InternalError):
        return sqlstate(error) == READ_ONLY
    return isinstance(error, (OperationalError, InterfaceError)) or is_plan_stale(error)


def is_plan_stale(error: BaseException) -> bool:
    """Return whether a prepared statement was refused since a table changed: nothing was done, a new connection mends it."""
    return isinstance(error, NotSupportedError) and sqlstate(error) == STALE_PLAN


def reconnect() -> None:
    """Let go of the connection, unless a transaction of the caller's needs it."""
    if not connection.in_atomic_block:
        connection.close()


def require_database() -> None:
    """Return if the database answers on a new connection.

    Raises:
        DatabaseError, InterfaceError: it does not.
    """
    reconnect()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def in_words(error: BaseException) -> str:
    """The error in words for staff: its kind and what it says, printable and cut."""
    text = f"{type(error).__name__}: {error}"
    return "".join(character if character.isprintable() else " " for character in text)[:500]


class Containment:
    """Calls units of work, from any thread. One that throws is logged, and rests for longer each time."""

    def __init__(self, *, rest_seconds: Callable[[int], float]) -> None:
        """Let what throws for the n-th time in a row rest for ``rest_seconds(n)``."""
        self._rest_seconds = rest_seconds
        self._failures: dict[tuple[Hashable, ...], int] = {}
        self._rests_until: dict[tuple[Hashable, ...], float] = {}

    @property
    def is_anybody_resting(self) -> bool:
        """Return whether something that is due is left alone for a while."""
        return any(time.monotonic() < until for until in list(self._rests_until.values()))

    def resting(self, name: str) -> list[Any]:
        """The first arguments of the units with this name that are left alone for a while."""
        now = time.monotonic()
        return [unit[1] for unit, until in list(self._rests_until.items()) if unit[0] == name and now < until]

    def let_rest(self, name: str, *arguments: Hashable) -> None:
        """Leave a unit alone for a while, longer each time in a row."""
        unit = (name, *arguments)
        failures = self._failures[unit] = self._failures.get(unit, 0) + 1
        self._rests_until[unit] = time.monotonic() + self._rest_seconds(failures)

    def call(self, work: Callable[[], Result], name: str, *arguments: Hashable) -> Result | None:
        """Call ``work``.

        Args:
            work: a unit of work.
            name: for the log, with the arguments' places; together they tell one unit from another.

        Returns:
            What ``work`` returns; ``None``: it threw, now or not long ago.

        Raises:
            WrongInstallation: nothing may be done here.
            DatabaseError, InterfaceError: the database does not answer to anybody.
        """
        unit = (name, *arguments)
        if time.monotonic() < self._rests_until.get(unit, 0.0):
            return None
        try:
            result = work()
        except WrongInstallation:
            raise
        except Exception as error:
            if isinstance(error, (DatabaseError, InterfaceError)):
                require_database()
            logger.exception("%s: an error of our own; everything else goes on", name % arguments)
            self.let_rest(name, *arguments)
            return None
        self._failures.pop(unit, None)
        self._rests_until.pop(unit, None)
        return result


def is_everybodys(error: BaseException) -> bool:
    """Return whether an error of a drain says nothing of its account."""
    return isinstance(error, (WrongInstallation, LeaseLost)) or is_database_away(error)
