"""Ways round an account that cannot send: who may take its mail, who of them can, and how much of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Count, Q

from mailconfig.conf import Settings
from mailconfig.delivery.limits import usage
from mailconfig.models import AWAY, PAUSES, Account, Lane, Message, MessageState, Purpose, WaitReason
from mailconfig.models.failover import MOST_HOPS, may_take_over

LIMITS = frozenset({WaitReason.LIMIT, WaitReason.SERVER_LIMIT})
REASONS = PAUSES | LIMITS | AWAY | {WaitReason.LOGIN_RETRY, WaitReason.DISABLED, WaitReason.PAUSED_BY_PERSON}
"""Reasons for which an account's mail goes over another one. What lies with us, or is to be so, is none."""
STOCK = 5000
"""So much mail of others an account has in hand at most. What was moved does not come back when its own account can send
again, so no more is moved than is soon sent."""


def is_held_back(now: datetime) -> Q:
    """Return what is true of sending lanes that wait for such a reason now."""
    return Q(_waits(now) | ~Q(paused_at=None), purpose=Purpose.SEND)


def _waits(now: datetime) -> Q:
    in_force = Q(wait_until=None) | Q(wait_until__gt=now)
    return Q(in_force, wait_reason__in=REASONS)


def held_back_long(settings: Settings, now: datetime) -> Q:
    """Return what is true of lanes whose mail may go over another account.

    A limit lets one mail go and holds the next back, again and again, so there it is the mail that has to have waited
    for long: see :func:`due_by`.
    """
    before = now - timedelta(seconds=settings.failover_seconds)
    waits_long = _waits(now) & (Q(wait_since__lte=before) | Q(wait_reason__in=LIMITS))
    return Q(waits_long | Q(paused_at__lte=before), purpose=Purpose.SEND)


def due_by(reason: str, settings: Settings, now: datetime) -> datetime:
    """When mail must have become due to go over another account."""
    return now - timedelta(seconds=settings.failover_seconds) if reason in LIMITS else now


@dataclass(slots=True)
class Way:
    """An account that may take mail.

    Attributes:
        account: its row, without the secret.
        can_send: whether it is enabled, its people are active, and nothing holds it back.
        room: how many more of others' messages it takes now.
    """

    account: Account
    can_send: bool = False
    room: int = 0


@dataclass(slots=True)
class Ways:
    """The accounts that the chains of some accounts lead over, as one look found them. A few queries for all chains."""

    now: datetime
    _by_key: dict[int, Way] = field(default_factory=dict)

    def look_up(self, starts: Iterable[Account], *, homes: Collection[int] = ()) -> None:
        """Read the chains that begin with these accounts.

        Args:
            starts: accounts whose mail may go over others.
            homes: accounts besides, to which mail may go back.
        """
        wanted = {account.failover_id for account in starts if account.failover_id is not None} | set(homes)
        for _hop in range(MOST_HOPS):
            wanted -= self._by_key.keys()
            if not wanted:
                break
            found = Account.objects.kept().filter(pk__in=wanted).defer("secret").in_bulk()
            self._by_key.update((key, Way(account)) for key, account in found.items())
            wanted = {one.failover_id for one in found.values() if one.failover_id is not None}
        self._judge()

    def _judge(self) -> None:
        keys = list(self._by_key)
        if not keys:
            return
        usable = set(Account.objects.usable().of_active().filter(pk__in=keys).values_list("pk", flat=True))
        waits = ~Q(wait_reason="") & (Q(wait_until=None) | Q(wait_until__gt=self.now))
        held = Lane.objects.filter(waits | ~Q(paused_at=None), account_id__in=keys, purpose=Purpose.SEND)
        usable -= set(held.values_list("account_id", flat=True))
        over = Message.objects.filter(
            account_id__in=keys, state=MessageState.QUEUED, failed_over_from__isnull=False
        )
        stock = dict(over.order_by().values_list("account_id").annotate(Count("pk")))
        windows = usage([way.account for way in self._by_key.values()], now=self.now)
        for key, way in self._by_key.items():
            left = min([STOCK, *(window.left for window in windows[key])])
            way.can_send, way.room = key in usable, max(0, left - stock.get(key, 0))

    def way_to(self, key: int) -> Way | None:
        """Return the account of this key, if it can send."""
        way = self._by_key.get(key)
        return way if way is not None and way.can_send else None

    def after(self, account: Account) -> Iterator[Way]:
        """Yield the accounts that may and can take the account's mail, in the order of its chain.

        The rules are those of :func:`~mailconfig.models.failover.broken_failover`, asked anew: an account may have got
        another owner or tenant since.
        """
        seen, at = {account.pk}, account
        for _hop in range(MOST_HOPS):
            way = None if at.failover_id in seen else self._by_key.get(at.failover_id or 0)
            if way is None or not may_take_over(way.account, at):
                return
            seen.add(way.account.pk)
            if way.can_send:
                yield way
            at = way.account
