"""Telling endpoints that a mail came to its end, at no cost to tenants that have none.

The end of a mail is on the path of every mail, so no question is asked there: which tenants have endpoints that want to
hear of it is looked up every two seconds by each process that sends, and the others' mail goes as if there were no webhooks.
"""

from __future__ import annotations

import time

from mailconfig.models import EventKind, WebhookEndpoint, note_message_settled

LOOK_SECONDS = 2.0
"""So long it takes at most until another process knows of a new endpoint; mail that ends before is not told."""
ANY = -1
"""Stands for a tenant where nobody asked which one it is."""


class _Found:
    """Findings of the last look. Replaced as a whole, so threads need no lock."""

    tenants: frozenset[int] = frozenset()
    looked_at = float("-inf")


def listening_tenants() -> frozenset[int]:
    """Return the tenants with an endpoint that wants to hear of mail that has ended, as of two seconds ago or later."""
    now = time.monotonic()
    if now - _Found.looked_at < LOOK_SECONDS:
        return _Found.tenants
    rows = WebhookEndpoint.objects.filter(is_enabled=True).order_by().values_list("tenant_id", "kinds")
    _Found.tenants = frozenset(tenant_id for tenant_id, kinds in rows if EventKind.MESSAGE_SETTLED in kinds)
    _Found.looked_at = now
    return _Found.tenants


def forget() -> None:
    """Look again at the next mail: an endpoint was stored, changed or deleted."""
    _Found.looked_at = float("-inf")


def tell_settled(message_id: int, *, tenant_id: int | None = ANY) -> None:
    """Have its tenant's endpoints told of a message's end. Within the transaction that brought it about.

    Args:
        message_id: of the message, whose row says how it ended.
        tenant_id: of the message, where the caller knows it.
    """
    told = listening_tenants()
    if told and (tenant_id == ANY or tenant_id in told):
        note_message_settled(message_id)
