"""``kill -9`` at every crash point, under load: nothing is lost, and twice comes only what was in flight."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from mailconfig.models import Message
from tests.acceptance.invariants import Tally
from tests.acceptance.kills import FAST, Fire, Run
from tests.factories import make_account
from tests.servers.children import Child, drain_worker, environment, until
from tests.servers.sink import Sink

pytestmark = pytest.mark.django_db(transaction=True)

QUICK = [
    Fire(kills=1, window=1, policy="retry", pipelining=False),
    Fire(kills=1, window=10, policy="hold", pipelining=True),
]
THOROUGH = [
    Fire(kills=10, window=1, policy="retry", pipelining=False),
    Fire(kills=10, window=1, policy="retry", pipelining=True),
    Fire(kills=10, window=10, policy="retry", pipelining=True),
    Fire(kills=10, window=1, policy="hold", pipelining=True),
    Fire(kills=10, window=10, policy="hold", pipelining=True),
]


MANY_LANES = Fire(kills=1, window=3, policy="retry", pipelining=True, lanes=20)
FOR_LONG = [
    Fire(kills=10, window=1, policy="hold", pipelining=True, lanes=20),
    Fire(kills=10, window=5, policy="retry", pipelining=True, lanes=20),
    Fire(kills=10, window=1, policy="hold", pipelining=True, sessions=4),
    Fire(kills=10, window=5, policy="retry", pipelining=True, sessions=4),
]


SEVERAL_SESSIONS = Fire(kills=1, window=3, policy="retry", pipelining=True, sessions=4)


def name_of(fire: Fire) -> str:
    """For the test's name."""
    lanes = f"-{fire.lanes}-lanes" if fire.lanes > 1 else ""
    sessions = f"-{fire.sessions}-sessions" if fire.sessions > 1 else ""
    return f"{fire.policy}-{fire.window}-{'pipelining' if fire.pipelining else 'lockstep'}{lanes}{sessions}"


@pytest.mark.slow
@pytest.mark.parametrize("fire", QUICK, ids=name_of)
def test_workers_killed_at_every_point_lose_nothing(fire: Fire, tmp_path: Path) -> None:
    tally = Run(fire, tmp_path).run()
    assert tally.lost == 0
    assert set(tally.kills.values()) == {fire.kills}


@pytest.mark.slow
@pytest.mark.postgres
def test_workers_killed_with_many_lanes_in_hand_lose_nothing_and_exceed_no_limit(tmp_path: Path) -> None:
    """Where lanes share commits as well: before it, with its answer unread, and with nobody told of it."""
    check(Run(MANY_LANES, tmp_path).run(), MANY_LANES)


@pytest.mark.slow
@pytest.mark.postgres
def test_workers_killed_with_several_sessions_of_one_account_leave_a_window_for_each(tmp_path: Path) -> None:
    check(Run(SEVERAL_SESSIONS, tmp_path).run(), SEVERAL_SESSIONS)


def check(tally: Tally, fire: Fire) -> None:
    """The figures of a run with many lanes."""
    sys.stdout.write(f"\n{name_of(fire)}: {tally}\n")
    assert tally.lost == 0
    assert tally.kills == dict.fromkeys(fire.points, fire.kills)
    assert tally.lanes > fire.lanes / 3, "too few were in hand to prove anything"


def test_a_host_killed_between_commit_and_doorbell_loses_nothing(tmp_path: Path) -> None:
    """Nobody was called then: only the sweep can find it."""
    with Sink(tmp_path) as sink:
        account = make_account(sink.port)
        arguments = ["-m", "tests.acceptance.feeder", str(tmp_path / "ledger"), str(account.pk)]
        env = environment(FAST, crash_at="before_doorbell:1")
        with Child(*arguments, folder=tmp_path, env=env) as host:
            assert host.wait() == -signal.SIGKILL
        assert Message.objects.get().state == "queued"
        with drain_worker(tmp_path, FAST) as worker:
            sink.await_messages(1)
            until(lambda: Message.objects.get().state == "sent", why="its outcome was not committed")
            assert worker.terminate() == 0


@pytest.mark.soak
@pytest.mark.parametrize("fire", THOROUGH, ids=name_of)
def test_workers_killed_ten_times_at_every_point_lose_nothing(fire: Fire, tmp_path: Path) -> None:
    tally = Run(fire, tmp_path, accounts=6).run()
    sys.stdout.write(f"\n{name_of(fire)}: {tally}\n")
    assert tally.lost == 0
    assert set(tally.kills.values()) == {fire.kills}


@pytest.mark.soak
@pytest.mark.postgres
@pytest.mark.parametrize("fire", FOR_LONG, ids=name_of)
def test_workers_killed_ten_times_with_many_lanes_or_sessions_in_hand_lose_nothing(
    fire: Fire, tmp_path: Path
) -> None:
    check(Run(fire, tmp_path).run(), fire)
