"""Events of SendGrid, as its event webhook reports them (Twilio SendGrid, "Event Webhook Reference").

django-anymail reads them as well, but has given up SendGrid, and fails as a whole where one of a thousand events is odd.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from mailconfig.exceptions import EventsRefused
from mailconfig.values import EventsFault, MailEvent

from .event import Failure, ServiceEvent, make_event

SERVICE: Final = "sendgrid"
_KINDS: Final = {
    "processed": MailEvent.PROCESSED,
    "deferred": MailEvent.DEFERRED,
    "delivered": MailEvent.DELIVERED,
    "bounce": MailEvent.BOUNCED,
    "dropped": MailEvent.DROPPED,
    "open": MailEvent.OPENED,
    "click": MailEvent.CLICKED,
    "spamreport": MailEvent.COMPLAINED,
    "unsubscribe": MailEvent.OPTED_OUT,
    "group_unsubscribe": MailEvent.OPTED_OUT,
}
_BOUNCES: Final = {"bounce": Failure(is_permanent=True, is_about_address=True)}
"""By type. Others (blocked, expired) are of this message: the address may well take the next one."""
_DROPS: Final = {
    "bounced address": Failure(is_permanent=True, is_about_address=True),
    "invalid": Failure(is_permanent=True, is_about_address=True),
    "spam reporting address": Failure(is_permanent=True, means=MailEvent.COMPLAINED),
    "unsubscribed address": Failure(is_permanent=True, means=MailEvent.OPTED_OUT),
}
"""By reason. Others (spam content, a full account) are of this message."""
_OF_MESSAGE: Final = Failure(is_permanent=True)


def read_events(value: Any) -> Iterator[ServiceEvent | None]:
    """Yield the events of a report; ``None`` for each that cannot be read, or of which nothing is kept.

    Raises:
        EventsRefused: it is no list.
    """
    if not isinstance(value, list):
        raise EventsRefused(EventsFault.MALFORMED)
    return map(_event, value)


def _event(value: Any) -> ServiceEvent | None:
    name = value.get("event") if isinstance(value, dict) else None
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        return None
    words = value.get("reason") or value.get("response")
    try:
        return make_event(
            kind,
            service=SERVICE,
            event_id=value.get("sg_event_id"),
            names=value,
            message_id=value.get("smtp-id"),
            address=value.get("email"),
            at=value.get("timestamp"),
            code=value.get("status"),
            words=words if kind in {MailEvent.BOUNCED, MailEvent.DROPPED, MailEvent.DEFERRED} else "",
            failure=_failure(kind, value),
            whole=value,
        )
    except ValueError:
        return None


def _failure(kind: MailEvent, value: dict[str, Any]) -> Failure | None:
    if kind is MailEvent.BOUNCED:
        return _BOUNCES.get(_lower(value.get("type")), _OF_MESSAGE)
    if kind is MailEvent.DROPPED:
        return _DROPS.get(_lower(value.get("reason")), _OF_MESSAGE)
    return None


def _lower(value: object) -> str:
    return value.strip().lower() if isinstance(value, str) else ""
