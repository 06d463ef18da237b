"""A report as it comes in: who signed it, and which events are in it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from django.db import transaction
from django.db.models import Q

from mailconfig.delivery.clock import database_now
from mailconfig.delivery.events.taking import CHUNK, EventsReport, take_events
from mailconfig.exceptions import EventsRefused, SecretUnreadable
from mailconfig.incoming.service_events import others, sendgrid
from mailconfig.incoming.service_events.bodies import MOST_OCTETS, read_json
from mailconfig.incoming.service_events.signatures import check_mailgun, check_resend, check_sendgrid
from mailconfig.models import EventService, EventWebhook
from mailconfig.secrets.fields import SealedSecret
from mailconfig.values import EventsFault

if TYPE_CHECKING:
    from mailconfig.incoming.service_events.event import ServiceEvent

logger = logging.getLogger("mailconfig.events")

REFUSAL_SECONDS: Final = 60.0
"""Refusals are noted no more often than so: whoever knows the address may send as many as they like."""
_JSON = re.compile(r"application/(?:[\w.-]+\+)?json", re.ASCII | re.IGNORECASE)


def receive_events(
    *, webhook: EventWebhook, body: bytes, content_type: str, headers: Mapping[str, str]
) -> EventsReport:
    """Take what a mail service reports. Not to be called inside a transaction: each few hundred events are one of their own.

    What fails in the middle may be reported again as a whole: no event counts twice.

    Args:
        webhook: as :func:`~.webhooks.find_event_webhook` returned it.
        body: as it was received; of one that is too long a mebibyte and an octet are enough.
        content_type: without parameters.
        headers: of the request, found in any case.

    Raises:
        EventsRefused: nothing of it counts.
    """
    now = getattr(webhook, "asked_at", None) or database_now()
    try:
        events = _read(webhook, body, content_type, headers, now)
    except EventsRefused as error:
        logger.warning("a report to event webhook %s does not count: %s", webhook.pk, error.fault)
        _note_refusal(webhook, error.fault, now)
        raise
    report = EventsReport()
    while chunk := list(islice(events, CHUNK)):
        with transaction.atomic():
            report += take_events(webhook, chunk, now=now)
    logger.info(
        "event webhook %s: %s events, %s stored, %s known, %s of no message of the account, %s not read",
        webhook.pk,
        report.events,
        report.stored,
        report.known,
        report.foreign,
        report.unread,
    )
    return report


def _read(
    webhook: EventWebhook, body: bytes, content_type: str, headers: Mapping[str, str], now: datetime
) -> Iterator[ServiceEvent | None]:
    if len(body) > MOST_OCTETS:
        raise EventsRefused(EventsFault.TOO_LARGE)
    if not _JSON.fullmatch(content_type):
        raise EventsRefused(EventsFault.MEDIA_TYPE)
    at = now.timestamp()
    if webhook.service == EventService.SENDGRID and webhook.public_key:
        check_sendgrid(webhook.public_key, headers=headers, body=body, now=at)
    if webhook.service == EventService.RESEND and webhook.secret is not None:
        check_resend(_secret_of(webhook), headers=headers, body=body, now=at)
    value: Any = read_json(body)
    if webhook.service == EventService.MAILGUN and webhook.secret is not None:
        check_mailgun(_secret_of(webhook), value=value, now=at)
    if webhook.service == EventService.SENDGRID:
        return iter(sendgrid.read_events(value))
    return iter(others.read_events(webhook.service, body, headers))


def _secret_of(webhook: EventWebhook) -> str:
    sealed = webhook.secret
    try:
        if isinstance(sealed, SealedSecret):
            return sealed.bound_to(webhook.secret_binding("secret")).reveal()
    except SecretUnreadable:
        pass
    raise EventsRefused(EventsFault.KEY_UNREADABLE)


def _note_refusal(webhook: EventWebhook, fault: EventsFault, now: datetime) -> None:
    """Note it for whoever wonders why nothing comes in; a query only once a minute."""
    since = now - timedelta(seconds=REFUSAL_SECONDS)
    if webhook.refused_at is not None and webhook.refused_at > since:
        return
    rows = EventWebhook.objects.filter(Q(refused_at=None) | Q(refused_at__lte=since), pk=webhook.pk)
    rows.update(refused_at=now, refused_because=fault)
