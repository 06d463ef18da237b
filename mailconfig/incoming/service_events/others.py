"""Events of services that django-anymail understands (extra ``anymail``): its tracking views read them, and nothing else of it is used.

A view is made without its constructor, which would ask the host's settings for secrets of its own: ours are an account's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from types import SimpleNamespace
from typing import Any, Final

from mailconfig.exceptions import EventsRefused
from mailconfig.values import EventsFault, MailEvent

from .event import Failure, ServiceEvent, make_event

_KINDS: Final = {
    "queued": MailEvent.PROCESSED,
    "sent": MailEvent.PROCESSED,
    "rejected": MailEvent.DROPPED,
    "failed": MailEvent.DROPPED,
    "bounced": MailEvent.BOUNCED,
    "deferred": MailEvent.DEFERRED,
    "delivered": MailEvent.DELIVERED,
    "opened": MailEvent.OPENED,
    "clicked": MailEvent.CLICKED,
    "complained": MailEvent.COMPLAINED,
    "unsubscribed": MailEvent.OPTED_OUT,
}
"""By anymail's normalised types; replies of robots and subscriptions are nothing to us."""
_MEANINGS: Final = {"spam": MailEvent.COMPLAINED, "unsubscribed": MailEvent.OPTED_OUT}
_HARD: Final = Failure(is_permanent=True, is_about_address=True)
_OF_MESSAGE: Final = Failure(is_permanent=True)
_SOFT: Final = Failure()


def _brevo(said: Mapping[str, Any]) -> Failure:
    if said.get("event") in {"hard_bounce", "invalid_email"}:
        return _HARD
    return _SOFT if said.get("event") == "soft_bounce" else _OF_MESSAGE


def _mailgun(said: Mapping[str, Any]) -> Failure:
    data = said["event-data"]
    # What it gives up after days of trying ("old") is permanent, and says nothing for good about the address.
    return _HARD if data.get("reason") in {"bounce", "suppress-bounce"} else _OF_MESSAGE


def _postmark(said: Mapping[str, Any]) -> Failure:
    kind = said.get("Type") or said.get("SuppressionReason")
    if kind in {"HardBounce", "BadEmailAddress"}:
        return _HARD
    return _SOFT if kind in {"SoftBounce", "Transient", "DnsError"} else _OF_MESSAGE


def _resend(said: Mapping[str, Any]) -> Failure:
    kind = said["data"].get("bounce", {}).get("type")
    return {"Permanent": _HARD, "Transient": _SOFT}.get(kind, _OF_MESSAGE)


_READERS: Final[Mapping[str, tuple[str, Callable[[Mapping[str, Any]], Failure]]]] = {
    "brevo": ("BrevoTrackingWebhookView", _brevo),
    "mailgun": ("MailgunTrackingWebhookView", _mailgun),
    "postmark": ("PostmarkTrackingWebhookView", _postmark),
    "resend": ("ResendTrackingWebhookView", _resend),
}
"""By service: the view that reads its events, and what says whether mail will ever arrive there."""


def read_events(service: str, body: bytes, headers: Mapping[str, str]) -> Iterator[ServiceEvent | None]:
    """Yield the events of a report; ``None`` for each that cannot be read, or of which nothing is kept.

    Args:
        service: one of those that are not SendGrid.
        body: JSON that was looked at before.
        headers: of the request.

    Raises:
        EventsRefused: django-anymail is not installed, or reads nothing in it.
    """
    name, judge = _READERS[service]
    try:
        view_class: Any = getattr(import_module(f"anymail.webhooks.{service}"), name)
    except ImportError:
        raise EventsRefused(EventsFault.NOT_INSTALLED) from None
    view = view_class.__new__(view_class)
    request = SimpleNamespace(body=body, headers=headers, content_type="application/json")
    try:
        found = view.parse_events(request)
    # It takes the service's word for every type: whatever it stumbles over, the report is at fault.
    except Exception:  # noqa: BLE001
        raise EventsRefused(EventsFault.MALFORMED) from None
    return (_event(service, event, judge) for event in found)


def _id(service: str, event: Any) -> object:
    """Return that by which the service knows an event. Mailgun's id is unique within a day; anymail takes the token, made anew."""
    if service != "mailgun":
        return event.event_id
    data = event.esp_event["event-data"]
    return f"{data['id']} {data['timestamp']}" if data.get("id") and data.get("timestamp") else None


def _event(service: str, event: Any, judge: Callable[[Mapping[str, Any]], Failure]) -> ServiceEvent | None:
    kind = _KINDS.get(event.event_type)
    if kind is None:
        return None
    try:
        failed = kind in {MailEvent.BOUNCED, MailEvent.DROPPED}
        failure = judge(event.esp_event) if failed else None
        if failed and event.reject_reason in _MEANINGS:
            failure = Failure(is_permanent=True, means=_MEANINGS[event.reject_reason])
        return make_event(
            kind,
            service=service,
            event_id=_id(service, event),
            names=event.metadata if isinstance(event.metadata, dict) else {},
            message_id=event.message_id,
            # Resend does not say which of several recipients it was, and anymail names the first.
            address="" if service == "resend" else event.recipient,
            at=event.timestamp,
            words=(event.mta_response or event.description) if failed or kind is MailEvent.DEFERRED else "",
            failure=failure,
            whole=event.esp_event,
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
