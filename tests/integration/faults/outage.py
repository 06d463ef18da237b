"""Ways for PostgreSQL to be away: its connections cut, its backends crashed, nobody let in for a while."""

from __future__ import annotations

import contextlib
import os
import signal
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
        pids = outside.execute(_OTHERS, [_name()]).fetchall()
        for (pid,) in pids:
            outside.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        return len(pids)


def crash() -> bool:
    """``kill -9`` a backend: the server ends all of them, which is waited for, and recovers from its log.

    Returns:
        Whether there was a backend to kill.
    """
    with contextlib.suppress(psycopg.OperationalError), _from_outside() as outside:
        pids = outside.execute(_OTHERS, [_name()]).fetchall()
        if not pids:
            return False
        os.kill(pids[0][0], signal.SIGKILL)
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
