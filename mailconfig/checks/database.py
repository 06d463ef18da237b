"""Checks of the database's settings."""

from __future__ import annotations

from typing import Any

from django.core import checks
from django.db import DEFAULT_DB_ALIAS, connections, router

from mailconfig.conf import SHARED_CONNECTIONS
from mailconfig.models import Account

KINDS = ("postgresql", "sqlite")
POOL_SIZE = 4
"""Connections of a pool of psycopg that nobody gave a size."""
BESIDES = 13
"""Connections that a worker has besides those that its accounts share, at most: supervisor, writer, listener, four threads of
the house-keeping, four of checks, two of files."""


@checks.register("mailconfig")
def check_database(**kwargs: Any) -> list[checks.CheckMessage]:
    """The database of our tables must hold what the queue relies on."""
    alias = router.db_for_write(Account)
    if alias != DEFAULT_DB_ALIAS:
        return [
            checks.Error(
                f"A router has mailconfig written to the database {alias!r}.",
                hint="Its tables belong to the default database, with the users: mail is queued in the transactions"
                " of the project. A router may send reads to a replica; mailconfig asks the written database all the"
                " same.",
                id="mailconfig.E020",
            )
        ]
    messages: list[checks.CheckMessage] = []
    connection = connections[alias]
    if connection.vendor not in KINDS:
        messages.append(
            checks.Error(
                f"The database {alias!r} is of a kind that mailconfig does not work with: {connection.display_name}.",
                hint="Use PostgreSQL or SQLite. Others do not hold constraints that concern some rows only: two default"
                " accounts, or the same mail queued twice, would be accepted.",
                id="mailconfig.E021",
            )
        )
    if not connection.settings_dict["AUTOCOMMIT"]:
        messages.append(
            checks.Error(
                f"AUTOCOMMIT is off for the database {alias!r}.",
                hint="What is noted before a mail is handed over would not be committed, and mail would be sent twice"
                " or never. Leave AUTOCOMMIT on, Django's default; ATOMIC_REQUESTS may be used.",
                id="mailconfig.E022",
            )
        )
    return messages


@checks.register("mailconfig")
def check_pool(**kwargs: Any) -> list[checks.CheckMessage]:
    """A pool of connections in each process must hold those of a worker."""
    options = connections[DEFAULT_DB_ALIAS].settings_dict.get("OPTIONS", {})
    pool = options.get("pool")
    if not pool or connections[DEFAULT_DB_ALIAS].vendor != "postgresql":
        return []
    sizes = pool if isinstance(pool, dict) else {}
    size = sizes.get("max_size") or sizes.get("min_size", POOL_SIZE)
    needed = SHARED_CONNECTIONS + BESIDES
    if size >= needed:
        return []
    return [
        checks.Warning(
            f"The pool of database connections holds {size}, and a worker needs up to {needed}.",
            hint='Set "max_size" in OPTIONS["pool"]; otherwise its threads wait for each other\'s connections.',
            id="mailconfig.W022",
        )
    ]


@checks.register("mailconfig")
def check_sqlite(**kwargs: Any) -> list[checks.CheckMessage]:
    """SQLite serves several processes well only with write-ahead logging and immediate transactions."""
    messages: list[checks.CheckMessage] = []
    for alias in connections:
        settings = connections[alias].settings_dict
        if connections[alias].vendor != "sqlite" or ":memory:" in str(settings["NAME"]):
            continue
        options = settings.get("OPTIONS", {})
        if str(options.get("transaction_mode", "")).upper() != "IMMEDIATE":
            messages.append(
                checks.Warning(
                    f"The SQLite database {alias!r} does not begin transactions as IMMEDIATE.",
                    hint='Set OPTIONS["transaction_mode"] = "IMMEDIATE"; otherwise workers and requests that '
                    'write at the same time fail with "database is locked".',
                    id="mailconfig.W020",
                )
            )
        if "journal_mode=wal" not in str(options.get("init_command", "")).lower().replace(" ", ""):
            messages.append(
                checks.Warning(
                    f"The SQLite database {alias!r} does not ask for write-ahead logging.",
                    hint='Set OPTIONS["init_command"] = "PRAGMA journal_mode=WAL"; otherwise readers and writers '
                    "wait for each other.",
                    id="mailconfig.W021",
                )
            )
    return messages
