"""Ways for PostgreSQL to be away: its connections cut, its backends crashed, nobody let in for a while."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator

import psycopg
from django.db import connection

from tests.servers.children import until

_OTHERS = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid() AND backend_type = 'client backend'"


@contextlib.contextmanager
def _from_outside() -> Iterator[psycopg.Connection]:
    """A connection of our own to the server's other database."""
    values = connection.settings_dict
    with psycopg.connect(
        host=values["HOST"],
        port=values["PORT"] or None,
        user=values["USER"],
        password=values["PASSWORD"] or None,
        dbname="postgres",
        autocommit=True,
    ) as outside:
        yield outside


def _name() -> str:
    return str(connection.settings_dict["NAME"])


_COMMITTING = " AND state = 'active' AND query LIKE '%%mailconfig_handover%%'"
"""Backends that carry out a statement of the journal at this moment."""


def _pids(outside: psycopg.Connection, *, while_committing: bool = False) -> list[int]:
    statement = _OTHERS + _COMMITTING if while_committing else _OTHERS
    return [pid for (pid,) in outside.execute(statement.encode(), [_name()]).fetchall()]


def _await_commit(outside: psycopg.Connection) -> list[int]:
    """Backends that commit a journal just now, or that did not long ago if none is ever caught at it."""
    give_up_at = time.monotonic() + 5.0
    while time.monotonic() < give_up_at:
        if pids := _pids(outside, while_committing=True):
            return pids
    return _pids(outside)


def cut_commits() -> bool:
    """End the connections over which a journal is committed at this moment; whether there were any connections at all."""
    with _from_outside() as outside:
        pids = _await_commit(outside)
        for pid in pids:
            outside.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        return bool(pids)


def crash_in_commit() -> bool:
    """As :func:`crash`, while a journal is committed."""
    return crash(while_committing=True)


def keep_commits(*, in_crashes: bool) -> None:
    """Whether a commit survives :func:`crash`, as in production, or the server of the tests is as fast as it can be."""
    with _from_outside() as outside:
        if in_crashes:
            outside.execute("ALTER SYSTEM SET synchronous_commit = on")
        else:
            outside.execute("ALTER SYSTEM SET synchronous_commit = off")
        outside.execute("SELECT pg_reload_conf()")
        outside.execute("CHECKPOINT")


def cut_connections() -> int:
    """End every connection to the test database, as an administrator does; how many there were."""
    with _from_outside() as outside:
        pids = _pids(outside)
        for pid in pids:
            outside.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        return len(pids)


def crash(*, while_committing: bool = False) -> bool:
    """``kill -9`` a backend, one that commits a journal at this moment if asked for: the server ends all of them, which is waited for, and recovers from its log.

    Returns:
        Whether there was a backend to kill.
    """
    with contextlib.suppress(psycopg.OperationalError), _from_outside() as outside:
        pids = _await_commit(outside) if while_committing else _pids(outside)
        if not pids:
            return False
        os.kill(pids[0], signal.SIGKILL)
        until(lambda: _is_gone(outside), why="the server did not notice")
        return True
    return False


def _is_gone(outside: psycopg.Connection) -> bool:
    try:
        outside.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


def shut() -> None:
    """Let nobody in, and end who is in."""
    _allow(False)
    cut_connections()


def reopen() -> None:
    """The end of :func:`shut`."""
    _allow(True)


def _allow(allowed: bool) -> None:
    statement = f'ALTER DATABASE "{_name()}" WITH ALLOW_CONNECTIONS {str(allowed).lower()}'
    with _from_outside() as outside:
        outside.execute(statement.encode())
