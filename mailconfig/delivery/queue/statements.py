"""Statements that run for every mail: on PostgreSQL through psycopg 3 they are planned once, not every time.

Planning the journal's takes longer than carrying it out. A pooler that hands out another server connection for each
transaction does not know what was prepared; where Django was told of one (``DISABLE_SERVER_SIDE_CURSORS``), nothing is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast

from django.db import DatabaseError, connection, transaction

Rows = list[tuple[Any, ...]]

PREPARE_AFTER = 2
"""So often a statement runs as any other; most drains are short, and preparing takes trips of its own."""

_PLAN_FOR_GROWTH = """
    SET LOCAL enable_seqscan = off;
    SET LOCAL plan_cache_mode = force_generic_plan
"""
"""The plan is kept while the tables grow: one that reads the whole of a table, since it is small now, must not be."""


class Statements:
    """Runs statements on the connection of this thread, prepared as long as that works."""

    def __init__(self) -> None:
        from django.db.backends.postgresql.psycopg_any import is_psycopg3

        self._prepares = is_psycopg3 and not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS")
        self._runs: Counter[str] = Counter()
        self._known_by: object = None

    def run(self, sql: str, params: Sequence[Any]) -> Rows:
        """All rows of the statement. ``sql`` must be the same text each time; values go into ``params``."""
        if self._prepares and not connection.in_atomic_block:
            if connection.connection is not self._known_by:
                self._known_by = connection.connection
                self._runs.clear()
            self._runs[sql] += 1
            if self._runs[sql] > PREPARE_AFTER:
                rows = self._try_prepared(sql, params, is_first=self._runs[sql] == PREPARE_AFTER + 1)
                if rows is not None:
                    return rows
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            return cast("Rows", cursor.fetchall())

    def _try_prepared(self, sql: str, params: Sequence[Any], *, is_first: bool) -> Rows | None:
        """``None``: the server does not know what we prepared, or knows it already; nothing was done."""
        import psycopg

        try:
            if not is_first:
                return _run_prepared(sql, params)
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute(_PLAN_FOR_GROWTH)
                return _run_prepared(sql, params)
        except DatabaseError as error:
            unknown = (psycopg.errors.InvalidSqlStatementName, psycopg.errors.DuplicatePreparedStatement)
            if not isinstance(error.__cause__, unknown):
                raise
            self._prepares = False
            return None


def _run_prepared(sql: str, params: Sequence[Any]) -> Rows:
    import psycopg

    connection.ensure_connection()
    raw = connection.connection
    # Django turns preparing off for its whole connection, and means its own queries.
    threshold, raw.prepare_threshold = raw.prepare_threshold, 0
    try:
        with connection.wrap_database_errors, psycopg.Cursor(raw) as cursor:
            return cast("Rows", cursor.execute(sql, params, prepare=True).fetchall())
    finally:
        raw.prepare_threshold = threshold


def rows_of(types: Sequence[str], rows: Sequence[tuple[object, ...]]) -> tuple[str, list[object]]:
    """``rows`` as SQL to select from, with its parameters.

    A single row is written out: PostgreSQL then knows that it is one, and has no reason to plan anew. More become
    an array a column, so that the text of the statement does not depend on their number.

    Args:
        types: PostgreSQL's names of the columns' types.
        rows: at least one, of numbers, times and text.
    """
    if len(rows) == 1:
        return f"(VALUES ({', '.join(f'%s::{kind}' for kind in types)}))", list(rows[0])
    sql = f"unnest({', '.join(f'%s::{kind}[]' for kind in types)})"
    return sql, [_array(column) for column in zip(*rows, strict=True)]


def _array(values: Iterable[object]) -> str:
    """As text, which takes a tenth of the time that psycopg takes for a list."""
    return "{" + ",".join([_element(value) for value in values]) + "}"


def _element(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime):
        return f'"{value.isoformat()}"'
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
