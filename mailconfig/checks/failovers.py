"""Check that accounts fail over to accounts that may take their mail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.db import DEFAULT_DB_ALIAS, DatabaseError, transaction

from mailconfig.delivery import useless_failovers

NAMED = 10
"""So many accounts are named."""


@checks.register("mailconfig", checks.Tags.database)
def check_failovers(*, databases: Sequence[str] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """W031: a failover is of no use. Asks the database only if that is wanted."""
    if DEFAULT_DB_ALIAS not in (databases or ()):
        return []
    try:
        with transaction.atomic():
            found = useless_failovers()
    except DatabaseError:  # before the migrations, or the database is away: others say so
        return []
    if not found:
        return []
    return [
        checks.Warning(
            f"{len(found)} account(s) fail over to one that may not take their mail: {', '.join(found[:NAMED])}.",
            hint="It was deleted, belongs to another tenant or owner by now, or fails over to the account itself."
            " Choose another one in the admin.",
            id="mailconfig.W031",
        )
    ]
