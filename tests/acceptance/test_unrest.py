"""Random kills while people edit their accounts: nothing is lost, nothing stands still, twice comes only what was in hand."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest

from tests.acceptance.unrest import Unrest

pytestmark = pytest.mark.django_db(transaction=True)

MINUTES = float(os.environ.get("SOAK_MINUTES", "20"))


def run(folder: Path, *, seconds: float) -> None:
    """One run; its figures and the seed of its dice are printed."""
    for name in ("one", "two"):
        (folder / name).mkdir()
    seed = random.randrange(1_000_000)  # noqa: S311 - dice
    sys.stdout.write(f"\nseed {seed}\n")
    outcome = Unrest(folder, seconds=seconds, seed=seed).run()
    sys.stdout.write(f"{outcome}\n")
    assert outcome.lost == 0
    assert outcome.messages > 0
    assert outcome.kills > 2
    assert len(outcome.edits) > 5


@pytest.mark.slow
def test_edits_under_random_kills_lose_nothing(tmp_path: Path) -> None:
    run(tmp_path, seconds=10)


@pytest.mark.soak
def test_edits_under_random_kills_lose_nothing_for_long(tmp_path: Path) -> None:
    run(tmp_path, seconds=MINUTES * 60)
