"""Sliding windows over what the database knows: tallies for long ago, and each attempt where a window is nearly full."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from mailconfig.delivery.limits import ENOUGH, MARGIN, Limiter, Window, usage, windows_of
from mailconfig.delivery.tallies import CHUNK, SLOT, AccountPast, bring_up_to_date, find, read_sums
from mailconfig.models import Account, Attempt, Lane, Tally
from tests.factories import make_account, make_hand_over, make_message

NOW = datetime(2030, 1, 15, 12, 3, 20, tzinfo=UTC)
OPEN_FOR = timedelta(minutes=11)
Mail = tuple[timedelta, int]
"""How long ago a hand-over ended, and its recipients."""


def write(account: Account, mails: list[Mail], *, before: datetime = NOW) -> None:
    """Attempts as drains leave them behind."""
    Attempt.objects.bulk_create(
        Attempt(
            account=account,
            recipients=recipients,
            outcome="sent",
            started_at=before - ago,
            handed_over_at=before - ago,
            ended_at=before - ago,
        )
        for ago, recipients in mails
    )


def tallied_until(account: Account) -> datetime:
    """Up to when the account's lane has tallies."""
    until = Lane.objects.get(account=account).tallied_until
    assert until is not None
    return until


class Plain:
    """The same windows, counted the long way."""

    def __init__(self, windows: tuple[Window, ...], mails: list[Mail]) -> None:
        self.windows = windows
        self.ended = sorted((NOW - ago, recipients) for ago, recipients in mails)

    def used(self, window: Window, now: datetime) -> int:
        horizon = now - timedelta(seconds=window.seconds) - MARGIN
        return sum(recipients for at, recipients in self.ended if at > horizon)

    def free(self, now: datetime) -> int:
        return max(0, min(window.limit - self.used(window, now) for window in self.windows))

    def next_free_at(self, now: datetime, behind: int) -> datetime:
        return max(now, *(self._opens_at(window, now, behind) for window in self.windows))

    def _opens_at(self, window: Window, now: datetime, behind: int) -> datetime:
        period = timedelta(seconds=window.seconds) + MARGIN
        rounds, rest = divmod(behind, window.limit)
        surplus, at = self.used(window, now) + rest + 1 - window.limit, now
        for ended_at, recipients in self.ended:
            if surplus > 0 and ended_at > now - period:
                surplus, at = surplus - recipients, ended_at + period
        return at + rounds * period


mails = st.lists(
    st.tuples(
        st.timedeltas(timedelta(seconds=1), timedelta(days=8))
        | st.timedeltas(timedelta(seconds=1), timedelta(hours=3)),
        st.integers(1, 3),
    ),
    max_size=40,
)
limits = st.fixed_dictionaries(
    {
        "limit_count": st.integers(1, 60),
        "limit_period": st.sampled_from([30, 600, 3000, 7200, 100_000, 500_000]),
        "limit_per_day": st.none() | st.integers(1, 60),
        "limit_per_week": st.none() | st.integers(1, 80),
    }
)


class TestAgainstThePlainWay(TestCase):
    """Whatever was sent, and however much of it is tallied."""

    @given(
        limits, mails, st.lists(st.timedeltas(timedelta(), timedelta(days=2)), max_size=4), st.integers(0, 90)
    )
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    def test_the_windows_hold_what_the_plain_way_counts(
        self, limits: dict[str, Any], mails: list[Mail], pauses: list[timedelta], behind: int
    ) -> None:
        account = make_account(**limits)
        older, newer = mails[::2], mails[1::2]
        cut = NOW - timedelta(hours=2)
        write(account, [mail for mail in older if NOW - mail[0] < cut])
        bring_up_to_date(account.pk, None, now=cut + SLOT)
        write(
            account, [mail for mail in older if NOW - mail[0] >= cut] + [m for m in newer if NOW - m[0] > cut]
        )
        mails = [*older, *(mail for mail in newer if NOW - mail[0] > cut)]
        plain = Plain(windows_of(account), mails)
        limiter = Limiter.load(account, now=NOW, open_for=OPEN_FOR)
        now = NOW
        for pause in [timedelta(), *pauses]:
            now += pause
            free = limiter.free(now)
            assert free is not None
            assert min(free, ENOUGH) == min(plain.free(now), ENOUGH)
            assert limiter.next_free_at(now, behind=behind) == plain.next_free_at(now, behind)
        used = {one.window: one.used for one in usage([account], now=NOW)[account.pk]}
        assert used == {window: plain.used(window, NOW + MARGIN) for window in plain.windows}


class TestThePast(TestCase):
    """What tallies and single attempts say together of the past is what each attempt by itself says."""

    @given(mails, st.timedeltas(timedelta(), timedelta(days=7)), st.integers(1, 90))
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    def test_tallies_leave_no_hand_over_out_and_count_none_twice(
        self, mails: list[Mail], ago: timedelta, number: int
    ) -> None:
        account = make_account(limit_per_week=10)
        write(account, mails)
        Limiter.load(account, now=NOW, open_for=OPEN_FOR)
        sums = read_sums([account.pk], [60], now=NOW, margin=timedelta())[account.pk]
        assert sums.tallied_until is not None
        past = AccountPast(account.pk, tallied_until=sums.tallied_until, last_attempt=sums.last_attempt)
        after = NOW - ago
        ended = sorted((NOW - mail_ago, count) for mail_ago, count in mails if NOW - mail_ago > after)
        assert past.used(after) == sum(count for _at, count in ended)
        at, missing = find(number, ended)
        found_at, found_missing = past.end_of(number, after=after)
        assert found_missing == missing
        if not missing:
            assert found_at == at


@pytest.mark.django_db
def test_loading_reads_no_more_when_more_was_sent() -> None:
    """A week of many mails costs the queries of one, and none of them gives the times of each."""
    account = make_account(limit_per_week=100_000)
    write(account, [(timedelta(minutes=minute), 1) for minute in range(1, 10_000)])
    Limiter.load(account, now=NOW, open_for=OPEN_FOR)
    assert Tally.objects.filter(account=account).count() <= 1001
    with CaptureQueriesContext(connection) as queries:
        limiter = Limiter.load(account, now=NOW, open_for=OPEN_FOR)
        assert limiter.free(NOW) == 100_000 - 9_999
    assert len(queries) == 1


@pytest.mark.django_db
def test_a_full_window_opens_as_each_hand_over_leaves_it_though_more_are_in_it_than_are_read_at_once() -> (
    None
):
    account = make_account(limit_per_day=2 * CHUNK + 10)
    ago = timedelta(days=1) - timedelta(minutes=1)
    write(account, [(ago - timedelta(milliseconds=200) * number, 1) for number in range(2 * CHUNK + 10)])
    limiter = Limiter.load(account, now=NOW, open_for=OPEN_FOR)
    assert limiter.free(NOW) == 0
    first = NOW + timedelta(minutes=1) + MARGIN
    assert limiter.next_free_at(NOW) == first
    assert limiter.next_free_at(NOW, behind=2 * CHUNK) == first + timedelta(milliseconds=200) * 2 * CHUNK
    for number, taken in ((0, 0), (CHUNK - 1, CHUNK - 1), (CHUNK, 1), (2 * CHUNK, CHUNK)):
        limiter.take(taken)
        assert limiter.free(first + timedelta(milliseconds=200) * number) == 1


@pytest.mark.django_db
def test_an_open_hand_over_keeps_the_slot_it_may_end_in_from_being_tallied() -> None:
    account = make_account(limit_per_day=5)
    begun = NOW - timedelta(hours=3)
    hand_over = make_hand_over(make_message(account), handed_over_at=begun)
    Limiter.load(account, now=NOW, open_for=OPEN_FOR)
    assert tallied_until(account) <= begun
    hand_over.delete()
    write(account, [(-timedelta(minutes=1), 1)], before=begun)
    assert Limiter.load(account, now=NOW, open_for=OPEN_FOR).free(NOW) == 4
    assert tallied_until(account) > begun + SLOT


@pytest.mark.django_db
def test_a_hand_over_without_outcome_counts_in_each_window() -> None:
    account = make_account(limit_count=3, limit_period=60, limit_per_day=5)
    begun = NOW - timedelta(hours=3)
    make_hand_over(make_message(account), handed_over_at=begun, recipients=2)
    assert Limiter.load(account, now=NOW, open_for=OPEN_FOR).free(NOW) == 1
    assert [one.used for one in usage([account], now=NOW)[account.pk]] == [2, 2]


@pytest.mark.django_db
def test_who_only_looks_makes_no_tallies() -> None:
    account = make_account(limit_per_day=5)
    write(account, [(timedelta(hours=5), 1)])
    assert Limiter.load(account, now=NOW, open_for=OPEN_FOR, tallies=False).free(NOW) == 4
    assert not Tally.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("back", [timedelta(minutes=20), timedelta(hours=1), timedelta(days=2)], ids=str)
def test_what_is_sent_after_the_clock_was_put_back_counts(back: timedelta) -> None:
    """It ends in a slot that was tallied already."""
    account = make_account(limit_per_week=CHUNK + 5)
    write(account, [(timedelta(hours=5, seconds=second), 1) for second in range(CHUNK)])
    Limiter.load(account, now=NOW, open_for=OPEN_FOR)
    now = NOW - back
    for sent in range(6):
        assert Limiter.load(account, now=now, open_for=OPEN_FOR).free(now) == 5 - sent
        write(account, [(timedelta(), 1)], before=now)
        now += timedelta(minutes=2)
    later = NOW + 6 * SLOT
    assert Limiter.load(account, now=later, open_for=OPEN_FOR).free(later) == 0
    assert tallied_until(account) > NOW


@pytest.mark.django_db
def test_a_lane_that_is_made_anew_is_tallied_anew() -> None:
    account = make_account(limit_per_day=5)
    write(account, [(timedelta(hours=5), 1)])
    Limiter.load(account, now=NOW, open_for=OPEN_FOR)
    Lane.objects.all().delete()
    Lane.objects.create(account=account, purpose="send")
    assert Limiter.load(account, now=NOW, open_for=OPEN_FOR).free(NOW) == 4
    assert Tally.objects.count() == 1
