"""Sets of unique identifiers, as ranges: a set that a server tells may name four thousand million (RFC 3501 §9)."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from .wire import BadAnswerError

LARGEST = 2**32 - 1
MAX_TEXT = 8000
"""Bytes of a set in a command: longer lines are refused by many servers (RFC 7162 §4)."""
MOST_RANGES = 200_000
"""Ranges that one answer may name, each of which takes a hundred bytes."""
TOGETHER = 100
TOGETHER_BYTES = 4 * 1024 * 1024
"""The most messages, and bytes of them, that one command asks for."""
_RANGE = re.compile(rb"([0-9]{1,10})(?::([0-9]{1,10}))?")


@dataclass(frozen=True, slots=True)
class UIDSet:
    """A set of UIDs. Iterating and ``count`` cost what it names: look at ``count`` first where a server told it."""

    ranges: tuple[tuple[int, int], ...] = ()
    """First and last of each range, in order, apart from each other."""

    @classmethod
    def of(cls, uids: Iterable[int]) -> Self:
        """Return the set of these.

        Raises:
            ValueError: a number that is no UID.
        """
        return cls.between((uid, uid) for uid in uids)

    @classmethod
    def between(cls, ranges: Iterable[tuple[int, int]]) -> Self:
        """Return the set of all in these ranges, each with its first and last one.

        Raises:
            ValueError: a number that is no UID.
        """
        merged: list[tuple[int, int]] = []
        for first, last in sorted((min(pair), max(pair)) for pair in ranges):
            if not 1 <= first <= last <= LARGEST:
                msg = f"not a range of UIDs: {first}:{last}"
                raise ValueError(msg)
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = merged[-1][0], max(last, merged[-1][1])
            else:
                merged.append((first, last))
        return cls(tuple(merged))

    @classmethod
    def since(cls, uid: int) -> Self:
        """Return the set of this one and all after it."""
        return cls.between([(uid, LARGEST)])

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Return the set that a server wrote.

        Raises:
            BadAnswerError: it is none, or has too many ranges.
        """
        if text.count(b",") >= MOST_RANGES:
            raise BadAnswerError("the server names more messages than can be told at once")
        pairs = []
        for part in text.split(b","):
            found = _RANGE.fullmatch(part)
            if found is None:
                raise BadAnswerError("the server's answer has something else where a set of UIDs belongs")
            pairs.append((int(found[1]), int(found[2] or found[1])))
        try:
            return cls.between(pairs)
        except ValueError:
            raise BadAnswerError("the server's answer has a number that is no UID") from None

    @property
    def count(self) -> int:
        """Return how many they are."""
        return sum(last - first + 1 for first, last in self.ranges)

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __contains__(self, uid: object) -> bool:
        if not isinstance(uid, int):
            return False
        index = bisect_right(self.ranges, (uid, LARGEST)) - 1
        return index >= 0 and uid <= self.ranges[index][1]

    def __iter__(self) -> Iterator[int]:
        for first, last in self.ranges:
            yield from range(first, last + 1)

    def __str__(self) -> str:
        return ",".join(_written(pair) for pair in self.ranges)

    def __and__(self, other: UIDSet) -> UIDSet:
        """Return those that are in both."""
        common, mine, theirs = [], list(reversed(self.ranges)), list(reversed(other.ranges))
        while mine and theirs:
            first, last = max(mine[-1][0], theirs[-1][0]), min(mine[-1][1], theirs[-1][1])
            if first <= last:
                common.append((first, last))
            shorter = mine if mine[-1][1] <= theirs[-1][1] else theirs
            shorter.pop()
        return UIDSet(tuple(common))

    def batches(self, most: int) -> Iterator[UIDSet]:
        """Yield sets of at most so many each, that a command can name."""
        batch: list[tuple[int, int]] = []
        size = left = 0
        for whole_first, last in self.ranges:
            first = whole_first
            while first <= last:
                if not batch:
                    size, left = 0, most
                pair = first, min(last, first + left - 1)
                batch.append(pair)
                size += len(_written(pair)) + 1
                left -= pair[1] - first + 1
                first = pair[1] + 1
                if not left or size > MAX_TEXT - 22:
                    yield UIDSet(tuple(batch))
                    batch = []
        if batch:
            yield UIDSet(tuple(batch))


def together(sizes: Mapping[int, int]) -> Iterator[tuple[UIDSet, int]]:
    """Yield sets of messages that one command may ask for whole, and their bytes.

    Args:
        sizes: the bytes of each, by UID.
    """
    uids: list[int] = []
    total = 0
    for uid, size in sorted(sizes.items()):
        if uids and (total + size > TOGETHER_BYTES or len(uids) == TOGETHER):
            yield UIDSet.of(uids), total
            uids, total = [], 0
        uids.append(uid)
        total += size
    if uids:
        yield UIDSet.of(uids), total


def _written(pair: tuple[int, int]) -> str:
    first, last = pair
    end = "*" if last == LARGEST else str(last)
    return str(first) if first == last else f"{first}:{end}"
