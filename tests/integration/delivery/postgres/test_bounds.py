"""What one process has locked costs the others a step of their house-keeping at most, and PostgreSQL ends what stands still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from django.apps import apps
from django.db import InternalError, OperationalError, connection, transaction

from mailconfig import delivery
from mailconfig.delivery.mishaps import is_connection_lost
from mailconfig.delivery.postgres import bounds
from mailconfig.delivery.postgres.stock import Stock
from mailconfig.delivery.worker.steps import failing_steps
from mailconfig.models import Account, Attempt
from tests.factories import make_account, make_hand_over, make_message
from tests.integration.delivery.postgres.test_lending import lending
from tests.servers.children import until

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

TABLES = sorted(model._meta.db_table for model in apps.get_app_config("mailconfig").get_models())


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
REAPED = {"mailconfig_attempt", "mailconfig_handover", "mailconfig_message", "mailconfig_account"}
"""What is written, or kept from being deleted, when a hand-over is given up."""


@contextmanager
def watcher() -> Iterator[Any]:
    """A cursor of another session."""
    wrapper = connection.copy()
    try:
        with wrapper.cursor() as cursor:
            yield cursor
    finally:
        wrapper.close()


@pytest.fixture
def other() -> Iterator[Any]:
    """A cursor of somebody else's transaction, which he does not end."""
    with watcher() as cursor:
        cursor.execute("BEGIN")
        try:
            yield cursor
        finally:
            cursor.execute("ROLLBACK")


def shown(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        return str(cursor.fetchone()[0])


@pytest.mark.parametrize("table", TABLES)
def test_a_locked_table_costs_the_steps_that_write_it_and_no_others(
    other: Any, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "LOCK_SECONDS", 0.1)
    make_hand_over(make_message(make_account()), handed_over_at=LONG_AGO)
    other.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
    with suppress(OperationalError) if table == "mailconfig_installation" else nullcontext():
        delivery.sweep()  # there it is written which steps fail

    has_failed = "reap" in {failing.step for failing in failing_steps()}
    assert Attempt.objects.exists() is not (table in REAPED)
    assert has_failed is (table in REAPED)
    assert shown("lock_timeout") == shown("idle_in_transaction_session_timeout") == "0"


def test_whoever_stopped_in_the_middle_of_his_first_count_stops_no_others_sweep(
    other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "LOCK_SECONDS", 0.1)
    other.execute(
        "INSERT INTO mailconfig_figuresstate (id, last_attempt, sent, put_off, failed, waiting, leaders) "
        "VALUES (1, 0, 0, 0, 0, 0, '[]')"
    )
    account = make_account()
    make_message(account)

    assert delivery.sweep().mended == 1
    assert [failing.step for failing in failing_steps()] == ["count"]
    assert "lock timeout" in failing_steps()[0].text


def test_what_the_project_set_itself_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str]] = []

    def look() -> int:
        seen.append((shown("lock_timeout"), shown("idle_in_transaction_session_timeout")))
        return 0

    monkeypatch.setattr("mailconfig.delivery.worker.sweep.ring_due", look)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '7s'")
    try:
        delivery.sweep()
        assert (seen, shown("lock_timeout")) == ([("7s", "30s")], "7s")
    finally:
        connection.close()


def test_behind_a_pooler_that_lends_by_transaction_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    with bounds.StepBounds() as step:
        step.ensure()
        assert shown("lock_timeout") == "0"


def test_a_worker_that_stands_still_in_a_transaction_loses_it_and_goes_on_with_another_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounds, "STILL_SECONDS", 0.2)
    account, stock = make_account(), Stock()
    mine = Account.objects.filter(pk=account.pk)
    with lending(stock), watcher() as cursor:

        def stand_still() -> None:
            mine.update(name="half done")
            pid = connection.connection.info.backend_pid

            def is_gone() -> bool:
                cursor.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid])
                return cursor.fetchone() is None

            until(is_gone, why="PostgreSQL left it")
            cursor.execute("UPDATE mailconfig_account SET name = 'by another' WHERE id = %s", [account.pk])
            mine.update(name="late")

        with pytest.raises(InternalError) as caught:
            transaction.atomic(stand_still)()
        assert is_connection_lost(caught.value)
        assert mine.get().name == "by another"
    stock.close()
