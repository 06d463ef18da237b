"""Statements that run for every mail: on PostgreSQL through psycopg 3 they are planned once, not every time.

Planning them takes longer than carrying them out. A pooler that hands out another server connection for each
transaction does not know what was prepared; where Django was told of one (``DISABLE_SERVER_SIDE_CURSORS``), nothing is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, cast
from weakref import WeakKeyDictionary

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

Rows = list[tuple[Any, ...]]

PREPARE_AFTER = 2
"""So often a statement runs as any other; most drains are short, and preparing takes trips of its own."""

_PLAN_FOR_GROWTH = """
    SET LOCAL enable_seqscan = off;
    SET LOCAL plan_cache_mode = force_generic_plan
"""
"""The plan is kept while the tables grow: one that reads the whole of a table, since it is small now, must not be."""

_PLAN_AS_EVER = """
    SET LOCAL enable_seqscan TO DEFAULT;
    SET LOCAL plan_cache_mode TO DEFAULT
"""
"""Before the commit, which checks foreign keys by plans of its own."""

_runs: WeakKeyDictionary[object, Counter[str]] = WeakKeyDictionary()
"""How often each statement ran, by the database driver's connection."""


def run(sql: str, params: Sequence[Any]) -> Rows:
    """All rows of the statement. ``sql`` must be the same text each time; values go into ``params``."""
    rows = run_prepared(sql, params)
    if rows is not None:
        return rows
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cast("Rows", cursor.fetchall())


def run_prepared(sql: str, params: Sequence[Any]) -> Rows | None:
    """All rows of a statement that came often enough to be prepared; ``None``: it did not, and nothing was done.

    Within a transaction nothing is prepared: failing to would spoil it.
    """
    database = connections[DEFAULT_DB_ALIAS]  # looked up once: every look through the proxy costs
    raw = database.connection
    if raw is None or database.in_atomic_block or not _may_prepare():
        return None
    runs = _runs.setdefault(raw, Counter())
    runs[sql] += 1
    if runs[sql] <= PREPARE_AFTER:
        return None
    try:
        if runs[sql] > PREPARE_AFTER + 1:
            return _execute(database, sql, params)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_PLAN_FOR_GROWTH)
            rows = _execute(database, sql, params)
            cursor.execute(_PLAN_AS_EVER)
            return rows
    except DatabaseError as error:
        if not _is_unknown(error):
            raise
        runs[sql] = -1_000_000_000  # a pooler that Django was not told of
        return None


def _execute(database: BaseDatabaseWrapper, sql: str, params: Sequence[Any]) -> Rows:
    import psycopg

    raw = database.connection
    # Django turns preparing off for its whole connection, and means its own queries.
    threshold, raw.prepare_threshold = raw.prepare_threshold, 0
    try:
        with database.wrap_database_errors, psycopg.Cursor(raw) as cursor:
            return cast("Rows", cursor.execute(sql, _as_text(params), prepare=True, binary=True).fetchall())
    finally:
        raw.prepare_threshold = threshold


def _as_text(params: Sequence[Any]) -> list[Any]:
    """Numbers and times as text: psycopg's types depend on a number's size, and each would be prepared anew."""
    return [
        str(int(value))
        if isinstance(value, int) and not isinstance(value, bool)
        else value.isoformat()
        if isinstance(value, datetime)
        else value
        for value in params
    ]


@cache
def _may_prepare() -> bool:
    if connection.vendor != "postgresql" or connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
        return False
    from django.db.backends.postgresql.psycopg_any import is_psycopg3

    return bool(is_psycopg3)


def _is_unknown(error: DatabaseError) -> bool:
    """Whether the server does not know what we prepared, or knows it already: then nothing was done."""
    import psycopg

    unknown = (psycopg.errors.InvalidSqlStatementName, psycopg.errors.DuplicatePreparedStatement)
    return isinstance(error.__cause__, unknown)


def rows_sql(types: Sequence[str], count: int) -> str:
    """SQL to select from, for the rows of :func:`columns_of`.

    A single row is written out: PostgreSQL then knows that it is one, and has no reason to plan anew. More become
    an array a column, so that the text of the statement does not depend on their number.

    Args:
        types: PostgreSQL's names of the columns' types.
        count: of rows; all above one are alike.
    """
    if count == 1:
        return f"(VALUES ({', '.join(f'%s::{kind}' for kind in types)}))"
    return f"unnest({', '.join(f'%s::{kind}[]' for kind in types)})"


def columns_of(rows: Sequence[tuple[object, ...]]) -> list[object]:
    """The parameters of :func:`rows_sql`: at least one row of numbers, times and text."""
    return list(rows[0]) if len(rows) == 1 else [array(column) for column in zip(*rows, strict=True)]


def array(values: Iterable[object]) -> str:
    """An array of numbers, times or text, as text: a tenth of the time that psycopg takes for a list."""
    return "{" + ",".join([_element(value) for value in values]) + "}"


def _element(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime):
        return f'"{value.isoformat()}"'
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
