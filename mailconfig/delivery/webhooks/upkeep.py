"""Bounds on what waits for endpoints and on what is kept of it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef

from mailconfig.conf import get_settings
from mailconfig.models import DeliveryState, WebhookDelivery, WebhookEndpoint

MOST_WAITING = 10_000
"""Events that wait for one endpoint, as of the last sweep: one that is down while much happens costs no more than that."""
MOST_AGE = timedelta(days=4)
"""An event that waited for so long, for an endpoint that was disabled say, is told no more."""
STEP = 1000


def drop_surplus() -> int:
    """Drop the oldest events of each endpoint for which too many wait, count them on it, and say how many."""
    dropped = 0
    waiting = WebhookDelivery.objects.filter(state=DeliveryState.WAITING)
    of_endpoint = waiting.filter(endpoint=OuterRef("pk"))
    for endpoint_id in WebhookEndpoint.objects.filter(Exists(of_endpoint)).values_list("pk", flat=True):
        mine = waiting.filter(endpoint_id=endpoint_id)
        surplus = mine.order_by("-pk").values_list("pk", flat=True)[MOST_WAITING : MOST_WAITING + 1].first()
        if surplus is None:
            continue
        with transaction.atomic():
            count, _by_model = mine.filter(pk__lte=surplus).delete()
            WebhookEndpoint.objects.filter(pk=endpoint_id).update(dropped=F("dropped") + count)
        dropped += count
    return dropped


def purge_deliveries(now: datetime, most: int) -> int:
    """Give up what waited too long, delete what was settled long ago, and say how many rows that was.

    Args:
        now: the database's time.
        most: rows deleted at most.
    """
    old = WebhookDelivery.objects.filter(state=DeliveryState.WAITING, created_at__lt=now - MOST_AGE)
    old.update(state=DeliveryState.FAILED, settled_at=now)
    days = get_settings().webhook_retention_days
    if not days:
        return 0
    deleted = 0
    settled = WebhookDelivery.objects.filter(created_at__lt=now - timedelta(days=days))
    settled = settled.exclude(state=DeliveryState.WAITING).order_by("created_at")
    while deleted < most:
        ids = list(settled.values_list("pk", flat=True)[:STEP])
        if not ids:
            break
        deleted += WebhookDelivery.objects.filter(pk__in=ids).delete()[0]
    return deleted
