"""Counting: what became of mail, by hour and account, for people who look at it.

Attempts are counted once they are a while old, so that each lies in exactly one count: by its time, which is noted
before it is written. The key only says where to begin to read, so no index of times is needed, which would be written
for each mail.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction
from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import TruncHour

from mailconfig.models import (
    Attempt,
    AttemptOutcome,
    FiguresState,
    HourFigures,
    HourTotals,
    Message,
    MessageState,
)

COUNT_SECONDS = 300.0
"""From one count to the next. Each writes a row for each account that had mail, so seldom is cheap."""
SETTLING = timedelta(seconds=30)
"""By then what ended is written. Shorter than the time between two counts."""
HOUR = timedelta(hours=1)
FIRST = timedelta(hours=24)
"""So far back the first count reaches."""
KEPT = timedelta(days=8)
LONGEST_WRITE = timedelta(minutes=10)
"""No attempt is written so long after it ended: its lane would have been lost long before."""
LEADERS = 10
"""So many accounts are the worst, and so many the busiest."""
STEP = 1000
ACCEPTED = (AttemptOutcome.SENT, AttemptOutcome.PARTIAL)
CAME_TO_NOTHING = (AttemptOutcome.DEFERRED, AttemptOutcome.LOST, AttemptOutcome.UNKNOWN)

Key = tuple[datetime, int]
"""An hour's beginning and an account."""


@dataclass(slots=True)
class Ended:
    """Mails of an account that came to something in an hour."""

    sent: int = 0
    put_off: int = 0
    failed: int = 0


def hour_of(at: datetime) -> datetime:
    """Return the beginning of the hour, by UTC."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def count_figures(now: datetime) -> int:
    """Count what ended since the last count, if that is long ago. One process does it; the others find it done.

    Args:
        now: the database's time.

    Returns:
        How many rows were written.
    """
    state, _created = FiguresState.objects.get_or_create(id=1)
    counted, settled = state.counted_until, now - SETTLING
    if counted is not None and counted > settled + timedelta(seconds=COUNT_SECONDS):
        # The clock was ahead when it was counted: nothing would be until that time comes.
        FiguresState.objects.filter(id=1, counted_until=counted).update(counted_until=settled)
        return 0
    if counted is not None and settled < counted + timedelta(seconds=COUNT_SECONDS):
        return 0
    since = settled - FIRST if counted is None else max(counted, settled - KEPT)
    since = max(since, _oldest_left(state.last_attempt, since, settled))
    # Hour by hour, a sweep each: a sweep must not take long.
    until = min(settled, hour_of(since) + HOUR)
    ended = read_ended(since, until, above=state.last_attempt)
    waiting = count_waiting() if until == settled else None
    sums = {
        "sent": sum(one.sent for one in ended.values()),
        "put_off": sum(one.put_off for one in ended.values()),
        "failed": sum(one.failed for one in ended.values()),
    }
    values = {name: F(name) + number for name, number in sums.items()}
    with transaction.atomic():
        # Whose UPDATE changes it has counted; the others' find another time there.
        mine = FiguresState.objects.filter(id=1, counted_until=counted)
        if not _is_free(mine) or not mine.update(
            counted_until=until,
            last_attempt=max(state.last_attempt, _last_settled(until)),
            waiting=sum((waiting or {}).values()),
            **values,
        ):
            return 0
        written = _add(ended, waiting, hour_of(until))
        HourTotals.objects.get_or_create(hour_at=hour_of(since))
        HourTotals.objects.filter(hour_at=hour_of(since)).update(**values)
        if waiting is not None:
            HourTotals.objects.update_or_create(
                hour_at=hour_of(until), defaults={"waiting": sum(waiting.values())}
            )
        for table in (HourFigures, HourTotals):
            table.objects.filter(hour_at__lt=hour_of(now - KEPT)).delete()
        FiguresState.objects.filter(id=1).update(leaders=sorted(find_leaders(day_of(now))))
    return written


def _is_free(state: QuerySet[FiguresState]) -> bool:
    """Return whether nobody is counting at this moment: whoever stands still in the middle of it must not have every sweep wait."""
    if not connection.features.has_select_for_update_skip_locked:
        return True
    return bool(state.select_for_update(skip_locked=True).values_list("pk"))


def _oldest_left(last_attempt: int, since: datetime, settled: datetime) -> datetime:
    """Return when what is left to count began, so that hours without mail are passed over: a new installation has a day of them."""
    attempts = Attempt.objects.filter(pk__gt=last_attempt).order_by("pk")
    failures = Message.objects.filter(state=MessageState.FAILED, settled_at__gte=since).order_by("settled_at")
    first = attempts.values_list("ended_at", flat=True).first()
    first_failure = failures.values_list("settled_at", flat=True).first()
    # Keys are not quite in the order of times.
    return min(first - LONGEST_WRITE if first else settled, first_failure or settled, settled)


def day_of(now: datetime) -> list[datetime]:
    """Return the beginnings of the last 24 hours, the present one last."""
    return [hour_of(now) - number * HOUR for number in reversed(range(24))]


def find_leaders(hours: Collection[datetime], accounts: Q | None = None) -> set[int]:
    """Return the worst accounts of these hours, and the busiest. Costs as much as there are rows.

    Args:
        hours: their beginnings.
        accounts: as for :func:`read_ended`.
    """
    rows = HourFigures.objects.filter(hour_at__in=hours).order_by()
    rows = rows if accounts is None else rows.filter(accounts)
    sums = rows.values("account_id").annotate(bad=Sum("failed"), off=Sum("put_off"), good=Sum("sent"))
    found: set[int] = set()
    for order in (("-bad", "-off"), ("-good",)):
        found.update(sums.order_by(*order, "account_id").values_list("account_id", flat=True)[:LEADERS])
    return found


def _last_settled(until: datetime) -> int:
    """Return the key of an attempt so old that all which end from ``until`` on are written after it."""
    older = Attempt.objects.filter(ended_at__lt=until - LONGEST_WRITE).order_by("-pk")
    return older.values_list("pk", flat=True).first() or 0


def read_ended(
    since: datetime, until: datetime | None, *, above: int, accounts: Q | None = None
) -> dict[Key, Ended]:
    """Read what ended from ``since`` on and before ``until``, by hour and account, from attempts and failed mails.

    Args:
        since: by the database's time.
        until: the same; ``None``: all.
        above: attempts with a key up to this are not looked at.
        accounts: whose, as a condition of ``account_id``; ``None``: everybody's.
    """
    found: dict[Key, Ended] = defaultdict(Ended)
    attempts = Attempt.objects.filter(pk__gt=above, ended_at__gte=since)
    failures = Message.objects.filter(state=MessageState.FAILED, settled_at__gte=since)
    if accounts is not None:
        attempts, failures = attempts.filter(accounts), failures.filter(accounts)
    if until is not None:
        attempts, failures = attempts.filter(ended_at__lt=until), failures.filter(settled_at__lt=until)
    by_hour = (
        attempts.order_by().annotate(hour=TruncHour("ended_at", tzinfo=UTC)).values("hour", "account_id")
    )
    counted = by_hour.annotate(
        sent=Count("pk", filter=Q(outcome__in=ACCEPTED)),
        put_off=Count("pk", filter=Q(outcome__in=CAME_TO_NOTHING)),
    )
    for hour, account_id, sent, put_off in counted.values_list("hour", "account_id", "sent", "put_off"):
        if sent or put_off:
            found[hour, account_id] = Ended(sent, put_off)
    by_hour_failed = failures.order_by().annotate(hour=TruncHour("settled_at", tzinfo=UTC))
    counted_failed = by_hour_failed.values("hour", "account_id").annotate(failed=Count("pk"))
    for hour, account_id, failed in counted_failed.values_list("hour", "account_id", "failed"):
        found[hour, account_id].failed = failed
    return found


def count_waiting() -> dict[int, int]:
    """Return how many mails of each account wait, held ones among them. Costs as much as there are."""
    counts: Counter[int] = Counter()
    # Two conditions, as the partial indexes have them.
    for states in ([MessageState.QUEUED], [MessageState.HELD, MessageState.PREPARING]):
        rows = Message.objects.filter(state__in=states).order_by()
        counts.update(dict(rows.values_list("account_id").annotate(Count("pk"))))
    return dict(counts)


def _add(ended: dict[Key, Ended], waiting: dict[int, int] | None, hour_at: datetime) -> int:
    """Add what was counted to the rows of its hours, and say in those of ``hour_at`` what waits, if that is known."""
    hours = {hour for hour, _account_id in ended} | {hour_at}
    rows = {(row.hour_at, row.account_id): row for row in HourFigures.objects.filter(hour_at__in=hours)}
    changed: dict[Key, HourFigures] = {}

    def row_of(key: Key) -> HourFigures:
        row = rows.get(key)
        if row is None:
            row = rows[key] = HourFigures(hour_at=key[0], account_id=key[1])
        changed[key] = row
        return row

    for key, one in ended.items():
        row = row_of(key)
        row.sent, row.put_off, row.failed = (
            row.sent + one.sent,
            row.put_off + one.put_off,
            row.failed + one.failed,
        )
    told = {account_id for hour, account_id in rows if hour == hour_at}
    for account_id in () if waiting is None else told | set(waiting):
        known = rows.get((hour_at, account_id))
        count = 0 if waiting is None else waiting.get(account_id, 0)
        if (known.waiting if known else 0) != count:
            row_of((hour_at, account_id)).waiting = count
    HourFigures.objects.bulk_create(
        changed.values(),
        batch_size=STEP,
        update_conflicts=True,
        unique_fields=["hour_at", "account"],
        update_fields=["sent", "put_off", "failed", "waiting"],
    )
    return len(changed)
