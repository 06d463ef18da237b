"""Events are noted for the endpoints that want to hear of it, within the transaction in which it happens.

So an event is told if and only if that transaction was committed, whatever is killed when.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping

from .webhook import EventKind, WebhookDelivery, WebhookEndpoint

Data = Mapping[str, object]


def note_event(kind: EventKind, endpoint_ids: Iterable[int], data: Data) -> None:
    """Have these endpoints told of an event, once the caller's transaction is committed.

    Args:
        kind: of the event.
        endpoint_ids: of :func:`wanting`.
        data: what is said of it, in values of JSON.
    """
    note_events(kind, [(endpoint_ids, data)])


def note_events(kind: EventKind, events: Iterable[tuple[Iterable[int], Data]]) -> None:
    """Note several events of one kind as :func:`note_event` does, each with the endpoints that are told of it."""
    rows = []
    for endpoint_ids, data in events:
        event_id = uuid.uuid4()
        rows += [
            WebhookDelivery(event_id=event_id, endpoint_id=endpoint_id, kind=kind, data=dict(data))
            for endpoint_id in endpoint_ids
        ]
    WebhookDelivery.objects.bulk_create(rows, batch_size=500)


def wanting(kind: EventKind, *, tenant_id: int | None) -> list[int]:
    """Return the endpoints of the tenant that are enabled and want to hear of this kind; ``None``: nobody's.

    Not by a look-up in JSON, which not every database has; a tenant has few endpoints.
    """
    if tenant_id is None:
        return []
    enabled = WebhookEndpoint.objects.filter(tenant_id=tenant_id, is_enabled=True)
    return [pk for pk, kinds in enabled.values_list("pk", "kinds") if kind in kinds]


def note_account_paused(account_id: int, *, purpose: str, reason: str) -> None:
    """Note that sending or syncing stopped. Within the transaction that stops it."""
    _note_of_account(EventKind.ACCOUNT_PAUSED, account_id, {"purpose": str(purpose), "reason": str(reason)})


def note_account_resumed(account_id: int, *, purpose: str) -> None:
    """Note that sending or syncing goes on. Within the transaction that lets it."""
    _note_of_account(EventKind.ACCOUNT_RESUMED, account_id, {"purpose": str(purpose)})


def _note_of_account(kind: EventKind, account_id: int, more: Data) -> None:
    enabled = WebhookEndpoint.objects.filter(tenant__accounts=account_id, is_enabled=True)
    rows = list(enabled.values_list("pk", "kinds", "tenant__accounts__uuid"))
    ids = [pk for pk, kinds, _number in rows if kind in kinds]
    if ids:
        note_event(kind, ids, {"account_id": account_id, "account_uuid": str(rows[0][2]), **more})
