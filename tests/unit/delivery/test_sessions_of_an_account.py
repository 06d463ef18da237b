"""How many sessions an account may have at once: as it says, else its mail service, else the deployment."""

from __future__ import annotations

import pytest

from mailconfig.conf import Settings
from mailconfig.delivery.worker.crew import sessions_of
from mailconfig.models import Account


@pytest.mark.parametrize(
    ("own", "preset", "deployment", "expected"),
    [
        (None, "", 1, 1),
        (None, "", 4, 4),
        (None, "other", 4, 4),
        (None, "gmail", 4, 4),
        (None, "exchange_online", 1, 3),
        (None, "exchange_online", 10, 3),
        (1, "exchange_online", 10, 1),
        (5, "exchange_online", 1, 5),
        (5, "", 1, 5),
        (2, "unknown", 4, 2),
        (None, "unknown", 4, 4),
    ],
)
def test_the_nearest_word_counts(own: int | None, preset: str, deployment: int, expected: int) -> None:
    account = Account(max_sessions=own, preset=preset)
    assert sessions_of(account, Settings(max_sessions=deployment)) == expected
