"""Leases on endpoints: one worker at a time tells an endpoint what happened, so a slow one holds up one thread, and itself."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from mailconfig.conf import get_settings
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.lanes import worker_name
from mailconfig.models import DeliveryState, WebhookDelivery, WebhookEndpoint

MOST_DUE = 100
MOST_OF_TENANT = 2
"""Endpoints of one tenant that a worker tells at once, so that those of one that hang leave room for the others'."""
CALL_AGAIN_SECONDS = 60
"""After so long another worker is called for an endpoint that none has taken."""


def due_endpoints() -> dict[int, int]:
    """Return the endpoints that are to be told something now, with their tenants; first whose turn was longest ago."""
    return dict(_due(database_now()).values_list("pk", "tenant_id")[:MOST_DUE])


def call_for_endpoints() -> list[int]:
    """Return the endpoints for which a worker is to be called: those due for which none was called a moment ago."""
    now = database_now()
    silent = Q(rung_at=None) | Q(rung_at__lt=now - timedelta(seconds=CALL_AGAIN_SECONDS))
    ids = list(_due(now).filter(silent).values_list("pk", flat=True)[:MOST_DUE])
    return [pk for pk in ids if WebhookEndpoint.objects.filter(silent, pk=pk).update(rung_at=now)]


def _due(now: datetime) -> QuerySet[WebhookEndpoint]:
    waiting = WebhookDelivery.objects.filter(
        endpoint=OuterRef("pk"), state=DeliveryState.WAITING, due_at__lte=now
    )
    usable = WebhookEndpoint.objects.filter(_free(now), is_enabled=True, tenant__is_active=True)
    return usable.filter(Exists(waiting)).order_by(F("served_at").asc(nulls_first=True), "pk")


def _free(now: datetime) -> Q:
    return (Q(lease_until=None) | Q(lease_until__lt=now)) & (Q(rest_until=None) | Q(rest_until__lte=now))


class Lease:
    """An endpoint taken by this worker. What it notes is fenced by the token."""

    def __init__(self, endpoint_id: int, token: uuid.UUID) -> None:
        self.endpoint_id = endpoint_id
        self._token = token

    def read(self) -> WebhookEndpoint | None:
        """Return the endpoint as it is now, and begin the lease anew; ``None``: it is not ours, deleted or disabled."""
        until = Now() + timedelta(seconds=_lease_seconds())
        if not self._mine().filter(is_enabled=True).update(lease_until=until):
            return None
        return self._mine().select_related("tenant").first()

    def note(self, **values: object) -> bool:
        """Write about the endpoint. Returns whether it is still ours."""
        return bool(self._mine().update(**values))

    def give_back(self) -> None:
        """Leave it to whoever comes next."""
        self.note(lease_token=None, lease_until=None, served_at=Now(), rung_at=None)

    def _mine(self) -> QuerySet[WebhookEndpoint]:
        return WebhookEndpoint.objects.filter(pk=self.endpoint_id, lease_token=self._token)


def take(endpoint_id: int) -> Lease | None:
    """Own an endpoint that may be told something; ``None``: somebody else does, it rests, or is disabled."""
    token = uuid.uuid4()
    free = WebhookEndpoint.objects.filter(_free(database_now()), pk=endpoint_id, is_enabled=True)
    until = Now() + timedelta(seconds=_lease_seconds())
    if not free.update(lease_token=token, lease_until=until, worker=worker_name()):
        return None
    return Lease(endpoint_id, token)


def _lease_seconds() -> float:
    settings = get_settings()
    return settings.lease_seconds + settings.webhook_seconds
