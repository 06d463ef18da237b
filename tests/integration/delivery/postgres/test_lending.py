"""Connections that threads share: each has one for a statement or a transaction, and loses nothing by that."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connection, connections, transaction
from django.db.backends.signals import connection_created

from mailconfig.conf import SHARED_CONNECTIONS
from mailconfig.delivery.postgres import statements
from mailconfig.delivery.postgres.lending import LendingWrapper, make_lending
from mailconfig.delivery.postgres.stock import Stock
from mailconfig.models import Lane, Tenant
from tests.factories import make_account

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

SQL = "SELECT %s::bigint + 1"


@contextmanager
def lending(stock: Stock) -> Iterator[LendingWrapper]:
    """Let this thread use connections of the stock."""
    usual = connections["default"]
    wrapper = make_lending(usual, stock)
    connections["default"] = wrapper
    try:
        yield wrapper
    finally:
        if wrapper.connection is not None:
            wrapper.close()
        connections["default"] = usual


@pytest.fixture
def stock() -> Iterator[Stock]:
    """A stock of this test."""
    stock = Stock()
    yield stock
    stock.close()


def backend() -> int:
    """The server's process for the connection that is lent now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def in_thread(work: Callable[[], Any]) -> Any:
    """What ``work`` returns in a thread of its own."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(work())
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    return found[0]


def fill(stock: Stock, number: int) -> list[int]:
    """Have so many connections rest in the stock, and return their backends."""
    begun, done = threading.Barrier(number), threading.Barrier(number)
    pids: list[int] = []

    def work() -> None:
        with lending(stock), transaction.atomic():
            begun.wait(60)
            pids.append(backend())
            done.wait(60)

    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(pids)) == number
    return pids


def kill(pids: list[int]) -> None:
    """End these backends, as a restart does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s) AS pid", [pids])


def test_a_connection_is_lent_for_a_statement_or_a_transaction(stock: Stock) -> None:
    with lending(stock) as wrapper:
        first = backend()
        assert wrapper.connection is None
        assert in_thread(lambda: _backend_of(stock)) == first
        with transaction.atomic():
            Tenant.objects.create(slug="one")
            assert in_thread(lambda: _backend_of(stock)) != first
            assert backend() == first
        assert wrapper.connection is None
        assert Tenant.objects.filter(slug="one").exists()
        with suppress(ZeroDivisionError), transaction.atomic():
            Tenant.objects.create(slug="two")
            raise ZeroDivisionError
        assert wrapper.connection is None
        assert not Tenant.objects.filter(slug="two").exists()


def _backend_of(stock: Stock) -> int:
    with lending(stock):
        return backend()


def test_rows_that_are_read_one_by_one_keep_the_connection_until_they_are_read(stock: Stock) -> None:
    for key in ("one", "two", "three"):
        Tenant.objects.create(slug=key)
    with lending(stock) as wrapper:
        rows = iter(Tenant.objects.order_by("pk").iterator(chunk_size=1))
        assert next(rows).slug == "one"
        assert wrapper.connection is not None
        assert Tenant.objects.count() == 3
        assert [row.slug for row in rows] == ["two", "three"]
        assert wrapper.connection is None


def test_hooks_on_a_commit_run_once_and_may_ask_the_database(stock: Stock) -> None:
    seen: list[int] = []
    with lending(stock) as wrapper:
        with transaction.atomic():
            transaction.on_commit(lambda: seen.append(Tenant.objects.count()))
            transaction.on_commit(lambda: seen.append(Tenant.objects.count()))
            Tenant.objects.create(slug="one")
        assert seen == [1, 1]
        assert wrapper.connection is None


def test_a_statement_that_is_refused_costs_no_connection(stock: Stock) -> None:
    with lending(stock) as wrapper:
        first = backend()
        with pytest.raises(DatabaseError, match="division"), connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")
        assert wrapper.connection is None
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")
        assert wrapper.connection is None
        assert backend() == first


def test_what_was_begun_by_hand_keeps_the_connection(stock: Stock) -> None:
    with lending(stock) as wrapper:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
        assert wrapper.connection is not None
        with connection.cursor() as cursor:
            cursor.execute("ROLLBACK")
        assert wrapper.connection is None


def test_statements_are_prepared_once_a_connection_whoever_has_it(stock: Stock) -> None:
    def run() -> Any:
        with lending(stock) as wrapper:
            rows = statements.run(SQL, [1])
            assert wrapper.connection is None
            return rows

    assert [in_thread(run) for _ in range(statements.PREPARE_AFTER + 3)] == [[(2,)]] * (
        statements.PREPARE_AFTER + 3
    )
    with lending(stock), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        assert cursor.fetchone() == (1,)


def test_an_answer_that_is_fetched_later_keeps_the_connection(stock: Stock) -> None:
    lane = Lane.objects.get(account=make_account())
    update = "UPDATE mailconfig_lane SET strikes = %s::smallint WHERE id = %s RETURNING strikes"
    with lending(stock) as wrapper:
        for number in range(statements.PREPARE_AFTER + 1):
            statements.run(update, [number, lane.pk])
        answer = statements.start(update, [7, lane.pk])
        assert wrapper.connection is not None
        assert in_thread(lambda: _backend_of(stock))
        assert answer() == [(7,)]
        assert wrapper.connection is None
        answer = statements.start(update, [8, lane.pk])
        lane.refresh_from_db()
        assert lane.strikes == 8
        assert wrapper.connection is None, "who came first fetched the answer"
        assert answer() == [(8,)]


def test_an_answer_is_read_whatever_became_of_its_connection(stock: Stock) -> None:
    sql = "SELECT now() + %s * interval '1 day', 'x'::text"
    with lending(stock):
        for number in range(statements.PREPARE_AFTER + 1):
            statements.run(sql, [number])
        answer = statements.start(sql, [1])
        assert Tenant.objects.count() == 0, "which fetches the answer first"
        stock.renew()
        ((at, text),) = answer()
        assert (at.tzinfo, text) == (UTC, "x")


def test_what_a_pooler_forgot_is_run_all_the_same(stock: Stock) -> None:
    with lending(stock):
        for number in range(statements.PREPARE_AFTER + 2):
            statements.run(SQL, [number])
        with connection.cursor() as cursor:
            cursor.execute("DEALLOCATE ALL")
        assert [statements.run(SQL, [number]) for number in range(3)] == [[(1,)], [(2,)], [(3,)]]


def test_after_a_restart_one_statement_fails_and_none_after_it(stock: Stock) -> None:
    pids = fill(stock, 4)
    kill(pids)
    with lending(stock) as wrapper:
        with pytest.raises(OperationalError):
            backend()
        assert wrapper.connection is None
        for _ in range(4):
            with ExitStack() as together:
                together.enter_context(transaction.atomic())
                assert backend() not in pids
                assert in_thread(lambda: _backend_of(stock)) not in pids


def test_a_connection_that_was_cut_while_it_was_idle_for_long_is_not_lent(stock: Stock) -> None:
    (pid,) = fill(stock, 1)
    kill([pid])
    stock._resting[0].rested_at -= 60
    with lending(stock):
        assert backend() != pid


def test_who_closes_gets_a_new_connection_whoever_has_the_old_ones(stock: Stock) -> None:
    """As after a fail-over, which leaves connections that live, to a server that takes no writes."""
    pids = fill(stock, 3)
    with lending(stock):
        assert backend() in pids
        connection.close()
        assert backend() not in pids


def test_a_connection_that_is_cut_in_a_transaction_is_gone(stock: Stock) -> None:
    with lending(stock) as wrapper:
        pids: list[int] = []

        def cut() -> None:
            pids.append(backend())
            in_thread(lambda: kill(pids))
            backend()

        with pytest.raises(OperationalError), transaction.atomic():
            cut()
        assert wrapper.connection is None or not wrapper.connection.closed
        assert backend() not in pids
        assert wrapper.connection is None
    assert len(stock._resting) == stock._count


def test_a_database_that_lets_nobody_in_keeps_no_place(stock: Stock) -> None:
    with lending(stock) as wrapper:
        wrapper.settings_dict = {**wrapper.settings_dict, "PASSWORD": "wrong", "USER": "nobody-of-that-name"}
        for _ in range(SHARED_CONNECTIONS + 2):
            with pytest.raises(OperationalError):
                backend()
    with lending(stock):
        assert backend()
    assert stock._count == 1


def test_who_listens_for_connections_hears_of_each_and_of_each_thread(stock: Stock) -> None:
    heard: list[Any] = []

    def note(*, connection: Any, **kwargs: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        heard.append(connection)

    connection_created.connect(note)
    try:
        with lending(stock) as wrapper:
            for _ in range(3):
                backend()
                assert wrapper.connection is None
            assert heard == [wrapper]
            in_thread(lambda: _backend_of(stock))
    finally:
        connection_created.disconnect(note)
    assert len(heard) == 2
    assert heard[1] is not wrapper


def test_a_forked_process_has_its_own_and_leaves_its_parents_alone(stock: Stock) -> None:
    pids = fill(stock, 2)
    child = os.fork()
    if not child:
        with suppress(BaseException):
            own = Stock()
            stock = own  # as a worker of Celery, which is made anew in each process
            with lending(own):
                os._exit(0 if backend() not in pids else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with lending(stock):
        assert backend() in pids
