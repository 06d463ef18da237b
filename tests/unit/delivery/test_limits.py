"""Sliding windows, counted in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailconfig.delivery.limits import Limiter, Window

START = datetime(2030, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """So many seconds after the start."""
    return START + timedelta(seconds=seconds)


windows = st.lists(
    st.builds(Window, st.just("w"), st.integers(1, 50), st.integers(1, 6)),
    min_size=1,
    max_size=3,
    unique=True,
)
mails = st.lists(st.tuples(st.floats(0, 8), st.floats(0, 3), st.integers(1, 3)), min_size=1, max_size=40)


@given(windows, mails)
@settings(max_examples=300, deadline=None)
def test_no_window_anywhere_holds_more_than_its_limit(
    windows: list[Window], mails: list[tuple[float, float, int]]
) -> None:
    """Mail is sent as soon as the limiter says so, arrives at any time between dot and reply, and is counted there."""
    limiter = Limiter(tuple(windows))
    now = START
    arrived: list[datetime] = []
    for pause, duration, wanted in mails:
        now += timedelta(seconds=pause)
        if limiter.free(now) == 0:
            opens_at = limiter.next_free_at(now)
            assert opens_at is not None
            now = opens_at
        free = limiter.free(now)
        assert free, "next_free_at names a time when a slot is free"
        count = min(wanted, free)
        limiter.take(count)
        ended = now + timedelta(seconds=duration)
        arrived += [now + (ended - now) * (pause % 1)] * count
        limiter.give_back(count, handed_over=count, ended_at=ended)
        now = ended
    for window in windows:
        for index in range(len(arrived) - window.limit):
            assert arrived[index + window.limit] - arrived[index] >= timedelta(seconds=window.seconds)


@given(st.integers(1, 30), st.integers(1, 6), st.integers(1, 25))
def test_a_steady_sender_uses_the_whole_limit(seconds: int, limit: int, count: int) -> None:
    limiter = Limiter((Window("w", seconds, limit),))
    now = START
    for _ in range(count):
        if limiter.free(now) == 0:
            now = limiter.next_free_at(now) or now
        limiter.take(1)
        limiter.give_back(1, handed_over=1, ended_at=now)
    assert now <= at((count - 1) // limit * (seconds + 0.01))


def test_zero_lets_nothing_out_ever() -> None:
    limiter = Limiter((Window("w", 60, 0),))
    assert limiter.free(START) == 0
    assert limiter.next_free_at(START) is None


def test_no_window_is_no_limit() -> None:
    assert Limiter(()).free(START) is None


def test_a_slot_that_was_not_used_is_given_back() -> None:
    limiter = Limiter((Window("w", 60, 1),))
    limiter.take(1)
    assert limiter.free(START) == 0
    limiter.give_back(1, handed_over=0, ended_at=START)
    assert limiter.free(START) == 1


@pytest.mark.parametrize(("behind", "expected"), [(0, 20), (2, 24), (4, 28), (5, 40), (7, 44)])
def test_the_time_of_a_place_in_the_queue_is_foretold(behind: int, expected: int) -> None:
    """Five in twenty seconds, at 0, 2, 4, 6 and 8; whoever comes next has 20, 22, … and then 40, 42, …"""
    limiter = Limiter((Window("w", 20, 5),))
    for second in (0, 2, 4, 6, 8):
        limiter.take(1)
        limiter.give_back(1, handed_over=1, ended_at=at(second))
    foretold = limiter.next_free_at(at(9), behind=behind)
    assert foretold is not None
    assert abs((foretold - at(expected)).total_seconds()) < 0.1
