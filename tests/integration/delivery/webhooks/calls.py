"""Endpoints, events and time, for the tests of webhooks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import F

from mailconfig.delivery import save_webhook
from mailconfig.delivery.clock import database_now
from mailconfig.models import CHOSEN_KINDS, EventKind, Tenant, WebhookDelivery, WebhookEndpoint
from tests.servers.http import ScriptedHttpServer

SENT = EventKind.MESSAGE_SETTLED


def make_webhook(
    tenant: Tenant, server: ScriptedHttpServer, path: str = "/in", **values: Any
) -> tuple[WebhookEndpoint, str]:
    """Store an endpoint for everything, and return it with its secret."""
    plain = {"kinds": [str(kind) for kind in CHOSEN_KINDS]}
    endpoint = WebhookEndpoint(tenant=tenant, url=server.url(path), **{**plain, **values})
    secret = save_webhook(endpoint=endpoint)
    assert secret is not None
    return endpoint, secret.reveal()


def make_event(endpoint: WebhookEndpoint, **values: Any) -> WebhookDelivery:
    """Have an event wait."""
    row = WebhookDelivery.objects.create(
        **{"endpoint": endpoint, "kind": SENT, "data": {"state": "sent"}, **values}
    )
    row.refresh_from_db()
    return row


def later(**time: float) -> None:
    """Let time go by: all that was to be done at some time is to be done so much earlier."""
    by = timedelta(**time)
    WebhookDelivery.objects.update(due_at=F("due_at") - by, created_at=F("created_at") - by)
    WebhookEndpoint.objects.update(
        rest_until=F("rest_until") - by,
        failing_since=F("failing_since") - by,
        earlier_secret_until=F("earlier_secret_until") - by,
        rung_at=F("rung_at") - by,
    )


def seconds_until(moment: Any) -> float:
    """Return how far away a moment of a row is."""
    return float((moment - database_now()).total_seconds())
