"""Prepared statements: used when they pay, never when they would do harm."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, transaction

from mailconfig.delivery.queue import statements

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

OFTEN = statements.PREPARE_AFTER + 3
SQL = "SELECT %s::bigint + 1, %s::text"


def prepared() -> list[Any]:
    """What the server keeps of this connection's."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return [text for (text,) in cursor.fetchall()]


def settings_now() -> tuple[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('enable_seqscan'), current_setting('plan_cache_mode')")
        seqscan, mode = cursor.fetchone()
        return seqscan, mode


def test_a_statement_that_comes_often_is_prepared_once_whatever_its_values() -> None:
    found = [statements.run(SQL, [number, "x"]) for number in (1, 2, 40_000, 3_000_000_000, None)]
    assert found == [[(2, "x")], [(3, "x")], [(40_001, "x")], [(3_000_000_001, "x")], [(None, "x")]]
    assert len(prepared()) == 1


def test_the_planner_is_as_it_was_afterwards() -> None:
    before = settings_now()
    for number in range(OFTEN):
        statements.run(SQL, [number, "x"])
    assert settings_now() == before


def test_what_a_pooler_forgot_is_run_all_the_same() -> None:
    for number in range(OFTEN):
        statements.run(SQL, [number, "x"])
    connection.connection.execute("DEALLOCATE ALL")  # as on another server connection
    assert [statements.run(SQL, [number, "x"]) for number in range(3)] == [[(1, "x")], [(2, "x")], [(3, "x")]]
    assert prepared() == []


def test_nothing_is_prepared_within_a_transaction() -> None:
    with transaction.atomic():
        for number in range(OFTEN):
            statements.run(SQL, [number, "x"])
    assert prepared() == []


@pytest.mark.parametrize("count", [1, 3])
def test_rows_arrive_as_they_were_given(count: int) -> None:
    at = datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC)
    rows: list[tuple[Any, ...]] = [
        (5, 'a "quoted" \\ {brace}, comma', at),
        (-7, "", None),
        (2**40, "NULL", at),
    ][:count]
    source = statements.rows_sql(("bigint", "text", "timestamptz"), count)
    sql = f"SELECT * FROM {source} AS given (number, words, at)"  # noqa: S608 - made of types
    assert [statements.run(sql, statements.columns_of([*rows])) for _ in range(OFTEN)] == [rows] * OFTEN
