"""Failing over: mail of accounts that cannot send goes to those that stand in for them; two steps of the sweep."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from mailconfig import crash
from mailconfig.conf import get_settings
from mailconfig.delivery.queue import ways
from mailconfig.delivery.queue.due import waiting
from mailconfig.delivery.queue.moving import move, part
from mailconfig.delivery.queue.ways import Way, Ways
from mailconfig.delivery.wake import wake_lane
from mailconfig.models import Account, Lane, Message, MessageState, Priority, WaitReason
from mailconfig.models.failover import may_take_over

logger = logging.getLogger("mailconfig.upkeep")

STEP = 1000
"""So many accounts are looked at in one sweep."""
MOST = 5000
"""So much mail of one account is moved in one sweep."""


def fail_over(now: datetime) -> int:
    """Move due mail of accounts that were held back for long to the first account of their chains that can send.

    Where that one has room for some of it only, the next one takes more. An account without waiting mail costs a probe
    of the queue's index, and one without a failover nothing.

    Returns:
        How many messages were moved.
    """
    allowed = Q(no_failover_until=None) | Q(no_failover_until__lte=now)
    lanes = _held_back_long(now).filter(allowed, _has_due_mail(now))
    held = list(lanes.filter(account__failover__isnull=False, account__deleted_at=None)[:STEP])
    found = Ways(now)
    found.look_up([lane.account for lane in held])
    moved = 0
    for lane in held:
        left = MOST
        for way in found.after(lane.account):
            asked = min(left, way.room)
            count = _move(lane, way, asked, now)
            moved, left = moved + count, left - count
            if count < asked or not left:
                break  # no more is due, or it is enough for now; else this one is full, and the next one has its turn
    return moved


def bring_home(now: datetime) -> int:
    """Move mail back whose stand-in was held back for long in its turn, where the account it was queued for can send.

    Mail whose stand-in may not send it any more goes back at once: one of the two got another owner or tenant.

    Returns:
        How many messages were moved.
    """
    over = Message.objects.filter(state=MessageState.QUEUED, failed_over_from__isnull=False)
    moved = _part_strangers(over)
    lanes = _held_back_long(now).filter(Exists(over.filter(account_id=OuterRef("account_id"))))
    held = {lane.account_id: lane for lane in lanes[:STEP]}
    pairs = over.filter(account_id__in=held).order_by().values_list("account_id", "failed_over_from_id")
    homes = list(pairs.distinct()) if held else []
    found = Ways(now)
    found.look_up([], homes={home_id for _account_id, home_id in homes})
    for account_id, home_id in homes:
        if way := found.way_to(home_id):
            moved += _move(held[account_id], way, min(MOST, way.room), now, is_home=True)
    return moved


def _part_strangers(over: QuerySet[Message]) -> int:
    pairs = set(over.order_by().values_list("account_id", "failed_over_from_id").distinct()[:STEP])
    if not pairs:
        return 0
    keys = {key for pair in pairs for key in pair}
    accounts = Account.all_rows.only("tenant_id", "owner_id").in_bulk(keys)
    strangers = [
        (account_id, home_id)
        for account_id, home_id in pairs
        if not may_take_over(accounts[account_id], accounts[home_id])
    ]
    return sum(part(account_id=account_id, home_id=home_id) for account_id, home_id in strangers)


def _held_back_long(now: datetime) -> QuerySet[Lane]:
    """The lanes that nobody owns, those that wait longest first."""
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    lanes = Lane.objects.filter(free, ways.held_back_long(get_settings(), now))
    return lanes.select_related("account").defer("account__secret").order_by("wait_since", "pk")


def _has_due_mail(now: datetime) -> Q:
    queued: Any = waiting(Message.objects.filter(account_id=OuterRef("account_id"), not_before__lte=now))
    due = Q()
    for priority in Priority.values:
        due |= Q(Exists(queued.filter(priority=priority)))
    return due


def _move(lane: Lane, way: Way, most: int, now: datetime, *, is_home: bool = False) -> int:
    to = way.account.pk
    count = move(
        account_id=lane.account_id,
        to=to,
        because=None if is_home else WaitReason(lane.waits_because),
        due_by=ways.due_by(lane.waits_because, get_settings(), now),
        most=most,
        home_id=to if is_home else None,
    )
    way.room -= count
    if count:
        crash.point("after_move")
        logger.info(
            "%d mails of account %s go over account %s: %s", count, lane.account_id, to, lane.waits_because
        )
        wake_lane(to)
    return count
