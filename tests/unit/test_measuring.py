"""Choice of the tests that coverage measures."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import cast

import coverage
import pytest

from tests import measuring


def collected(*names: str) -> list[pytest.Item]:
    """What pytest collected, as far as choosing needs it."""
    return [cast("pytest.Item", SimpleNamespace(nodeid=name, stash=pytest.Stash())) for name in names]


@pytest.mark.parametrize(
    ("length", "indexes"), [(0, []), (1, [0]), (4, [0, 1, 2, 3]), (5, [0, 1, 3, 4]), (100, [0, 33, 66, 99])]
)
def test_cases_are_spread_over_their_table(length: int, indexes: list[int]) -> None:
    assert measuring.spread(length, 4) == indexes


@pytest.mark.parametrize(
    ("name", "measured"),
    [("unit/test_a.py::test_b[0]", True), ("unit/test_a.py::test_b[1]", False), ("acceptance/test_a.py::test_b", False)],
)  # fmt: skip
def test_coverage_pauses_for_what_was_not_chosen(
    monkeypatch: pytest.MonkeyPatch, name: str, measured: bool
) -> None:
    table = collected(*(f"tests/unit/test_a.py::test_b[{number}]" for number in range(99)))
    items = {item.nodeid: item for item in (*table, *collected("tests/acceptance/test_a.py::test_b"))}
    measuring.choose(list(items.values()))
    monkeypatch.setenv(measuring.CHILDREN, "x")
    mine = coverage.Coverage(data_file=None, config_file=False)
    mine.start()
    try:
        with measuring.measuring(items[f"tests/{name}"]):
            assert (coverage.Coverage.current() is mine) is measured
            assert (measuring.CHILDREN in os.environ) is measured
        assert coverage.Coverage.current() is mine
        assert os.environ[measuring.CHILDREN] == "x"
    finally:
        mine.stop()
