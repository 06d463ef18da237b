"""Checks of the database's settings."""

from __future__ import annotations

from typing import Any

from django.core import checks
from django.db import connections


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
