"""Sets of UIDs."""

from __future__ import annotations

import time
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailconfig.transports.imap.uids import LARGEST, MAX_TEXT, UIDSet
from mailconfig.transports.imap.wire import BadAnswerError


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        (b"1", ((1, 1),)),
        (b"3:1", ((1, 3),)),
        (b"5,1:3,4,9", ((1, 5), (9, 9))),
        (b"1:4294967295", ((1, LARGEST),)),
        (b"1:10,2:3", ((1, 10),)),
    ],
)
def test_what_a_server_writes(text: bytes, ranges: tuple[tuple[int, int], ...]) -> None:
    assert UIDSet.parse(text).ranges == ranges


@pytest.mark.parametrize(
    "text", [b"", b"0", b"1,", b"*", b"1:*", b"4294967296", b"-1", b"a", b"1:2:3", b"1 2"]
)
def test_what_is_no_set(text: bytes) -> None:
    with pytest.raises(BadAnswerError):
        UIDSet.parse(text)


def test_a_set_of_all_is_small() -> None:
    every = UIDSet.parse(b"1:4294967295")

    assert every.count == LARGEST
    assert 4_000_000_000 in every
    assert list(islice(every, 3)) == [1, 2, 3]
    assert str(every) == "1:*"
    assert [str(batch) for batch in islice(every.batches(1000), 2)] == ["1:1000", "1001:2000"]


@given(st.sets(st.integers(1, 3000), max_size=400), st.integers(1, 50))
def test_batches_are_the_whole_in_pieces(uids: set[int], most: int) -> None:
    whole = UIDSet.of(uids)
    batches = list(whole.batches(most))

    assert list(whole) == sorted(uids) == [uid for batch in batches for uid in batch]
    assert whole.count == len(uids)
    assert all(0 < batch.count <= most and len(str(batch)) <= MAX_TEXT for batch in batches)


def test_a_look_into_a_set_with_many_gaps_takes_no_long_time() -> None:
    odd = UIDSet.of(range(1, 400_000, 2))
    started = time.monotonic()

    assert sum(uid in odd for uid in range(399_000, 400_000)) == 500
    assert time.monotonic() - started < 5


@given(st.sets(st.integers(1, 60)), st.sets(st.integers(1, 60)))
def test_what_is_in_one(uids: set[int], others: set[int]) -> None:
    assert {uid for uid in (*uids, *others, 0, -1, LARGEST) if uid in UIDSet.of(uids)} == uids


@given(st.sets(st.integers(1, 60)), st.sets(st.integers(1, 60)))
def test_what_is_in_both(one: set[int], other: set[int]) -> None:
    assert UIDSet.of(one) & UIDSet.of(other) == UIDSet.of(one & other)


def test_a_batch_can_be_named_in_one_command() -> None:
    scattered = UIDSet.of(range(10**9, 10**9 + 20_000, 2))

    batches = list(scattered.batches(10_000))

    assert all(len(str(batch)) <= MAX_TEXT for batch in batches)
    assert sum(batch.count for batch in batches) == 10_000


@pytest.mark.parametrize("uid", [0, -1, LARGEST + 1])
def test_numbers_that_are_no_uids(uid: int) -> None:
    with pytest.raises(ValueError, match="UID"):
        UIDSet.of([uid])
