"""Tests that are the cases of one table, and a few of them for all."""

from collections import defaultdict
from collections.abc import Collection, Iterable

import pytest


def tables(items: Iterable[pytest.Item]) -> Collection[list[pytest.Item]]:
    """Return the tests by the function that each is a case of. One without parameters is a table of one case."""
    found = defaultdict(list)
    for item in items:
        found[item.nodeid.partition("[")[0]].append(item)
    return found.values()


def spread(length: int, wanted: int) -> list[int]:
    """Return the indexes of as many as are wanted of a row, the first and the last among them."""
    if length <= wanted:
        return list(range(length))
    return [round(place * (length - 1) / (wanted - 1)) for place in range(wanted)]
