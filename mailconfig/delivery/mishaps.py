"""Errors that nobody expected: whose they are, and that they cost that one its turn, and nobody else."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.apps import apps
from django.db import (
    DatabaseError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    connection,
    transaction,
)

from mailconfig.exceptions import LeaseLost, WrongInstallation

logger = logging.getLogger("mailconfig.mishaps")

READ_ONLY = "25006"
"""``read_only_sql_transaction``: after a fail-over the old server takes no writes any more."""
STALE_PLAN = "0A000"
"""``feature_not_supported``: also what a prepared statement says once a migration changed the type of a column."""
STOOD_STILL = "25P03"
"""``idle_in_transaction_session_timeout``: a transaction of ours was ended, for nothing was done in it any more. psycopg
has it among the internal errors."""
SHUT_DOWN = frozenset({"57P01", "57P02", "57P03", STOOD_STILL})
"""``admin_shutdown``, ``crash_shutdown``, ``cannot_connect_now``."""
CONNECTION_FAILURE = "08"
"""The class ``connection_exception``."""
NO_LOCK = "55P03"
"""``lock_not_available``: somebody else has locked a row for longer than ``lock_timeout``."""
UNKNOWN_NAMES = frozenset({"42P01", "42703"})
"""``undefined_table`` and ``undefined_column``: the tables are not those of this release."""

Result = TypeVar("Result")


def sqlstate(error: BaseException) -> str:
    """PostgreSQL's code of an error (Appendix A of its manual); ``""`` where there is none."""
    return _code(error) or ""


def _code(error: BaseException) -> str | None:
    """PostgreSQL's code, by psycopg 3 or 2; ``None``: it said nothing, ``""``: it is not PostgreSQL's."""
    cause = error.__cause__
    code: str | None = getattr(cause, "sqlstate", getattr(cause, "pgcode", ""))
    return code


def is_database_away(error: BaseException) -> bool:
    """Return whether the database did not answer, or cannot be used as it is: nothing was done, and waiting may help."""
    if isinstance(error, InternalError):
        return sqlstate(error) in {READ_ONLY, STOOD_STILL}
    is_away = isinstance(error, (OperationalError, InterfaceError))
    return is_away or is_plan_stale(error) or lacks_migration(error)


def lacks_migration(error: BaseException) -> bool:
    """Return whether a table or column is not there: a process of the new release was started before ``migrate``.

    SQLite has one code for all that it cannot make sense of. Our statements are made by the ORM, so it is the names.
    """
    if isinstance(error, ProgrammingError):
        return sqlstate(error) in UNKNOWN_NAMES
    cause = error.__cause__
    return isinstance(cause, sqlite3.OperationalError) and cause.sqlite_errorcode == sqlite3.SQLITE_ERROR


def is_connection_lost(error: BaseException) -> bool:
    """Return whether PostgreSQL, or what stands before it, ended the connection: that says nothing of what was asked."""
    if not isinstance(error, (OperationalError, InterfaceError)):
        return isinstance(error, InternalError) and sqlstate(error) == STOOD_STILL
    # psycopg has a state for whatever the server said, and None where it said nothing.
    state = _code(error)
    return state is None or state in SHUT_DOWN or state.startswith(CONNECTION_FAILURE)


def is_lock_missing(error: BaseException) -> bool:
    """Return whether a statement was not to wait for a lock that somebody else has: nothing was done."""
    return isinstance(error, OperationalError) and sqlstate(error) == NO_LOCK


def is_plan_stale(error: BaseException) -> bool:
    """Return whether a prepared statement was refused since a table changed: nothing was done, a new connection mends it."""
    return isinstance(error, NotSupportedError) and sqlstate(error) == STALE_PLAN


def _are_tables_complete() -> bool:
    """Return whether all tables have the columns that this release knows: what was done may have needed few of them."""
    quoted = connection.ops.quote_name
    for model in apps.get_app_config("mailconfig").get_models():
        table = quoted(model._meta.db_table)
        # Without its table, SQLite takes the quoted name of no column for a text.
        columns = [
            f"{table}.{quoted(field.column)}" for field in model._meta.local_concrete_fields if field.column
        ]
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SELECT {', '.join(columns) or 1} FROM {table} WHERE 1 = 0")  # noqa: S608 - our names
        except DatabaseError as error:
            if not lacks_migration(error):
                raise
            return False
    return True


class Outage:
    """Tells the log of a database that is waited for: of missing tables once, for they may be missing for hours."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lacks_migration = False

    def note(self, error: BaseException) -> None:
        """Log why nothing can be done now, which :func:`is_database_away` says of the error."""
        if not lacks_migration(error):
            logger.warning("the database did not answer: %s", error)
            return
        with self._lock:
            is_known, self._lacks_migration = self._lacks_migration, True
        if not is_known:
            logger.error(
                "the database has not the tables of this release (%s): waiting for manage.py migrate", error
            )

    def end(self) -> None:
        """Log that what was missing is there, if anything was."""
        if not self._lacks_migration or not _are_tables_complete():
            return
        with self._lock:
            was_waited_for, self._lacks_migration = self._lacks_migration, False
        if was_waited_for:  # and no other thread found that out first
            logger.warning("the database has the tables of this release: going on")


outage = Outage()
"""Of this process, whatever thread or task of it meets the database."""


@contextmanager
def waiting_for_tables() -> Iterator[None]:
    """Do what is asked for again and again: nothing as long as tables of this release are missing, which the log says once."""
    try:
        yield
    except Exception as error:
        if not lacks_migration(error):
            raise
        outage.note(error)
    else:
        outage.end()


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
        self._disconnected: set[tuple[Hashable, ...]] = set()
        """Units whose connection was lost the last time."""

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
            if lacks_migration(error):
                raise
            if isinstance(error, (DatabaseError, InterfaceError)):
                require_database()
                if is_connection_lost(error) and unit not in self._disconnected:
                    # Somebody restarted the database. What brings about the end of its connection itself will do so again.
                    self._disconnected.add(unit)
                    logger.warning("%s: the connection to the database was lost: %s", name % arguments, error)
                    return None
            logger.exception("%s: an error of our own; everything else goes on", name % arguments)
            self.let_rest(name, *arguments)
            return None
        self._failures.pop(unit, None)
        self._rests_until.pop(unit, None)
        self._disconnected.discard(unit)
        return result


def is_everybodys(error: BaseException) -> bool:
    """Return whether an error of a drain says nothing of its account."""
    return isinstance(error, (WrongInstallation, LeaseLost)) or is_database_away(error)
