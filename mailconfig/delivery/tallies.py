"""Sums of what an account has handed over: a tally for each slot of time that is over, single attempts where it matters.

A week of 600,000 attempts is read as a thousand tallies and the attempts of two slots.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Protocol

from django.db import transaction
from django.db.models import (
    BigIntegerField,
    DateTimeField,
    FilteredRelation,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, TruncMinute

from mailconfig.delivery.postgres.compiled import Compiled
from mailconfig.models import Account, Attempt, HandOver, Lane, Purpose, Tally

SLOT = timedelta(minutes=10)
CHUNK = 1000
"""Times of attempts that are read at once."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = timedelta(microseconds=1)
_NEVER = datetime.max.replace(tzinfo=UTC)
"""An end for what has none: of a range PostgreSQL expects few rows, of all after a time it cannot know yet a third."""

Ended = tuple[datetime, int]
"""When attempts ended, and how many recipients they handed over."""


def slot_of(at: datetime) -> datetime:
    """Return the beginning of the slot that ``at`` lies in."""
    return at - (at - _EPOCH) % SLOT


def bring_up_to_date(account_id: int, tallied_until: datetime | None, *, now: datetime) -> bool:
    """Make the tallies of the slots that are over, if some are missing. For the owner of the lane.

    A slot that an open hand-over may yet end in is not over, and neither is the last one: what ended in it may not be
    committed yet.

    Args:
        account_id: whose.
        tallied_until: as its lane says.
        now: the database's time.

    Returns:
        Whether some were made.
    """
    since = tallied_until
    if since is not None and now < since:
        since = None  # the clock was put back: what ends from now on would lie in slots that are tallied
    elif since is not None and now - since < 3 * SLOT:
        return False
    lane = Lane.objects.filter(account_id=account_id, purpose=Purpose.SEND)
    opened = HandOver.objects.filter(account_id=account_id).order_by("handed_over_at")
    handed_over = opened.values_list("handed_over_at", flat=True)
    until = slot_of(min(now - SLOT, handed_over.first() or now))
    if since is not None and until <= since:
        return False
    with transaction.atomic():
        is_mine = bool(lane.filter(tallied_until=tallied_until).update(tallied_until=until))
        if is_mine:
            _tally(account_id, since, until)
    return is_mine


def _tally(account_id: int, since: datetime | None, until: datetime) -> None:
    attempts = _counted(account_id).filter(ended_at__lt=until)
    if since is None:
        Tally.objects.filter(account_id=account_id).delete()
    else:
        attempts = attempts.filter(ended_at__gte=since)
    minutes = attempts.annotate(minute=TruncMinute("ended_at", tzinfo=UTC)).order_by()
    sums: dict[datetime, int] = {}
    for minute, recipients in (
        minutes.values("minute").annotate(Sum("recipients")).values_list("minute", "recipients__sum")
    ):
        slot_at = slot_of(minute)
        sums[slot_at] = sums.get(slot_at, 0) + recipients
    Tally.objects.bulk_create(
        [Tally(account_id=account_id, slot_at=at, recipients=count) for at, count in sums.items()]
    )


@dataclass(frozen=True, slots=True)
class Sums:
    """Recipients that an account has handed over.

    Attributes:
        tallied_until: up to when that is tallied; ``None``: not at all.
        last_attempt: the highest primary key that any attempt had.
        used: by length of a window in seconds: recipients whose hand-over ended in it.
        left_open: recipients of hand-overs without an outcome.
        left_open_at: when the last of these began.
    """

    tallied_until: datetime | None
    last_attempt: int
    used: Mapping[int, int]
    left_open: int
    left_open_at: datetime | None


def read_sums(
    account_ids: Collection[int], lengths: Collection[int], *, now: datetime, margin: timedelta
) -> dict[int, Sums]:
    """Return the sums of accounts by their primary key, in one query.

    Args:
        account_ids: whose.
        lengths: of windows, in seconds.
        now: the database's time.
        margin: windows are read so much longer.
    """
    lengths = tuple(sorted(lengths))
    times: dict[str, Any] = {}
    for number, seconds in enumerate(lengths):
        after = now - timedelta(seconds=seconds) - margin
        times |= {f"after_{number}": after, f"edge_{number}": _edge_of(after)}
    if len(account_ids) == 1:
        (account_id,) = account_ids
        rows = _sums_of_one(len(lengths)).rows(account_id=account_id, **times)
    else:
        rows = list(_sums(len(lengths), Account.objects.filter(pk__in=account_ids), **times))
    return {
        pk: Sums(
            tallied_until=tallied_until,
            last_attempt=last_attempt or 0,
            used=dict(zip(lengths, used, strict=True)),
            left_open=left_open,
            left_open_at=left_open_at,
        )
        for pk, tallied_until, last_attempt, left_open, left_open_at, *used in rows
    }


def _sums(windows: int, accounts: QuerySet[Account], **times: Any) -> QuerySet[Account, Any]:
    """Rows of the values of :class:`Sums`, an account each, with what was used of each window at the end.

    The text of the query has the number of the windows, and no length that somebody chose: texts are kept.
    """
    account, tallied_until = OuterRef("pk"), OuterRef("sending__tallied_until")
    opened = HandOver.objects.filter(account_id=account)
    columns: dict[str, Any] = {
        "last_attempt": Subquery(Attempt.objects.order_by("-pk").values("pk")[:1]),
        "left_open": _sum(opened),
        "left_open_at": Subquery(opened.order_by("-handed_over_at").values("handed_over_at")[:1]),
    } | {
        f"used_{number}": _used(
            _counted(account), account, tallied_until, times[f"after_{number}"], times[f"edge_{number}"]
        )
        for number in range(windows)
    }
    sending = FilteredRelation("lanes", condition=Q(lanes__purpose=Purpose.SEND))
    found = accounts.annotate(sending=sending).annotate(**columns).order_by()
    return found.values_list("pk", "sending__tallied_until", *columns)


@cache
def _sums_of_one(windows: int) -> Compiled:
    def build(account_id: Any, **times: Any) -> QuerySet[Account, Any]:
        return _sums(windows, Account.objects.filter(pk=account_id), **times)

    times = {f"{name}_{number}": DateTimeField() for name in ("after", "edge") for number in range(windows)}
    return Compiled(build, account_id=BigIntegerField(), **times)


class Past(Protocol):
    """The hand-overs that had ended when a limiter was loaded."""

    def times(self, after: datetime) -> list[Ended]:
        """The first that ended after ``after``, in their order: :data:`CHUNK`, or all if they are fewer."""
        ...

    def used(self, after: datetime) -> int:
        """Recipients of all that ended after ``after``."""
        ...

    def end_of(self, number: int, *, after: datetime) -> tuple[datetime | None, int]:
        """When the hand-over of the ``number``-th recipient after ``after`` ended.

        Returns:
            That time and 0; if there are fewer, the last time (``None``: there is none) and how many are missing.
        """
        ...


class NoPast:
    """Nothing was handed over before."""

    def times(self, after: datetime) -> list[Ended]:
        """See :class:`Past`."""
        return []

    def used(self, after: datetime) -> int:
        """See :class:`Past`."""
        return 0

    def end_of(self, number: int, *, after: datetime) -> tuple[datetime | None, int]:
        """See :class:`Past`."""
        return None, number


class AccountPast:
    """The past of an account up to an attempt: what its lane's owner adds later, that owner counts in memory."""

    def __init__(self, account_id: int, *, tallied_until: datetime | None, last_attempt: int) -> None:
        self._account_id, self._tallied_until = account_id, tallied_until
        self._attempts = _counted(account_id).filter(pk__lte=last_attempt)

    def times(self, after: datetime) -> list[Ended]:
        """See :class:`Past`."""
        return self._times(after, None)

    def used(self, after: datetime) -> int:
        """See :class:`Past`."""
        used = _used(self._attempts, self._account_id, self._tallied_until, after, _edge_of(after))
        account = Account.objects.filter(pk=self._account_id).order_by()
        return account.values_list(used, flat=True).first() or 0

    def end_of(self, number: int, *, after: datetime) -> tuple[datetime | None, int]:
        """See :class:`Past`."""
        edge, until = _edge_of(after), self._tallied_until
        if until is not None and edge < until:
            at, number = find(number, self._each(after, edge))
            if not number:
                return at, 0
            tallies = Tally.objects.filter(account_id=self._account_id, slot_at__gte=edge, slot_at__lt=until)
            for slot_at, recipients in tallies.order_by("slot_at").values_list("slot_at", "recipients"):
                if number <= recipients:
                    at, _missing = find(number, self._each(slot_at - _INSTANT, slot_at + SLOT))
                    return at or slot_at + SLOT, 0
                number -= recipients
            after = until - _INSTANT
        return find(number, self._each(after, None))

    def _each(self, after: datetime, before: datetime | None) -> Iterator[Ended]:
        while times := self._times(after, before):
            yield from times
            after = times[-1][0]

    def _times(self, after: datetime, before: datetime | None) -> list[Ended]:
        attempts = self._attempts.filter(ended_at__gt=after)
        if before is not None:
            attempts = attempts.filter(ended_at__lt=before)
        times = attempts.order_by("ended_at").values("ended_at").annotate(Sum("recipients"))
        return list(times.values_list("ended_at", "recipients__sum")[:CHUNK])


def find(number: int, times: Iterable[Ended]) -> tuple[datetime | None, int]:
    """Find when the hand-over of the ``number``-th recipient ended.

    Returns:
        That time and 0; if there are fewer, the last time of all and how many are missing.
    """
    at = None
    for at, recipients in times:
        number -= recipients
        if number <= 0:
            return at, 0
    return at, number


def _edge_of(after: datetime) -> datetime:
    """Return the end of the slot that ``after`` lies in: from there on tallies count whole."""
    return slot_of(after) + SLOT


def _used(attempts: QuerySet[Attempt], account: Any, tallied_until: Any, after: Any, edge: Any) -> Combinable:
    """Sum tallies from ``edge`` on, the attempts between ``after`` and that, and those that are not tallied yet."""
    since = Value(after) if isinstance(after, datetime) else after
    until = since if tallied_until is None else Coalesce(tallied_until, since)
    tallies = Tally.objects.filter(account_id=account, slot_at__gte=edge, slot_at__lt=until)
    ended = attempts.filter(ended_at__gt=after)
    return (
        _sum(tallies)
        + _sum(ended.filter(ended_at__lt=edge).filter(ended_at__lt=until))
        + _sum(ended.filter(ended_at__gte=until, ended_at__lt=_NEVER))
    )


def _counted(account: Any) -> QuerySet[Attempt]:
    return Attempt.objects.filter(account_id=account, recipients__gt=0)


def _sum(rows: QuerySet[Any]) -> Coalesce:
    sums = rows.order_by().values("account_id").annotate(total=Sum("recipients")).values("total")
    return Coalesce(Subquery(sums, output_field=IntegerField()), 0)
