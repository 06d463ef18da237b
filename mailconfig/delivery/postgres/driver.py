"""The driver that talks to PostgreSQL: much of this room needs psycopg 3."""

from __future__ import annotations

from django.db import connection


def has_psycopg3() -> bool:
    """Return whether the database is PostgreSQL, and talked to by psycopg 3."""
    if connection.vendor != "postgresql":
        return False
    from django.db.backends.postgresql.psycopg_any import is_psycopg3

    return bool(is_psycopg3)
