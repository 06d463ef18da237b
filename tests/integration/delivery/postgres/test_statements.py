"""Prepared statements: used when they pay, never when they would do harm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import (
    DEFAULT_DB_ALIAS,
    DataError,
    IntegrityError,
    OperationalError,
    connection,
    connections,
    transaction,
)
from django.db.backends.base.base import BaseDatabaseWrapper

from mailconfig.delivery.postgres import statements
from mailconfig.models import Account, Lane
from tests.factories import make_account

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

OFTEN = statements.PREPARE_AFTER + 3
SQL = "SELECT %s::bigint + 1, %s::text"


def prepared() -> list[Any]:
    """What the server keeps of this connection's."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return [text for (text,) in cursor.fetchall()]


def settings_now() -> list[tuple[str, str]]:
    """What the server goes by when it plans."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, setting FROM pg_settings WHERE category LIKE 'Query Tuning%' ORDER BY name"
        )
        return list(cursor.fetchall())


def plans() -> list[tuple[int, int]]:
    """How often each prepared statement ran by the plan that is kept, and how often by one of its own."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT generic_plans, custom_plans FROM pg_prepared_statements")
        return list(cursor.fetchall())


def test_a_statement_that_comes_often_is_prepared_once_whatever_its_values() -> None:
    found = [statements.run(SQL, [number, "x"]) for number in (1, 2, 40_000, 3_000_000_000, None)]
    assert found == [[(2, "x")], [(3, "x")], [(40_001, "x")], [(3_000_000_001, "x")], [(None, "x")]]
    assert len(prepared()) == 1


def test_a_statement_is_prepared_by_the_protocol_of_which_poolers_keep_account() -> None:
    """Else pgbouncer ends the connection over which it is run (since 1.24 unless it is told not to)."""
    begin_anew()
    for number in range(OFTEN):
        statements.run(SQL, [number, "x"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT from_sql FROM pg_prepared_statements")
        assert cursor.fetchall() == [(False,)]


def test_who_prepares_waits_for_a_statement_under_way() -> None:
    begin_anew()
    often()
    other = "SELECT %s::int"
    for _ in range(statements.PREPARE_AFTER):
        statements.run(other, [1])
    answer = statements.start(SQL, [1, "first"])
    assert statements.run(other, [5]) == [(5,)]
    assert answer() == [(2, "first")]
    assert len(prepared()) == 2


def test_the_planner_is_as_it_was_afterwards() -> None:
    before = settings_now()
    for number in range(OFTEN):
        statements.run(SQL, [number, "x"])
    assert settings_now() == before


def begin_anew() -> None:
    """Over a connection that knows no statement yet."""
    connection.close()
    connection.ensure_connection()


ACCOUNTS = (
    "SELECT account.id FROM unnest(%s::bigint[]) AS wanted (id) JOIN mailconfig_account AS account USING (id)"
)


def test_a_statement_with_arrays_is_not_planned_anew_each_time_however_small_its_table_is() -> None:
    account, runs = make_account(), 30
    begin_anew()
    for number in range(runs):
        values = statements.array([account.pk] * (number % 3 + 1))
        assert statements.run(ACCOUNTS, [values]) == [(account.pk,)] * (number % 3 + 1)
    made_with_values = 5  # PostgreSQL's own number, of which it takes the mean
    explained = 1
    kept = runs - statements.PREPARE_AFTER - made_with_values + explained
    assert plans() == [(kept, made_with_values)]


def test_after_a_while_another_plan_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "PLAN_ANEW_AFTER", 20)
    begin_anew()
    found = [statements.run(SQL, [number, "x"]) for number in range(45)]
    assert found == [[(number + 1, "x")] for number in range(45)]
    assert plans() == [(2, 5)], "the fortieth run was the first by it"


def test_what_a_pooler_forgot_before_another_plan_is_made_is_run_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(statements, "PLAN_ANEW_AFTER", 20)
    begin_anew()
    for number in range(19):
        statements.run(SQL, [number, "x"])
    connection.connection.execute("DEALLOCATE ALL")
    assert [statements.run(SQL, [number, "x"]) for number in range(3)] == [[(1, "x")], [(2, "x")], [(3, "x")]]
    assert prepared() == []


def test_what_a_pooler_forgot_is_run_all_the_same() -> None:
    for number in range(OFTEN):
        statements.run(SQL, [number, "x"])
    connection.connection.execute("DEALLOCATE ALL")  # as on another server connection
    assert [statements.run(SQL, [number, "x"]) for number in range(3)] == [[(1, "x")], [(2, "x")], [(3, "x")]]
    assert prepared() == []


def test_what_psycopg_is_to_prepare_by_itself_keeps_nothing_from_being_prepared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"server_side_binding": True, "prepare_threshold": 0}.items():
        monkeypatch.setitem(connection.settings_dict["OPTIONS"], name, value)
    begin_anew()
    assert [statements.run(SQL, [number, "x"]) for number in range(OFTEN)] == [
        [(number + 1, "x")] for number in range(OFTEN)
    ]
    assert "SELECT $1::bigint + 1, $2::text" in prepared()
    connection.close()


def test_what_could_not_be_prepared_for_a_lock_is_prepared_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a migration, which locks the table while the plan is to be made anew."""
    monkeypatch.setattr(statements, "PLAN_ANEW_AFTER", 10)
    begin_anew()
    sql = "SELECT id FROM mailconfig_account WHERE id = %s"
    for number in range(9):
        statements.run(sql, [number])
    connection.connection.execute("SET lock_timeout = '100ms'")
    other = connections.create_connection(DEFAULT_DB_ALIAS)
    try:
        with transaction_of(other) as cursor:
            cursor.execute("LOCK TABLE mailconfig_account IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(OperationalError, match="lock timeout"):
                statements.run(sql, [1])
    finally:
        other.close()
    for number in range(OFTEN):
        statements.run(sql, [number])
    assert len(prepared()) == 1
    connection.close()


@contextmanager
def transaction_of(other: BaseDatabaseWrapper) -> Iterator[Any]:
    """A transaction of somebody else's, which changes nothing."""
    with other.cursor() as cursor:
        cursor.execute("BEGIN")
        yield cursor
        cursor.execute("ROLLBACK")


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
    types = ("bigint", "text", "timestamptz")
    source = statements.rows_sql(types, count)
    sql = f"SELECT * FROM {source} AS given (number, words, at)"  # noqa: S608 - made of types
    assert [statements.run(sql, statements.columns_of(types, rows)) for _ in range(OFTEN)] == [rows] * OFTEN


def often(sql: str = SQL, *values: Any) -> None:
    """Let the statement be prepared."""
    for _ in range(OFTEN):
        statements.run(sql, values or [1, "x"])


def test_who_needs_the_connection_waits_for_a_statement_under_way() -> None:
    often()
    answer = statements.start(SQL, [1, "first"])
    assert Account.objects.count() == 0
    second = statements.start(SQL, [2, "second"])
    with transaction.atomic():
        assert not Account.objects.exists()
    third, fourth = statements.start(SQL, [3, "third"]), statements.start(SQL, [4, "fourth"])
    assert [wait() for wait in (fourth, answer, third, second)] == [
        [(5, "fourth")], [(2, "first")], [(4, "third")], [(3, "second")],
    ]  # fmt: skip


def test_a_statement_that_fails_under_way_spoils_nothing() -> None:
    often("SELECT 1 / %s::bigint", 1)
    answer = statements.start("SELECT 1 / %s::bigint", [0])
    assert Account.objects.count() == 0
    with pytest.raises(DataError, match="division by zero"):
        answer()
    with pytest.raises(DataError, match="NUL"):
        statements.start(SQL, [1, "\0"])
    assert statements.run(SQL, [1, "x"]) == [(2, "x")]


def test_the_answer_of_a_connection_that_is_cut_is_an_error_of_the_database() -> None:
    often()
    answer = statements.start(SQL, [1, "x"])
    connection.close()
    with pytest.raises(OperationalError):
        answer()
    assert statements.run(SQL, [1, "x"]) == [(2, "x")]


def test_two_statements_in_one_trip_are_committed_each_by_itself() -> None:
    lane = Lane.objects.get(account=make_account())
    first = "UPDATE mailconfig_lane SET strikes = %s::smallint WHERE id = %s RETURNING strikes"
    second = "UPDATE mailconfig_lane SET failures = 1 / %s::smallint WHERE id = %s RETURNING failures"
    found = [
        statements.run_both((first, [number, lane.pk]), (second, [1, lane.pk])) for number in range(OFTEN)
    ]
    assert found == [None] * statements.PREPARE_AFTER + [([(number,)], [(1,)]) for number in (2, 3, 4)]
    assert statements.run_both((first, [9, lane.pk]), (second, [0, lane.pk])) == ([(9,)], [])
    with pytest.raises(DataError):
        statements.run_both((second, [0, lane.pk]), (first, [7, lane.pk]))
    lane.refresh_from_db()
    assert (lane.strikes, lane.failures) == (7, 1)


def test_the_answer_to_the_first_counts_though_the_connection_is_lost_in_the_second() -> None:
    lane = Lane.objects.get(account=make_account())
    first = "UPDATE mailconfig_lane SET strikes = %s::smallint WHERE id = %s RETURNING strikes"
    second = "SELECT CASE WHEN %s THEN pg_terminate_backend(pg_backend_pid()) END"
    for number in range(OFTEN):
        statements.run_both((first, [number, lane.pk]), (second, [False]))
    assert statements.run_both((first, [9, lane.pk]), (second, [True])) == ([(9,)], [])
    connection.close()
    lane.refresh_from_db()
    assert lane.strikes == 9


LET_OWN = "UPDATE mailconfig_account SET tenant_id = %s::bigint WHERE id = %s::bigint RETURNING tenant_id"
"""A tenant that is not there is found missing only when the transaction ends."""


def test_a_commit_that_fails_after_the_rows_came_is_an_error() -> None:
    account = make_account()
    often(LET_OWN, None, account.pk)
    with pytest.raises(IntegrityError, match="foreign key"):
        statements.run(LET_OWN, [77, account.pk])
    assert statements.run(LET_OWN, [None, account.pk]) == [(None,)]
    account.refresh_from_db()
    assert account.tenant_id is None


def test_of_two_statements_in_one_trip_each_has_a_commit_that_may_fail() -> None:
    account = make_account()
    good, bad = (LET_OWN, [None, account.pk]), (LET_OWN, [77, account.pk])
    often(LET_OWN, None, account.pk)
    with pytest.raises(IntegrityError, match="foreign key"):
        statements.run_both(bad, good)
    assert statements.run_both(good, bad) == ([(None,)], [])
    with pytest.raises(IntegrityError, match="foreign key"):
        statements.run_both(bad, bad)
    assert statements.run_both(good, good) == ([(None,)], [(None,)])
    assert Account.objects.filter(tenant=None).count() == 1


def test_two_statements_that_a_pooler_forgot_are_left_to_the_caller() -> None:
    connection.ensure_connection()
    for number in range(OFTEN):
        statements.run_both((SQL, [number, "x"]), ("SELECT %s::text", ["y"]))
    connection.connection.execute("DEALLOCATE ALL")
    for _ in range(2):
        assert statements.run_both((SQL, [1, "x"]), ("SELECT %s::text", ["y"])) is None
    assert Account.objects.count() == 0
