"""A worker needs a handful of database connections, however many accounts it has in hand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction

from mailconfig.conf import SHARED_CONNECTIONS
from mailconfig.models import Lane
from tests.servers.chaos import ChaosServer
from tests.servers.children import until
from tests.servers.faults import Hang

from .conftest import queue, sent

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

BESIDES = 8
"""The supervisor, the writer, the listener, the one that proves it, and four of the house-keeping."""
OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


def others() -> int:
    """The connections to this database, but for this one."""
    with connection.cursor() as cursor:
        cursor.execute(OTHERS)
        return int(cursor.fetchone()[0])


@pytest.fixture
def most(worker: Callable[[], threading.Thread]) -> Iterator[list[int]]:
    """The most connections that were open at a time, beside those from before."""
    before, found, stop = others(), [0], threading.Event()

    def look() -> None:
        try:
            while not stop.wait(0.02):
                found[0] = max(found[0], others() - before - 1)
        finally:
            connection.close()

    thread = threading.Thread(target=look)
    thread.start()
    yield found
    stop.set()
    thread.join(60)


@pytest.fixture(autouse=True)
def hundred(settings: Any) -> None:
    """A worker with a hundred accounts in hand."""
    settings.MAILCONFIG = {
        **settings.MAILCONFIG,
        "CONCURRENCY": 100,
        "STOP_SECONDS": 1.0,
        "RING_SECONDS": 0.2,
    }


@pytest.mark.slow
def test_a_hundred_busy_accounts_share_a_handful_of_connections(
    worker: Callable[[], threading.Thread], most: list[int]
) -> None:
    with ChaosServer(latency=0.05) as server:
        accounts = queue(server.port, 100, 3)
        worker()
        until(lambda: sent(accounts) == 300)
        assert server.most_sessions > 3 * SHARED_CONNECTIONS, "or they were not busy at a time"
    assert 2 < most[0] <= SHARED_CONNECTIONS + BESIDES


@pytest.mark.parametrize("verb", ["banner", "mail", "dot"])
def test_who_waits_for_a_server_keeps_none(worker: Callable[[], threading.Thread], verb: str) -> None:
    before = others()
    with ChaosServer() as silent:
        silent.on(verb, Hang())
        queue(silent.port, 40)
        worker()
        until(lambda: silent.most_sessions == 40)
        until(lambda: _idle_since(1.0) and others() - before <= SHARED_CONNECTIONS + BESIDES)
        assert silent.most_sessions == 40, "none of them was given up for that"


def _idle_since(seconds: float) -> bool:
    time.sleep(seconds)
    return True


def test_accounts_that_wait_for_a_lock_keep_nobody_else_waiting(
    worker: Callable[[], threading.Thread],
) -> None:
    with ChaosServer() as server:
        locked = queue(server.port, 2 * SHARED_CONNECTIONS)
        with transaction.atomic():
            list(Lane.objects.select_for_update().filter(account__in=locked))
            worker()
            until(lambda: elsewhere(others) >= 2 * SHARED_CONNECTIONS)
            free = elsewhere(lambda: queue(server.port, 5))
            until(lambda: elsewhere(lambda: sent(free)) == 5)
            assert sent(locked) == 0
        until(lambda: sent(locked) == 2 * SHARED_CONNECTIONS)
        until(lambda: others() <= SHARED_CONNECTIONS + BESIDES)


def elsewhere(work: Callable[[], Any]) -> Any:
    """What ``work`` returns over another connection: this one is in a transaction."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(work())
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    return found[0]


def test_a_restart_of_the_database_costs_no_mail(worker: Callable[[], threading.Thread]) -> None:
    with ChaosServer(latency=0.01) as server:
        accounts = queue(server.port, 20, 10)
        worker()
        until(lambda: sent(accounts) >= 60)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        until(lambda: sent(accounts) == 200)
        assert len(server.messages) == 200
