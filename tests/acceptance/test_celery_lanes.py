"""Celery's processes with many lanes in hand: one task works on all that is due, and ends cleanly when it is to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from mailconfig import delivery
from mailconfig.models import Account, Attempt, Lane, Message
from tests.acceptance.crew import Broker, Crew
from tests.acceptance.kills import FAST
from tests.factories import make_account, make_email
from tests.servers.chaos import ChaosServer
from tests.servers.children import until
from tests.servers.faults import Hang

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.slow,
    pytest.mark.redis,
    # On SQLite lanes come one at a time, each with a task of its own.
    pytest.mark.postgres,
]

PATIENT = {**FAST, "TIMEOUTS": {}, "SLICE_SECONDS": 20.0, "CONCURRENCY": 10}


@pytest.fixture
def broker(redis_url: str) -> Broker:
    """A Redis server with nothing in it."""
    broker = Broker(redis_url)
    broker.flush()
    return broker


@pytest.fixture
def server() -> Iterator[ChaosServer]:
    """One that is a little away."""
    with ChaosServer(latency=0.05) as server:
        yield server


def queue(server: ChaosServer, accounts: int, mails: int) -> list[Account]:
    """So many accounts with so many mails each."""
    made = [make_account(server.port) for _ in range(accounts)]
    for account in made:
        delivery.enqueue_many((make_email(number) for number in range(mails)), account=account)
    return made


def await_all_sent() -> None:
    """Return when nothing waits any more."""
    until(lambda: not Message.objects.exclude(state="sent").exists(), why="not everything was sent")


@pytest.mark.parametrize("pool", ["prefork --concurrency 1", "threads --concurrency 4"])
def test_a_hundred_doorbells_are_answered_by_one_task_that_drains_many_accounts_at_once(
    broker: Broker, server: ChaosServer, tmp_path: Path, pool: str
) -> None:
    with Crew(broker, tmp_path, PATIENT, pool=pool):
        queue(server, 100, 1)
        await_all_sent()
    assert len(server.messages) == 100
    assert 5 <= server.most_sessions <= 20  # one that was left is open at the server for a moment more
    assert len(set(Attempt.objects.values_list("worker", flat=True))) == 1
    assert transactions_of_attempts() < 100


def transactions_of_attempts() -> int:
    """The number of commits by which attempts were written (PostgreSQL's ``xmin``): lanes of a process share them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(DISTINCT xmin::text) FROM mailconfig_attempt")
        row: tuple[int] = cursor.fetchone()
    return row[0]


@pytest.mark.parametrize("pool", ["prefork --concurrency 2", "threads --concurrency 2"])
def test_a_warm_shutdown_finishes_the_mails_in_hand_and_begins_no_more(
    broker: Broker, server: ChaosServer, tmp_path: Path, pool: str
) -> None:
    with Crew(broker, tmp_path, PATIENT, pool=pool) as crew:
        queue(server, 4, 200)
        assert server.wait_for(lambda: len(server.messages) >= 20)
        crew.beat.end()
        assert crew.worker.terminate() == 0, crew.worker.said()
    received = len(server.messages)
    assert received < 800
    assert Message.objects.filter(state="sent").count() == received
    assert not Lane.objects.exclude(lease_token=None).exists()
    assert not Attempt.objects.filter(outcome="").exists()


def test_a_soft_time_limit_ends_a_task_cleanly_and_the_next_one_goes_on(
    broker: Broker, server: ChaosServer, tmp_path: Path
) -> None:
    pool = "prefork --concurrency 1 --soft-time-limit 2"
    with Crew(broker, tmp_path, PATIENT, pool=pool) as crew:
        queue(server, 2, 150)
        await_all_sent()
        said = crew.worker.said()
    assert "Soft time limit" in said
    assert "Traceback" not in said
    copies = Counter(message.data for message in server.messages)
    assert len(server.messages) == 300
    assert set(copies.values()) == {1}


def test_a_server_that_hangs_keeps_no_account_from_being_drained_by_the_same_process(
    broker: Broker, server: ChaosServer, tmp_path: Path
) -> None:
    with ChaosServer() as silent:
        silent.on("mail", Hang())
        with Crew(
            broker, tmp_path, {**PATIENT, "SLICE_SECONDS": 1.0}, pool="prefork --concurrency 1"
        ) as crew:
            stuck = queue(silent, 3, 1)
            until(lambda: silent.verbs().count("MAIL") == 3)
            queue(server, 5, 20)
            others = Message.objects.exclude(account__in=stuck)
            until(lambda: not others.exclude(state="sent").exists(), why="they waited for the silent one")
            until(lambda: bool(delivery.status().workers), why="nobody shows himself")
            (worker,) = delivery.status().workers
            assert worker.pid != crew.worker.pid, "it is its child"
