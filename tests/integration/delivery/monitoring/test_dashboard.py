"""The dashboard's figures: each outcome is counted once, in its hour, and whoever asks sees those of his accounts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailconfig.delivery import Dashboard, read_dashboard
from mailconfig.delivery.worker.counting import COUNT_SECONDS, SETTLING, count_figures, hour_of
from mailconfig.models import (
    Account,
    Attempt,
    FiguresState,
    HourFigures,
    Lane,
    MessageState,
    WaitReason,
)
from tests.factories import make_account, make_hand_over, make_message, make_tenant

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def attempt(account: Account, at: datetime, outcome: str = "sent") -> Attempt:
    return Attempt.objects.create(account=account, outcome=outcome, started_at=at, ended_at=at)


def failure(account: Account, at: datetime) -> None:
    make_message(account, state=MessageState.FAILED, settled_at=at)


def count_all(now: datetime) -> None:
    """Count as sweeps do, until nothing is left."""
    for _ in range(30):
        count_figures(now)


def figures(dashboard: Dashboard) -> list[tuple[int, int, int]]:
    return [(hour.sent, hour.put_off, hour.failed) for hour in dashboard.hours]


def test_each_outcome_is_counted_once_in_its_hour_whenever_it_is_looked_at() -> None:
    account, now = make_account(), timezone.now()
    attempt(account, now - 3 * HOUR)
    attempt(account, now - 3 * HOUR, "deferred")
    attempt(account, now - 3 * HOUR, "refused")
    failure(account, now - 3 * HOUR)
    count_all(now)
    attempt(account, now)
    failure(account, now)

    for later in (0, 1, COUNT_SECONDS + 1, 2 * COUNT_SECONDS + 2):
        count_all(now + timedelta(seconds=later))
        found = figures(read_dashboard())
        assert sum(sent for sent, _put_off, _failed in found) == 2
        assert sum(put_off for _sent, put_off, _failed in found) == 1
        assert sum(failed for _sent, _put_off, failed in found) == 2
        assert found[-4] == (1, 1, 1) or hour_of(now) != hour_of(timezone.now())
    state = FiguresState.objects.get()
    assert (state.sent, state.put_off, state.failed) == (2, 1, 2)


def test_what_ends_while_it_is_counted_is_counted_the_next_time() -> None:
    account, now = make_account(), timezone.now()
    attempt(account, now - HOUR)
    count_all(now)
    # Written by now, though it ended before: its transaction took as long.
    attempt(account, now - SETTLING + timedelta(seconds=1))

    count_all(now + timedelta(seconds=COUNT_SECONDS + 1))

    assert sum(HourFigures.objects.values_list("sent", flat=True)) == 2


@pytest.mark.parametrize("ends", [attempt, failure])
def test_hours_before_the_first_mail_are_passed_over(ends: Callable[[Account, datetime], object]) -> None:
    account, now = make_account(), timezone.now()
    ends(account, now - timedelta(minutes=2))

    for _ in range(2):
        count_figures(now)

    assert sum(sum(hour) for hour in figures(read_dashboard())) == 1
    # Of the hour that is over and the present one, the second is counted a while later if it began just now.
    counted_until = FiguresState.objects.get().counted_until
    assert counted_until is not None
    assert counted_until >= hour_of(now - SETTLING)


def test_a_count_under_way_elsewhere_is_not_counted_again() -> None:
    # In one hour, whatever the time is: a count takes one at most.
    account, now = make_account(), hour_of(timezone.now()) + timedelta(minutes=30)
    attempt(account, now - timedelta(minutes=5))
    count_all(now - timedelta(minutes=10))

    assert count_figures(now + timedelta(minutes=1)) == 1
    assert count_figures(now + timedelta(minutes=1)) == 0
    assert sum(HourFigures.objects.values_list("sent", flat=True)) == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_process_that_stands_still_while_it_counts_stops_no_others_sweep() -> None:
    now = timezone.now()
    count_all(now - HOUR)
    other = connection.copy()
    try:
        with other.cursor() as standing, connection.cursor() as mine:
            standing.execute("BEGIN")
            standing.execute("SELECT id FROM mailconfig_figuresstate FOR UPDATE")
            mine.execute("SET lock_timeout = '10s'")  # rather than wait for ever
            assert count_figures(now) == 0
            standing.execute("ROLLBACK")
            mine.execute("RESET lock_timeout")
    finally:
        other.close()
    count_figures(now)
    assert FiguresState.objects.get().counted_until == now - SETTLING


def test_what_waits_is_told_by_hour_until_it_waits_no_more() -> None:
    account, now = make_account(), timezone.now()
    message = make_message(account)
    make_message(account, state=MessageState.HELD)
    count_all(now)
    assert HourFigures.objects.get(account=account, hour_at=hour_of(now - SETTLING)).waiting == 2

    message.delete()
    count_all(now + timedelta(seconds=COUNT_SECONDS + 1))

    at = hour_of(now + timedelta(seconds=COUNT_SECONDS + 1) - SETTLING)
    assert HourFigures.objects.get(account=account, hour_at=at).waiting == 1


def test_what_waits_now_is_counted_now() -> None:
    account, now = make_account(), timezone.now()
    make_message(account, not_before=now - timedelta(minutes=7))
    make_message(account, not_before=now + HOUR)
    make_message(account, state=MessageState.HELD)
    make_hand_over(make_message(account))

    found = read_dashboard().waiting

    assert (found.queued, found.handing_over, found.held, found.preparing) == (2, 1, 1, 0)
    assert found.oldest_due_at == now - timedelta(minutes=7)
    assert not found.is_least


def test_a_long_queue_is_not_counted_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    account, now = make_account(), timezone.now()
    for number in range(5):
        make_message(account, not_before=now - timedelta(minutes=number))
    count_all(now)
    monkeypatch.setattr("mailconfig.delivery.monitoring.dashboard.MOST_COUNTED", 3)

    found = read_dashboard().waiting

    assert (found.queued, found.is_least) == (5, True)
    assert found.oldest_due_at == now - timedelta(minutes=4)


def test_the_worst_and_the_busiest_come_first_also_those_of_the_last_minutes() -> None:
    good, bad, new = make_account(name="Good"), make_account(name="Bad"), make_account(name="New")
    now = timezone.now()
    attempt(good, now - HOUR)
    attempt(good, now - HOUR)
    failure(bad, now - HOUR)
    count_all(now)
    for _ in range(3):
        attempt(new, now)

    found = read_dashboard()

    assert [one.account.name for one in found.worst] == ["Bad"]
    assert [(one.account.name, one.sent) for one in found.busiest] == [("New", 3), ("Good", 2)]


def test_whoever_may_see_some_accounts_sees_their_figures_only() -> None:
    mine, other = make_account(tenant=make_tenant()), make_account(tenant=make_tenant())
    now = timezone.now()
    for account in (mine, other, other):
        attempt(account, now - HOUR)
        make_message(account)
        failure(account, now - HOUR)
    Lane.objects.update(wait_reason=WaitReason.PAUSED_LOGIN, wait_since=now)
    count_all(now)
    for account in (mine, other, other):
        attempt(account, now)

    found = read_dashboard(Account.objects.filter(pk=mine.pk))

    assert sum(hour.sent for hour in found.hours) == 2
    assert sum(hour.failed for hour in found.hours) == 1
    assert found.waiting.total == 1
    assert [one.account.pk for one in (*found.worst, *found.busiest)] == [mine.pk, mine.pk]
    assert (found.paused_count, found.paused[0].account.pk) == (1, mine.pk)
    assert not found.is_whole
    assert not found.workers
    assert found.totals is None
    assert sum(hour.sent for hour in read_dashboard().hours) == 6


def test_it_takes_the_same_queries_for_one_account_and_for_twenty() -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            read_dashboard()
        assert not any('"mailconfig_account"."secret"' in query["sql"] for query in captured.captured_queries)
        return len(captured)

    def fill(accounts: int) -> None:
        for _ in range(accounts):
            account = make_account()
            attempt(account, timezone.now() - HOUR)
            failure(account, timezone.now())
            make_message(account)
        Lane.objects.update(wait_reason=WaitReason.PAUSED_LOGIN, wait_since=timezone.now())

    fill(1)
    count_all(timezone.now())
    few = queries()
    fill(20)
    count_all(timezone.now() + timedelta(seconds=COUNT_SECONDS + 1))
    assert queries() == few
    assert few <= 19


def test_hours_of_long_ago_are_forgotten() -> None:
    account, now = make_account(), timezone.now()
    HourFigures.objects.create(account=account, hour_at=datetime(2020, 1, 1, tzinfo=UTC), sent=1)
    count_figures(now)
    assert not HourFigures.objects.exists()


def test_a_clock_that_was_ahead_stops_no_count() -> None:
    account, now = make_account(), hour_of(timezone.now()) + timedelta(minutes=30)
    count_all(now)
    FiguresState.objects.update(counted_until=now + timedelta(days=30))
    count_figures(now)
    attempt(account, now + timedelta(minutes=1))

    count_all(now + timedelta(minutes=10))

    assert sum(HourFigures.objects.values_list("sent", flat=True)) == 1
