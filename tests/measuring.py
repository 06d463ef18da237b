"""What coverage measures of a run: not all, since measuring costs two thirds of what a test does.

What it reports is the least that is reached: whatever is left out could only add to it. Left out are the tests of
whole systems, whose workers and servers run code that the tests of the parts run as well, and what a table of cases repeats.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import coverage
import pytest

CASES = 4
"""How many of a test's table are measured."""
UNMEASURED = "tests/acceptance/"
CHILDREN = "COVERAGE_PROCESS_CONFIG"
"""Has processes that a test starts measure themselves."""

_measured = pytest.StashKey[bool]()


def choose(items: Sequence[pytest.Item]) -> None:
    """Mark what is to be measured. Every worker chooses alike."""
    tables = defaultdict(list)
    for item in items:
        item.stash[_measured] = False
        if not item.nodeid.startswith(UNMEASURED):
            tables[item.nodeid.partition("[")[0]].append(item)
    for table in tables.values():
        for index in spread(len(table), CASES):
            table[index].stash[_measured] = True


def spread(length: int, wanted: int) -> list[int]:
    """Return the indexes of as many as are wanted of a row, the first and the last among them."""
    if length <= wanted:
        return list(range(length))
    return [round(place * (length - 1) / (wanted - 1)) for place in range(wanted)]


@contextmanager
def measuring(item: pytest.Item) -> Iterator[None]:
    """Pause coverage, in this process and in those that the test starts, unless the test was chosen."""
    current = coverage.Coverage.current()
    if current is None or item.stash[_measured]:
        yield
        return
    config = os.environ.pop(CHILDREN, None)
    current.stop()
    try:
        yield
    finally:
        leave = os._exit
        current.start()
        os._exit = leave  # each start wraps it once more, and a thousand wraps are more than a stack holds
        if config is not None:
            os.environ[CHILDREN] = config
