"""What coverage measures of a run: not all, since measuring costs two thirds of what a test does.

What it reports is the least that is reached: whatever is left out could only add to it. Left out are the tests of
whole systems, whose workers and servers run code that the tests of the parts run as well, and what a table of cases repeats.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import coverage
import pytest

from tests.tables import spread, tables

CASES = 2
"""How many of a test's table are measured."""
UNMEASURED = (
    "tests/acceptance/",
    "tests/integration/databases/test_upgrade.py",  # migrations are not measured
    "tests/unit/test_packaging.py",
    "tests/unit/test_quick_start.py",
    "tests/unit/test_without_admin.py",
)
ALONE = ("tests/integration/databases/test_checks.py", "tests/integration/faults/test_postgres.py")
"""Tests whose children are not measured: they start many, which run what the tests of workers run as well."""
CHILDREN = "COVERAGE_PROCESS_CONFIG"
"""Has processes that a test starts measure themselves."""

FIRST = "gw0"
"""The worker that measures what is run when modules are loaded."""

_measured = pytest.StashKey[bool]()
_meter = pytest.StashKey[tuple[coverage.Coverage, str | None]]()


def choose(items: Sequence[pytest.Item]) -> None:
    """Mark what is to be measured. Every worker chooses alike."""
    for item in items:
        item.stash[_measured] = False
    for table in tables(item for item in items if not item.nodeid.startswith(UNMEASURED)):
        for index in spread(len(table), CASES):
            table[index].stash[_measured] = True


def begin(config: pytest.Config) -> None:
    """Go on measuring only where the modules under test are loaded first: all workers load the same ones.

    The process that hands out the tests runs none, but its children measure.
    """
    if config.option.dist != "no":
        if (meter := coverage.Coverage.current()) is not None:
            meter.stop()
    elif os.environ.get("PYTEST_XDIST_WORKER", FIRST) != FIRST:
        rest(config)


def rest(config: pytest.Config) -> None:
    """Stop measuring until a test that was chosen: between tests runs pytest, and what it prepares for each."""
    if (meter := coverage.Coverage.current()) is not None:
        meter.stop()
        config.stash[_meter] = meter, os.environ.pop(CHILDREN, None)


def save(config: pytest.Config) -> None:
    """Store what was measured: a worker of xdist that takes more than ten seconds to end is killed."""
    if _meter in config.stash:
        meter, _ = config.stash[_meter]
        meter.save()


@contextmanager
def measuring(item: pytest.Item) -> Iterator[None]:
    """Measure this process and those that the test starts, if the test was chosen and anything is measured."""
    if _meter not in item.config.stash or not item.stash[_measured]:
        yield
        return
    meter, children = item.config.stash[_meter]
    leave = os._exit
    meter.start()
    os._exit = leave  # each start wraps it once more, and a thousand wraps are more than a stack holds
    if children is not None and not item.nodeid.startswith(ALONE):
        os.environ[CHILDREN] = children
    try:
        yield
    finally:
        meter.stop()
        os.environ.pop(CHILDREN, None)
