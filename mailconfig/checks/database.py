"""Checks of the database's settings."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import connections


@register(Tags.database)
def check_sqlite(*, databases: list[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """SQLite serves several processes well only with WAL and immediate transactions."""
    messages: list[CheckMessage] = []
    for alias in databases or []:
        connection = connections[alias]
        if connection.vendor != "sqlite":
            continue
        options = connection.settings_dict.get("OPTIONS", {})
        if str(options.get("transaction_mode", "")).upper() != "IMMEDIATE":
            messages.append(
                Warning(
                    f"The SQLite database {alias!r} does not begin transactions as IMMEDIATE.",
                    hint='OPTIONS = {"transaction_mode": "IMMEDIATE"}: otherwise workers and requests fail with '
                    '"database is locked".',
                    id="mailconfig.W020",
                )
            )
        with connection.cursor() as cursor:
            mode = cursor.execute("PRAGMA journal_mode").fetchone()[0]
        if mode not in {"wal", "memory"}:
            messages.append(
                Warning(
                    f"The SQLite database {alias!r} does not use write-ahead logging.",
                    hint='OPTIONS = {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL"}.',
                    id="mailconfig.W021",
                )
            )
    return messages
