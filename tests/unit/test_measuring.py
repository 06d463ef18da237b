"""Choice of the tests that coverage measures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import coverage
import pytest

from tests import measuring


def collected(*names: str) -> list[pytest.Item]:
    """What pytest collected, as far as choosing needs it."""
    config = SimpleNamespace(stash=pytest.Stash())
    return [
        cast("pytest.Item", SimpleNamespace(nodeid=name, stash=pytest.Stash(), config=config))
        for name in names
    ]


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Iterator[coverage.Coverage]:
    """One that measures, as do children."""
    monkeypatch.setenv(measuring.CHILDREN, "x")
    mine = coverage.Coverage(data_file=None, config_file=False)
    mine.start()
    yield mine
    if coverage.Coverage.current() is mine:
        mine.stop()


@pytest.mark.parametrize(
    ("name", "measured"),
    [("unit/test_a.py::test_b[0]", True), ("unit/test_a.py::test_b[1]", False), ("acceptance/test_a.py::test_b", False)],
)  # fmt: skip
def test_coverage_measures_what_was_chosen(meter: coverage.Coverage, name: str, measured: bool) -> None:
    table = collected(*(f"tests/unit/test_a.py::test_b[{number}]" for number in range(99)))
    items = {item.nodeid: item for item in (*table, *collected("tests/acceptance/test_a.py::test_b"))}
    measuring.choose(list(items.values()))
    item = items[f"tests/{name}"]
    measuring.rest(item.config)

    for _ in range(2):
        assert is_measuring(meter) is False
        with measuring.measuring(item):
            assert is_measuring(meter) is measured
    assert is_measuring(meter) is False


def test_some_tests_are_measured_without_their_children(meter: coverage.Coverage) -> None:
    (item,) = items = collected("tests/integration/faults/test_postgres.py::test_a")
    measuring.choose(items)
    measuring.rest(item.config)

    with measuring.measuring(item):
        assert coverage.Coverage.current() is meter
        assert measuring.CHILDREN not in os.environ


@pytest.mark.parametrize(
    ("worker", "dist", "goes_on", "children"),
    [
        ("", "no", True, True),
        ("gw0", "no", True, True),
        ("gw1", "no", False, False),
        ("", "load", False, True),
    ],
    ids=["one process", "first worker", "another worker", "who hands out tests"],
)
def test_one_process_measures_what_runs_when_modules_are_loaded(
    monkeypatch: pytest.MonkeyPatch,
    meter: coverage.Coverage,
    worker: str,
    dist: str,
    goes_on: bool,
    children: bool,
) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    if worker:
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
    config = SimpleNamespace(option=SimpleNamespace(dist=dist), stash=pytest.Stash())

    measuring.begin(cast("pytest.Config", config))

    assert (coverage.Coverage.current() is meter) is goes_on
    assert (measuring.CHILDREN in os.environ) is children


def is_measuring(meter: coverage.Coverage) -> bool:
    """Return whether it measures this process; children do as it does."""
    measures = coverage.Coverage.current() is meter
    assert os.environ.get(measuring.CHILDREN) == ("x" if measures else None)
    return measures
