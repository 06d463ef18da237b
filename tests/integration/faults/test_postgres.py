"""PostgreSQL crashes, cuts connections or is away: nothing is lost, and twice comes at most what was in flight."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection

from mailconfig import delivery
from mailconfig.models import HandOver, Lane, Message
from tests.acceptance.invariants import check_ledger, check_limits, check_states, message_ids
from tests.acceptance.kills import FAST
from tests.factories import make_account, make_email, make_message
from tests.servers.chaos import ChaosServer
from tests.servers.children import Child, drain_worker, environment, until
from tests.servers.faults import Reply
from tests.servers.sink import Sink

from . import outage
from .conftest import attempts, lane, states

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

BIG = b"Subject: x\r\n\r\n" + (b"x" * 62 + b"\r\n") * 16 * 16384
WAYS: dict[str, Callable[[], object]] = {"cut": outage.cut_connections, "crash": outage.crash}


@pytest.fixture(autouse=True)
def mended() -> Iterator[None]:
    """Commits that survive a crash; and whatever a test did to the server, the next one finds it open."""
    outage.keep_commits(in_crashes=True)
    yield
    await_server()
    outage.reopen()
    outage.keep_commits(in_crashes=False)
    connection.close()


def await_server() -> None:
    """Return when the server answers again."""

    def answers() -> bool:
        connection.close()
        try:
            connection.ensure_connection()
        except Exception:  # noqa: BLE001 - whatever it says while it recovers
            return False
        return True

    until(answers, why="PostgreSQL did not come back")


def once_at(server: ChaosServer, verb: str, what: Callable[[], object], *, at: int = 2) -> None:
    """Do something when the server meets ``verb`` for the ``at``-th time, before it answers as usual."""
    seen: list[str] = []

    def happen(line: str) -> bool:
        seen.append(line)
        if len(seen) == at:
            what()
        return False

    server.on(verb, Reply.of("250 never said"), when=happen)


@pytest.mark.parametrize("way", sorted(WAYS))
@pytest.mark.parametrize("verb", ["mail", "data", "body", "dot", "quit"])
def test_a_connection_to_the_database_that_is_cut_loses_nothing(
    server: ChaosServer, window: int, verb: str, way: str
) -> None:
    """Between claim and journal (mail, data), journal and dot (body), dot and commit (dot), after all (quit)."""
    server.size = None
    account = make_account(server.port)
    for number in range(4):
        if number == 1 and verb == "body":
            make_message(account, body=BIG)
        else:
            make_message(account)
    once_at(server, verb, WAYS[way], at=1 if verb == "quit" else 2)
    drain_until_all_are_sent(account.pk)
    assert (states(), attempts()) == (["sent"] * 4, [1] * 4)
    assert len(server.messages) == 4, "nothing went out twice"


def drain_until_all_are_sent(account_id: int) -> None:
    """A drain, and another one if the first was thrown out with its connection, as a worker's loop does."""
    for _ in range(3):
        await_server()
        try:
            delivery.drain_account(account_id=account_id)
        except Exception:  # noqa: BLE001 - the loop catches it as well
            await_server()
            assert not HandOver.objects.exists()
            lane_of_dead_worker_is_free()
        if set(states()) == {"sent"}:
            return


def lane_of_dead_worker_is_free() -> None:
    """What the end of the lease does."""
    Lane.objects.update(lease_token=None, lease_until=None)


@pytest.mark.parametrize("verb", ["data", "dot"])
def test_a_database_that_is_away_is_waited_for(server: ChaosServer, window: int, verb: str) -> None:
    account = make_account(server.port)
    for _ in range(4):
        make_message(account)
    received: list[int] = []

    def come_back() -> None:
        received.append(len(server.messages))
        outage.reopen()

    def go_away() -> None:
        outage.shut()
        timer = threading.Timer(1.0, come_back)
        timer.start()

    once_at(server, verb, go_away)
    drain_until_all_are_sent(account.pk)
    assert received[0] <= (2 if window == 1 else 4), "no dot without a journal"
    assert (states(), attempts()) == (["sent"] * 4, [1] * 4)
    assert len(server.messages) == 4
    assert lane().wait_reason == ""


@pytest.mark.parametrize("way", sorted(WAYS))
def test_a_lane_that_could_not_be_given_back_is_given_back_as_soon_as_the_database_answers(
    way: str, tmp_path: Path
) -> None:
    """Its owner lives, and nobody has to wait for the end of its lease."""
    with ChaosServer() as server:
        account = make_account(server.port)
        once_at(server, "quit", WAYS[way], at=1)
        delivery.enqueue(make_email(), account=account)
        settings = {**FAST, "LEASE_SECONDS": 3600.0, "BACKOFF_SECONDS": [3600.0]}
        with drain_worker(tmp_path, settings) as worker:
            assert server.wait_for(lambda: "QUIT" in server.verbs())
            await_server()
            delivery.enqueue(make_email(), account=account)
            until(lambda: states() == ["sent"] * 2, seconds=60, why="the lane was not given back")
            assert worker.terminate() == 0, worker.said()


@pytest.mark.slow
@pytest.mark.parametrize("window_size", [1, 10])
def test_four_crashes_under_load_lose_nothing(window_size: int, tmp_path: Path) -> None:
    settings = {**FAST, "WINDOW": window_size}
    ledger = tmp_path / "ledger.jsonl"
    with Sink(tmp_path) as sink:
        accounts = [make_account(sink.port) for _ in range(3)]
        keys = [str(account.pk) for account in accounts]
        with drain_worker(tmp_path, settings) as one, drain_worker(tmp_path, settings) as two:
            for _ in range(4):
                env = environment(settings)
                feeder = ["-m", "tests.acceptance.feeder", str(ledger), *keys, "--every", "0.02"]
                with Child(*feeder, folder=tmp_path, env=env):
                    sink.await_messages(len(sink.messages) + 40)
                    until(outage.crash, why="nobody to kill")
                await_server()
            until(lambda: not Message.objects.filter(state="queued").exists())
            assert one.terminate() == two.terminate() == 0, one.said() + two.said()
        check_states(sink)
        check_ledger(ledger, sink)
        copies = Counter(message.message_id for message in sink.messages)
        assert set(copies) == message_ids(Message.objects.all())
        assert sum(copies.values()) - len(copies) <= 4 * len(accounts) * window_size


LANES, LIMIT, PERIOD = 20, 5, 1
IN_COMMIT: dict[str, Callable[[], bool]] = {"cut": outage.cut_commits, "crash": outage.crash_in_commit}


@pytest.mark.slow
@pytest.mark.parametrize("way", sorted(IN_COMMIT))
def test_outages_in_the_middle_of_shared_commits_lose_nothing(way: str, tmp_path: Path) -> None:
    """With twenty lanes in hand of one process, which lives on: it remembers what it sent, so nothing comes twice."""
    settings = {**FAST, "WINDOW": 3, "CONCURRENCY": LANES, "LEASE_SECONDS": 60.0}
    with Sink(tmp_path, "--latency", "0.03") as sink:
        accounts = [make_account(sink.port, limit_count=LIMIT, limit_period=PERIOD) for _ in range(LANES)]
        owned = Lane.objects.exclude(lease_token=None)
        with drain_worker(tmp_path, settings) as worker:
            for _ in range(4):
                for account in accounts:
                    delivery.enqueue_many(
                        (make_email(number) for number in range(2 * LIMIT)), account=account
                    )
                until(lambda: owned.count() > LANES / 2, why="too few lanes were in hand to prove anything")
                until(IN_COMMIT[way], why="nobody to end")
                await_server()
                until(lambda: not Message.objects.filter(state="queued").exists())
            assert worker.is_running, worker.said()
            assert worker.terminate() == 0, worker.said()
        check_states(sink)
        check_limits(sink, limit=LIMIT, seconds=PERIOD)
        copies = Counter(message.message_id for message in sink.messages)
        assert set(copies) == message_ids(Message.objects.all())
        assert set(copies.values()) == {1}, "twice without a death"
        assert set(attempts()) == {1}
