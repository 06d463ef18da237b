"""Workers that are asked to end, and workers that stand still for longer than their lease."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailconfig import delivery
from mailconfig.models import Attempt, HandOver, Lane, Message, MessageState
from tests.acceptance.kills import FAST
from tests.factories import make_account, make_email
from tests.servers.chaos import ChaosServer
from tests.servers.children import Child, drain_worker, until
from tests.servers.faults import Reply

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture(params=[True, False], ids=["pipelining", "lockstep"])
def server(request: pytest.FixtureRequest) -> Iterator[ChaosServer]:
    """A server of each kind."""
    with ChaosServer(pipelining=request.param) as server:
        yield server


def states() -> list[str]:
    """Of all messages, in their order."""
    return list(Message.objects.order_by("pk").values_list("state", flat=True))


def stop_at(server: ChaosServer, verb: str, workers: list[Child], *, at: int = 2) -> list[int]:
    """Let the first worker stand still when the server meets ``verb`` for the ``at``-th time, before it answers."""
    stopped: list[int] = []
    seen: list[str] = []

    def stop(line: str) -> bool:
        seen.append(line)
        if len(seen) == at:
            workers[0].stand_still()
            stopped.append(workers[0].pid)
        return False

    server.on(verb, Reply.of("250 never said"), when=stop)
    return stopped


@pytest.mark.parametrize("window", [1, 10])
def test_a_worker_that_is_terminated_finishes_the_message_and_frees_the_lane(
    window: int, tmp_path: Path
) -> None:
    with ChaosServer(latency=0.05) as server:
        account = make_account(server.port)
        delivery.enqueue_many((make_email(number) for number in range(100)), account=account)
        with drain_worker(tmp_path, {"WINDOW": window}) as worker:
            assert server.wait_for(lambda: len(server.messages) >= 5)
            assert worker.terminate() == 0, worker.said()

        received = len(server.messages)
        assert 5 <= received < 100
        assert states() == ["sent"] * received + ["queued"] * (100 - received)
        lane = Lane.objects.get(account=account)
        assert (lane.lease_token, lane.lease_until, lane.worker) == (None, None, "")
        assert server.verbs()[-1] == "QUIT"
        assert not HandOver.objects.exists()
        assert set(Message.objects.filter(state="queued").values_list("attempts", flat=True)) == {0}


def test_an_idle_worker_ends_at_once(tmp_path: Path) -> None:
    with drain_worker(tmp_path, {"RING_SECONDS": 600.0}) as worker:
        from mailconfig.models import Installation

        until(lambda: Installation.objects.exclude(swept_at=None).exists(), why="it never swept")
        assert worker.terminate() == 0, worker.said()


@pytest.mark.parametrize("at", [1, 2])
def test_a_worker_that_stood_still_before_the_journal_sends_nothing_more(
    server: ChaosServer, tmp_path: Path, at: int
) -> None:
    workers: list[Child] = []
    stopped = stop_at(server, "mail", workers, at=at)
    account = make_account(server.port)
    delivery.enqueue_many((make_email(number) for number in range(6)), account=account)
    # The lease ends long before a hand-over is given up, so the outcome of the first is still waited for.
    settings = {**FAST, "TIMEOUTS": {"dot": 60.0}}
    before = at - 1
    with drain_worker(tmp_path, settings) as old:
        workers.append(old)
        assert server.wait_for(lambda: bool(stopped))
        with drain_worker(tmp_path, settings) as new:
            until(lambda: states()[before:] == ["sent"] * (6 - before), why="nobody took over")
            old.signal(signal.SIGCONT)
            until(lambda: "was lost to another worker" in old.said(), why="the old owner noticed nothing")
            until(lambda: states() == ["sent"] * 6, why="what it knew was not committed")
            assert new.terminate() == old.terminate() == 0
    assert sorted(message.recipients[0] for message in server.messages) == [
        f"to{number}@example.net" for number in range(6)
    ]
    assert sum(message.session == 1 for message in server.messages) == before


@pytest.mark.parametrize("policy", ["retry", "hold"])
def test_a_worker_that_stood_still_after_the_dot_tells_the_late_result(
    server: ChaosServer, tmp_path: Path, policy: str
) -> None:
    workers: list[Child] = []
    stopped = stop_at(server, "dot", workers)
    account = make_account(server.port)
    delivery.enqueue_many((make_email(number) for number in range(4)), account=account)
    settings = {**FAST, "AMBIGUITY": policy}
    second = Message.objects.order_by("pk")[1]
    in_the_end = ["sent"] * 4 if policy == "retry" else ["sent", MessageState.HELD, "sent", "sent"]
    with drain_worker(tmp_path, settings) as old:
        workers.append(old)
        assert server.wait_for(lambda: bool(stopped))
        with drain_worker(tmp_path, settings) as new:
            until(lambda: states() == in_the_end, why="nobody took over")
            old.signal(signal.SIGCONT)
            late = Attempt.objects.filter(message=second, reply_text__startswith="late")
            until(late.exists, why="the late reply was not recorded")
            until(lambda: states() == ["sent"] * 4, why="it is known to be out")
            assert new.terminate() == old.terminate() == 0
    twice = len(server.messages) - 4
    assert twice == (1 if policy == "retry" else 0)
    assert len({message.data for message in server.messages}) == 4
