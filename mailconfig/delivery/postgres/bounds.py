"""Bounds on what one process can make another one wait for: a lock, and a transaction in which nothing is done any more.

A process that stands still (SIGSTOP, a machine that is put to sleep, a network that is cut) keeps what it has locked, and
whoever wants that waits. PostgreSQL ends neither by itself; two settings have it do so (its manual, "Client Connection Defaults").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from django.db import DatabaseError, InterfaceError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from mailconfig.delivery.postgres.driver import is_behind_pooler

LOCK_SECONDS = 5.0
"""So long a step of the house-keeping waits for a lock. Then it fails, and the next steps are done."""
STILL_SECONDS = 30.0
"""After so long without a statement PostgreSQL ends a transaction of ours, with its connection. None takes as long: no
transaction is open while a server, a storage or a person is waited for."""

_SET = """
SELECT bound.name, set_config(bound.name, bound.value, false)
  FROM unnest(%s::text[], %s::text[]) AS bound (name, value)
 WHERE current_setting(bound.name) = '0'
"""
"""For the session, where the project has set none itself."""
_LOCK, _STILL = "lock_timeout", "idle_in_transaction_session_timeout"


def bound_transactions(database: BaseDatabaseWrapper) -> None:
    """Have PostgreSQL end a transaction of this new connection in which nothing is done any more.

    Raises:
        DatabaseError, InterfaceError: the database does not answer.
    """
    _set(database, {_STILL: STILL_SECONDS})


def _set(database: BaseDatabaseWrapper, seconds: Mapping[str, float]) -> list[str]:
    """Set what is not set, and return the names; none behind a pooler that lends by transaction: another one would get them."""
    if database.vendor != "postgresql" or is_behind_pooler(database):
        return []
    with database.cursor() as cursor:
        cursor.execute(_SET, [list(seconds), [f"{round(1000 * bound)}ms" for bound in seconds.values()]])
        return [name for name, _value in cursor.fetchall()]


class StepBounds:
    """Bounds of this thread's connection while it keeps house.

    As a context manager it takes them away at the end: the connection may be one that the project goes on with.
    """

    def __init__(self) -> None:
        """Set nothing yet."""
        self._set_on: Any = None
        self._names: list[str] = []

    def __enter__(self) -> Self:
        return self

    def ensure(self) -> None:
        """Set them, unless this connection has them: after a step that failed it may be a new one.

        Raises:
            DatabaseError, InterfaceError: the database does not answer.
        """
        connection.ensure_connection()
        if connection.connection is not self._set_on and not connection.in_atomic_block:
            self._names = _set(connection, {_LOCK: LOCK_SECONDS, _STILL: STILL_SECONDS})
            self._set_on = connection.connection

    def __exit__(self, *_: object) -> None:
        if not self._names or connection.connection is not self._set_on:
            return
        try:
            with connection.cursor() as cursor:
                for name in self._names:
                    cursor.execute("SELECT set_config(%s, '0', false)", [name])
        except (DatabaseError, InterfaceError):
            connection.close()
