"""The dashboard: figures of the last day by hour and account, what waits, what is paused, and whether anything moves.

A fixed number of queries, and none whose cost grows with history or with what waits.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db.models import Count, Min, OuterRef, Q, Subquery, Sum

from mailconfig.delivery.clock import database_now
from mailconfig.delivery.monitoring.attention import STALE, StoppedAccount
from mailconfig.delivery.monitoring.workers import WorkerStatus, workers_at_work
from mailconfig.delivery.worker.counting import HOUR, LEADERS, Ended, Key, day_of, find_leaders, read_ended
from mailconfig.delivery.worker.steps import FailingStep, failing_steps
from mailconfig.models import (
    PAUSES,
    Account,
    FiguresState,
    HandOver,
    HourFigures,
    HourTotals,
    Installation,
    Lane,
    Message,
    MessageState,
    Priority,
    Purpose,
    WaitReason,
)
from mailconfig.models.account_queries import AccountQuerySet

MOST_COUNTED = 20_000
"""So many waiting mails are counted one by one; where there are more, the last count says how many."""
MOST_NAMED = 500
"""Up to so many accounts are looked up one by one in a limited view."""
MOST_PAUSED = 20


@dataclass(frozen=True, slots=True)
class HourSums:
    """An hour: what was sent, put off and failed in it, and what waited at its end (now, in the last one)."""

    at: datetime
    sent: int
    put_off: int
    failed: int
    waiting: int


@dataclass(frozen=True, slots=True)
class AccountSums:
    """An account's last day."""

    account: Account
    sent: int
    put_off: int
    failed: int


@dataclass(frozen=True, slots=True)
class WaitingNow:
    """Mails that wait.

    Attributes:
        queued: without those that are being handed over.
        handing_over: under way to their servers.
        held: by somebody.
        preparing: their files are being fetched.
        is_least: there are more than that; so many there were at the last count.
        oldest_due_at: when the oldest became due that is due; ``None``: nothing is.
    """

    queued: int
    handing_over: int
    held: int
    preparing: int
    is_least: bool
    oldest_due_at: datetime | None

    @property
    def total(self) -> int:
        """All of them."""
        return self.queued + self.handing_over + self.held + self.preparing


@dataclass(frozen=True, slots=True)
class Dashboard:
    """All that the dashboard shows.

    Attributes:
        at: the database's time at which this was so.
        counted_until: up to when hours are counted; ``None``: no sweep has counted yet, and the hours are empty.
        hours: the last 24, the present one last.
        waiting: now.
        worst: accounts whose mail failed or was put off, the worst first.
        busiest: accounts that sent, the busiest first.
        paused: accounts that send nothing until somebody acts, the last to stop first.
        paused_count: how many there are altogether.
        paused_by_reason: the same by :class:`~mailconfig.models.WaitReason`.
        swept_at: the last sweep; ``None``: there was none.
        is_whole: these are the figures of all accounts.
        workers: that are at work; empty unless asked for.
        failing_steps: of the house-keeping; empty unless asked for.
        is_of_deployment: they were asked for.
    """

    at: datetime
    counted_until: datetime | None
    hours: tuple[HourSums, ...]
    waiting: WaitingNow
    worst: tuple[AccountSums, ...]
    busiest: tuple[AccountSums, ...]
    paused: tuple[StoppedAccount, ...]
    paused_count: int
    paused_by_reason: dict[str, int]
    swept_at: datetime | None
    is_whole: bool
    workers: tuple[WorkerStatus, ...] = ()
    failing_steps: tuple[FailingStep, ...] = ()
    is_of_deployment: bool = True
    totals: FiguresState | None = field(default=None, repr=False)
    """Sums of all that was ever counted; ``None``: it is not whole."""

    @property
    def is_swept(self) -> bool:
        """Somebody looked for due mail within the last minute."""
        return self.swept_at is not None and self.swept_at > self.at - STALE


def read_dashboard(accounts: AccountQuerySet | None = None, *, deployment: bool = True) -> Dashboard:
    """Read the figures of some accounts.

    Args:
        accounts: whose; ``None``: everybody's.
        deployment: with workers and house-keeping, which belong to nobody.
    """
    now = database_now()
    mine = None if accounts is None else _condition(accounts)
    state = FiguresState.objects.filter(id=1, counted_until__isnull=False).first()
    day = day_of(now)
    fresh: dict[Key, Ended] = {}
    if state and state.counted_until and state.counted_until > day[-1] - HOUR:
        fresh = read_ended(state.counted_until, None, above=state.last_attempt, accounts=mine)
    hours = _hours(day, fresh, mine)
    waiting = _waiting_now(mine, now, at_last_count=hours[-1].waiting or hours[-2].waiting)
    worst, busiest = _accounts(day, fresh, _leaders(day, fresh, state, mine))
    paused, by_reason = _paused(mine)
    return Dashboard(
        at=now,
        counted_until=state.counted_until if state else None,
        hours=(*hours[:-1], replace(hours[-1], waiting=waiting.total)),
        waiting=waiting,
        worst=worst,
        busiest=busiest,
        paused=paused,
        paused_count=sum(by_reason.values()),
        paused_by_reason=by_reason,
        swept_at=Installation.objects.filter(id=1).values_list("swept_at", flat=True).first(),
        is_whole=mine is None,
        workers=workers_at_work(now) if deployment else (),
        failing_steps=tuple(failing_steps()) if deployment else (),
        is_of_deployment=deployment,
        totals=state if mine is None else None,
    )


def read_day(accounts: AccountQuerySet, now: datetime) -> tuple[tuple[HourSums, ...], WaitingNow, bool]:
    """Read the hours of the last day of some accounts, what of them waits, and whether anybody has counted hours yet.

    Args:
        accounts: whose.
        now: the database's time.
    """
    mine = _condition(accounts)
    state = FiguresState.objects.filter(id=1, counted_until__isnull=False).first()
    day = day_of(now)
    fresh: dict[Key, Ended] = {}
    if state and state.counted_until and state.counted_until > day[-1] - HOUR:
        fresh = read_ended(state.counted_until, None, above=state.last_attempt, accounts=mine)
    hours = _hours(day, fresh, mine)
    waiting = _waiting_now(mine, now, at_last_count=hours[-1].waiting or hours[-2].waiting)
    return hours, waiting, state is not None


def _condition(accounts: AccountQuerySet) -> Q:
    """Name the accounts where they are few, so that an index of theirs is used."""
    keys = accounts.order_by().values_list("pk", flat=True)
    few = list(keys[: MOST_NAMED + 1])
    return Q(account_id__in=few if len(few) <= MOST_NAMED else keys)


def _hours(day: list[datetime], fresh: dict[Key, Ended], mine: Q | None) -> tuple[HourSums, ...]:
    names = ("sent", "put_off", "failed", "waiting")
    if mine is None:
        rows = list(HourTotals.objects.filter(hour_at__in=day).values_list("hour_at", *names))
    else:
        sums = HourFigures.objects.filter(mine, hour_at__in=day).order_by().values("hour_at")
        sums = sums.annotate(**{f"{name}_sum": Sum(name) for name in names})
        rows = list(sums.values_list("hour_at", *(f"{name}_sum" for name in names)))
    counted = {at: (sent, put_off, failed, waiting) for at, sent, put_off, failed, waiting in rows}
    found = []
    for at in day:
        sent, put_off, failed, waiting = counted.get(at, (0, 0, 0, 0))
        new = [one for (hour, _account_id), one in fresh.items() if hour == at]
        sent += sum(one.sent for one in new)
        put_off += sum(one.put_off for one in new)
        failed += sum(one.failed for one in new)
        found.append(HourSums(at, sent, put_off, failed, waiting))
    return tuple(found)


def _waiting_now(mine: Q | None, now: datetime, *, at_last_count: int) -> WaitingNow:
    messages = Message.objects.order_by()
    if mine is not None:
        messages = messages.filter(mine)
    queued = messages.filter(state=MessageState.QUEUED)
    found = queued.values("not_before")[:MOST_COUNTED].aggregate(count=Count("*"), oldest=Min("not_before"))
    held, preparing = (
        messages.filter(state=state).values("pk")[:MOST_COUNTED].aggregate(count=Count("*"))["count"]
        for state in (MessageState.HELD, MessageState.PREPARING)
    )
    under_way = HandOver.objects.all() if mine is None else HandOver.objects.filter(mine)
    handing_over = min(under_way.count(), found["count"])
    count, oldest = found["count"] - handing_over, found["oldest"]
    is_least = MOST_COUNTED in {found["count"], held, preparing}
    if found["count"] == MOST_COUNTED:
        count = max(count, at_last_count - held - preparing - handing_over)
        oldest = _oldest_of_lanes(mine)
    due = oldest if oldest is not None and oldest <= now else None
    return WaitingNow(count, handing_over, held, preparing, is_least, due)


def _oldest_of_lanes(mine: Q | None) -> datetime | None:
    """Ask the queue's index once for each account and priority: all that waits would be too much to read."""
    lanes = Lane.objects.filter(purpose=Purpose.SEND)
    lanes = lanes if mine is None else lanes.filter(mine)
    queued = Message.objects.filter(account_id=OuterRef("account_id"), state=MessageState.QUEUED)
    first = {
        f"oldest_{priority}": Subquery(
            queued.filter(priority=priority).order_by("not_before", "pk").values("not_before")[:1]
        )
        for priority in Priority.values
    }
    found = lanes.annotate(**first).aggregate(**{f"{name}_of_all": Min(name) for name in first})
    return min((at for at in found.values() if at is not None), default=None)


def _leaders(
    day: list[datetime], fresh: dict[Key, Ended], state: FiguresState | None, mine: Q | None
) -> set[int]:
    """Return the accounts that may be among the worst and the busiest, those that became it just now among them."""
    new = _by_account(fresh)
    found = find_leaders(day, mine) if mine is not None else set(state.leaders if state else ())
    found.update(sorted(new, key=lambda pk: (-new[pk].failed, -new[pk].put_off))[:LEADERS])
    found.update(sorted(new, key=lambda pk: -new[pk].sent)[:LEADERS])
    return found


def _by_account(fresh: dict[Key, Ended]) -> dict[int, Ended]:
    found: dict[int, Ended] = {}
    for (_hour, account_id), one in fresh.items():
        sums = found.setdefault(account_id, Ended())
        sums.sent += one.sent
        sums.put_off += one.put_off
        sums.failed += one.failed
    return found


def _accounts(
    day: list[datetime], fresh: dict[Key, Ended], ids: set[int]
) -> tuple[tuple[AccountSums, ...], tuple[AccountSums, ...]]:
    """Return the worst and the busiest of some accounts, with what is not counted yet."""
    new = _by_account(fresh)
    rows = HourFigures.objects.filter(hour_at__in=day, account_id__in=ids).order_by().values("account_id")
    sums = rows.annotate(sent_sum=Sum("sent"), put_off_sum=Sum("put_off"), failed_sum=Sum("failed"))
    known = {
        pk: Ended(sent, put_off, failed)
        for pk, sent, put_off, failed in sums.values_list(
            "account_id", "sent_sum", "put_off_sum", "failed_sum"
        )
    }
    accounts = Account.objects.filter(pk__in=ids, deleted_at=None).defer("secret")
    found = [_sums(account, known.get(account.pk), new.get(account.pk)) for account in accounts]
    worst = sorted(
        (one for one in found if one.failed or one.put_off),
        key=lambda one: (-one.failed, -one.put_off, one.account.pk),
    )
    busiest = sorted((one for one in found if one.sent), key=lambda one: (-one.sent, one.account.pk))
    return tuple(worst[:LEADERS]), tuple(busiest[:LEADERS])


def _sums(account: Account, *parts: Ended | None) -> AccountSums:
    there = [part for part in parts if part]
    return AccountSums(
        account,
        sum(part.sent for part in there),
        sum(part.put_off for part in there),
        sum(part.failed for part in there),
    )


def _paused(mine: Q | None) -> tuple[tuple[StoppedAccount, ...], dict[str, int]]:
    lanes = Lane.objects.filter(
        purpose=Purpose.SEND,
        wait_reason__in=[*PAUSES, WaitReason.PAUSED_BY_PERSON],
        account__deleted_at=None,
        account__is_enabled=True,
    )
    lanes = lanes if mine is None else lanes.filter(mine)
    by_reason = dict(lanes.order_by().values_list("wait_reason").annotate(Count("pk")))
    newest = lanes.select_related("account").defer("account__secret").order_by("-wait_since")[:MOST_PAUSED]
    stopped = tuple(
        StoppedAccount(
            lane.account,
            WaitReason(lane.waits_because),
            lane.paused_at or lane.wait_since,
            lane.paused_because or lane.wait_text,
        )
        for lane in newest
    )
    return stopped, by_reason
