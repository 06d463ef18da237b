"""The driver that talks to PostgreSQL: much of this room needs psycopg 3."""

from __future__ import annotations

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper


def has_psycopg3() -> bool:
    """Return whether the database is PostgreSQL, and talked to by psycopg 3."""
    if connection.vendor != "postgresql":
        return False
    from django.db.backends.postgresql.psycopg_any import is_psycopg3

    return bool(is_psycopg3)


def is_behind_pooler(database: BaseDatabaseWrapper) -> bool:
    """Return whether Django was told of a pooler that lends by transaction: what is made for a session would be another's."""
    return bool(database.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"))
