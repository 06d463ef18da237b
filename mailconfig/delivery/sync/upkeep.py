"""Upkeep of syncing: lanes that are missing or that nobody would look at again, and texts that were kept long enough."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q

from mailconfig.conf import get_settings
from mailconfig.models import Account, Lane, Purpose, SyncedContent

STEP = 1000
SPREAD_SECONDS = 60.0
"""Mailboxes that come by the hundred are synced for the first time within so long."""
FEW = 10


def make_missing_lanes(now: datetime) -> int:
    """Give lanes to mailboxes that are to be synced and have none: bulk inserts leave them out.

    Returns:
        How many were made.
    """
    laneless = Account.objects.kept().filter(mailbox__is_sync_enabled=True).exclude(mailbox__sync_method="")
    ids = list(laneless.exclude(lanes__purpose=Purpose.SYNC).values_list("pk", flat=True)[:STEP])
    spread = SPREAD_SECONDS if len(ids) > FEW else 0.0
    lanes = [
        Lane(account_id=pk, purpose=Purpose.SYNC, due_at=_within(now, spread, number, len(ids)))
        for number, pk in enumerate(ids)
    ]
    Lane.objects.bulk_create(lanes, ignore_conflicts=True)
    return len(ids)


def _within(now: datetime, seconds: float, number: int, count: int) -> datetime:
    return now + timedelta(seconds=seconds * number / count)


def mend_lanes(now: datetime) -> int:
    """Make lanes due that are due never, owned by nobody and held back by nothing, of mailboxes that are to be synced.

    An edit does so itself; this is for what was changed past :meth:`Account.save`, and for whatever else there may be.

    Returns:
        How many were mended.
    """
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    unheld = Q(wait_reason="") | Q(wait_until__lte=now)
    lost = Lane.objects.filter(free, unheld, purpose=Purpose.SYNC, due_at=None, account__deleted_at=None)
    lost = lost.filter(account__mailbox__is_sync_enabled=True).exclude(account__mailbox__sync_method="")
    ids = list(lost.values_list("pk", flat=True)[:STEP])
    if not ids:
        return 0
    return Lane.objects.filter(pk__in=ids, due_at=None).update(due_at=now, rung_at=None)


def purge_contents(now: datetime, most: int) -> int:
    """Delete texts that were kept for ``SYNCED_CONTENT_DAYS``, and with 0 all of them.

    They are walked through from the oldest on, in whose order they were stored.

    Args:
        now: the database's time.
        most: texts deleted at most.

    Returns:
        How many were deleted.
    """
    before = now - timedelta(days=get_settings().synced_content_days)
    deleted = 0
    while deleted < most:
        oldest = SyncedContent.objects.order_by("pk").values_list("pk", "message__synced_at")[:STEP]
        ids = [pk for pk, synced_at in oldest if synced_at <= before]
        if not ids:
            break
        deleted += SyncedContent.objects.filter(pk__in=ids).delete()[0]
    return deleted
