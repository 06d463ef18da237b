"""``kill -9`` at every crash point, under load: nothing is lost, and twice comes only what was in flight."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.acceptance.kills import Fire, Run

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


def name_of(fire: Fire) -> str:
    """For the test's name."""
    return f"{fire.policy}-{fire.window}-{'pipelining' if fire.pipelining else 'lockstep'}"


@pytest.mark.slow
@pytest.mark.parametrize("fire", QUICK, ids=name_of)
def test_workers_killed_at_every_point_lose_nothing(fire: Fire, tmp_path: Path) -> None:
    tally = Run(fire, tmp_path).run()
    assert tally.lost == 0
    assert set(tally.kills.values()) == {fire.kills}


@pytest.mark.soak
@pytest.mark.parametrize("fire", THOROUGH, ids=name_of)
def test_workers_killed_ten_times_at_every_point_lose_nothing(fire: Fire, tmp_path: Path) -> None:
    tally = Run(fire, tmp_path, accounts=6).run()
    sys.stdout.write(f"\n{name_of(fire)}: {tally}\n")
    assert tally.lost == 0
    assert set(tally.kills.values()) == {fire.kills}
