"""Statements that run for every mail: on PostgreSQL through psycopg 3 they are planned once, not every time.

Planning them takes longer than carrying them out. A pooler that hands out another server connection for each
transaction does not know what was prepared; where Django was told of one (``DISABLE_SERVER_SIDE_CURSORS``), nothing is.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections

from mailconfig.delivery.mishaps import is_plan_stale
from mailconfig.delivery.postgres.driver import has_psycopg3, is_behind_pooler
from mailconfig.delivery.postgres.stock import hold

if TYPE_CHECKING:
    from mailconfig.delivery.postgres.under_way import UnderWay

Rows = list[tuple[Any, ...]]
Step = tuple[str, Sequence[Any]]
"""A statement, whose text must be the same each time, and its values."""

PREPARE_AFTER = 2
"""So often a statement runs as any other; most drains are short, and preparing takes trips of its own."""

PLAN_ANEW_AFTER = 2_000
"""So often a statement runs by one plan. What the server does with it meanwhile (it makes another one whenever a table was
analyzed) ends then."""

_COSTS = ("seq_page_cost", "random_page_cost", "cpu_tuple_cost", "cpu_index_tuple_cost", "cpu_operator_cost")
_WHILE_PLANNING = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
}
_PLAN = f"""
    {"; ".join(f"SET LOCAL {name} = {value}" for name, value in _WHILE_PLANNING.items())};
    SELECT set_config(name, (current_setting(name)::float8 / 1000)::text, true)
      FROM unnest(ARRAY['{"', '".join(_COSTS)}']) AS name;
    EXPLAIN EXECUTE {{name}}{{nulls}};
    {"; ".join(f"SET LOCAL {name} TO DEFAULT" for name in (*_WHILE_PLANNING, *_COSTS))}
"""  # noqa: S608 - names of settings
"""In one trip, hence one transaction, after the statement was prepared. The plan is made by explaining it, and kept while
the tables grow: one that reads the whole of a table, or of an index, since it is small now, must not be, so rows are found
by their keys.

It looks a thousand times cheaper than it is. Else PostgreSQL would plan a statement with arrays anew each time, since it knows
then how long they are, takes that for better, and does not count what planning costs: more than all the rest. (It compares
the plan that was made without values with the mean of the first five that were made with them: ``choose_custom_plan`` in its
plancache.c.)"""

_runs: WeakKeyDictionary[object, Counter[str]] = WeakKeyDictionary()
"""How often each statement ran, by the database driver's connection."""


def run(sql: str, params: Sequence[Any]) -> Rows:
    """All rows of the statement. ``sql`` must be the same text each time; values go into ``params``."""
    return start(sql, params)()


def start(sql: str, params: Sequence[Any]) -> Callable[[], Rows]:
    """Start a statement as :func:`run` does, but only send one that is prepared.

    Returns:
        What waits for the rows. Whatever else uses the connection until then waits for the statement first.
    """
    under_way = _send_prepared([(sql, params)])
    if under_way is None:
        rows = _run_as_any(sql, params)
        return lambda: rows

    def wait() -> Rows:
        try:
            return under_way.rows(0)
        except DatabaseError as error:
            if not _is_unknown(error):
                raise
            _give_up_preparing(sql, under_way.raw)
            return _run_as_any(sql, params)

    return wait


def run_both(first: Step, second: Step) -> tuple[Rows, Rows] | None:
    """The rows of two prepared statements in one trip, each in a transaction of its own.

    Returns:
        ``None``: they did not come often enough to be prepared, and the first one was not carried out. The rows
        of a second one that failed: none.
    """
    under_way = _send_prepared([first, second])
    if under_way is None:
        return None
    try:
        rows = under_way.rows(0)
    except DatabaseError as error:
        if not _is_unknown(error):
            raise
        _give_up_preparing(first[0], under_way.raw)
        return None
    try:
        return rows, under_way.rows(1)
    except DatabaseError:
        return rows, []


def _run_as_any(sql: str, params: Sequence[Any]) -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cast("Rows", cursor.fetchall())


def _send_prepared(steps: Sequence[Step]) -> UnderWay | None:
    """Send the statements if all came often enough to be prepared; ``None``: nothing was done.

    Within a transaction nothing is prepared: failing to would spoil it.
    """
    database = connections[DEFAULT_DB_ALIAS]  # looked up once: every look through the proxy costs
    if database.in_atomic_block or not _may_prepare():
        return None
    release = hold(database)
    try:
        raw = database.connection
        if raw is None:
            return None
        runs = _runs.get(raw)
        if runs is None:
            runs = _runs[raw] = Counter()
        for sql, _params in steps:
            runs[sql] += 1
            if runs[sql] == PREPARE_AFTER + 1:
                _prepare(sql, raw)
            elif runs[sql] > PREPARE_AFTER and runs[sql] % PLAN_ANEW_AFTER == 0:
                _prepare(sql, raw, anew=True)
        if any(runs[sql] <= PREPARE_AFTER for sql, _params in steps):
            return None
        from mailconfig.delivery.postgres.under_way import UnderWay

        return UnderWay(database, [(_names(sql)[0], params) for sql, params in steps])
    finally:
        release()


def _prepare(sql: str, raw: Any, *, anew: bool = False) -> None:
    name, numbered, number = _names(sql)
    nulls = f"({', '.join(['NULL'] * number)})" if number else ""
    from mailconfig.delivery.postgres.under_way import prepare

    try:
        with connection.wrap_database_errors:
            if anew:
                raw.execute(f"DEALLOCATE {name}", prepare=False)
            prepare(raw, name, numbered)
            # Several statements in one trip are none that psycopg may prepare, whatever ``prepare_threshold`` says.
            raw.execute(_PLAN.format(name=name, nulls=nulls), prepare=False)
    except DatabaseError as error:
        if not _is_unknown(error):
            _runs[raw][sql] = 0  # nobody knows how far it came
            raise
        _give_up_preparing(sql, raw)  # a pooler that Django was not told of


def _give_up_preparing(sql: str, raw: object) -> None:
    """Run the statement as any other for as long as the connection lives."""
    _runs[raw][sql] = -1_000_000_000


@cache
def _names(sql: str) -> tuple[str, str, int]:
    """A name that no other statement has, whoever prepared it; the text as PostgreSQL wants it; how many values."""
    numbers = count(1)
    numbered = re.sub(r"%[%s]", lambda found: "%" if found[0] == "%%" else f"${next(numbers)}", sql)
    digest = hashlib.sha256(sql.encode()).hexdigest()
    return f"mailconfig_{digest[:32]}", numbered, next(numbers) - 1


@cache
def _may_prepare() -> bool:
    return has_psycopg3() and not is_behind_pooler(connection)


def _is_unknown(error: DatabaseError) -> bool:
    """Return whether the server does not know what we prepared, or knows it already, or as it was: then nothing was done."""
    import psycopg

    unknown = (psycopg.errors.InvalidSqlStatementName, psycopg.errors.DuplicatePreparedStatement)
    return isinstance(error.__cause__, unknown) or is_plan_stale(error)


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


def columns_of(types: Sequence[str], rows: Sequence[tuple[object, ...]]) -> list[object]:
    """The parameters of :func:`rows_sql`: at least one row of values of those types, which may be None."""
    if len(rows) == 1:
        return list(rows[0])
    return [
        _array(_WRITERS.get(kind, _quoted), column)
        for kind, column in zip(types, zip(*rows, strict=True), strict=True)
    ]


def array(values: Iterable[object]) -> str:
    """An array of numbers or text, as text: a tenth of the time that psycopg takes for a list."""
    return _array(_quoted, values)


def _array(write: Callable[[Any], str], values: Iterable[object]) -> str:
    return "{" + ",".join(["NULL" if value is None else write(value) for value in values]) + "}"


def _quoted(value: object) -> str:
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


_WRITERS: dict[str, Callable[[Any], str]] = {
    "bigint": str,
    "int": str,
    "uuid": str,
    "timestamptz": datetime.isoformat,
}
"""How values are written in which nothing has to be quoted, by PostgreSQL's name of the type."""
