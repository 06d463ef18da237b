"""Choice of the tests that a second database need not run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import pytest

from tests import distribution, measuring, tables


@dataclass(frozen=True)
class Item:
    """What pytest collected, as far as choosing needs it."""

    nodeid: str


def cases(test: str, count: int) -> list[pytest.Item]:
    """Return a table of tests."""
    return [cast("pytest.Item", Item(f"tests/{test}[{number}]")) for number in range(count)]


@pytest.mark.parametrize(
    ("length", "indexes"), [(0, []), (1, [0]), (4, [0, 1, 2, 3]), (5, [0, 1, 3, 4]), (100, [0, 33, 66, 99])]
)
def test_cases_are_spread_over_their_table(length: int, indexes: list[int]) -> None:
    assert tables.spread(length, 4) == indexes


@pytest.mark.parametrize(
    ("test", "runs"),
    [
        ("integration/faults/test_replies.py::test_a", [0, 9]),
        ("integration/faults/test_edits.py::test_a", range(10)),
        ("unit/models/test_account.py::test_a", range(10)),
    ],
)
def test_of_tables_that_say_nothing_of_a_database_the_second_one_runs_some_cases(
    test: str, runs: list[int]
) -> None:
    table = cases(test, 10)
    others = cases("integration/faults/test_replies.py::test_b", 2)

    left_out = distribution.repeated([*table, *others])

    assert [number for number, item in enumerate(table) if item not in left_out] == list(runs)
    assert not [item for item in others if item in left_out]


def test_the_files_that_are_named_are_there() -> None:
    named = (
        *distribution.TOGETHER,
        *distribution.ALIKE,
        *distribution.EACH,
        *measuring.UNMEASURED,
        *measuring.ALONE,
    )
    for name in named:
        assert (distribution.ROOT / name).exists(), name
