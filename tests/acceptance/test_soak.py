"""A fault every five seconds over a hundred accounts: nothing lost, nothing stuck, no limit exceeded, and nothing that grows."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from tests.acceptance.soak import Soak, patiently
from tests.integration.faults import outage

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres, pytest.mark.soak]

MINUTES = float(os.environ.get("SOAK_MINUTES", "30"))
SEED = int(os.environ.get("SOAK_SEED", "0"))
MINUTES_THAT_TELL = 10.0
"""In a shorter run, memory grows since everything is met for the first time."""


@pytest.fixture(autouse=True)
def durable() -> Iterator[None]:
    """Commits survive a crash, as in production."""
    outage.keep_commits(in_crashes=True)
    yield
    patiently(connection.ensure_connection)
    outage.keep_commits(in_crashes=False)
    connection.close()


def test_faults_at_random_over_a_hundred_accounts(tmp_path: Path) -> None:
    seed = SEED or random.randrange(1, 1_000_000)  # noqa: S311 - dice
    sys.stdout.write(f"\nseed {seed}\n")
    outcome = Soak(tmp_path, seconds=MINUTES * 60, seed=seed).run()
    sys.stdout.write(f"{outcome}\n")
    assert outcome.lost == 0
    assert outcome.messages > 0
    assert outcome.kills > 0
    assert len(outcome.faults) > 5
    for was, is_now in (outcome.descriptors, outcome.connections):
        assert is_now <= was + 3, "they were not given back"
    if MINUTES >= MINUTES_THAT_TELL:
        assert outcome.slope < 1.0
