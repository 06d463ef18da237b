"""A mailbox that sends by SendGrid, a mail that it sent, and the service's reports."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from mailconfig.models import EventWebhook, Mailbox, Message, MessageState
from tests.factories import make_mailbox, make_message

from .signing import Signer, octets_of

TO = "them@example.net"
_numbers = itertools.count(1)


@pytest.fixture
def mailbox() -> Mailbox:
    return make_mailbox(send_method="sendgrid")


@pytest.fixture
def webhook(mailbox: Mailbox) -> EventWebhook:
    return EventWebhook.objects.get(account=mailbox)


@pytest.fixture
def signer(webhook: EventWebhook) -> Signer:
    """Whose key the mailbox has."""
    found = Signer()
    webhook.public_key = found.public_key
    webhook.full_clean()
    webhook.save()
    return found


@pytest.fixture
def message(mailbox: Mailbox) -> Message:
    return sent(mailbox)


def sent(account: Any, *, to: list[str] | None = None, **values: Any) -> Message:
    """A message that the account has sent."""
    at = timezone.now()
    return make_message(
        account, to=to or [TO], **{"state": MessageState.SENT, "settled_at": at, "body": None, **values}
    )


def event_of(message: Message, event: str, **values: Any) -> dict[str, Any]:
    """An event as SendGrid reports it; each is another one."""
    return {
        "email": TO,
        "timestamp": int(time.time()) - 5,
        "event": event,
        "sg_event_id": f"event-{next(_numbers)}",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
        "mailconfig_id": str(message.uuid),
        **values,
    }


def post(
    webhook: EventWebhook,
    body: bytes | list[Any],
    *,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json; charset=utf-8",
) -> Any:
    """Send a report to a webhook."""
    octets = body if isinstance(body, bytes) else octets_of(body)
    return Client(enforce_csrf_checks=True).post(
        f"/webhooks/{webhook.service}/{webhook.token}",
        data=octets,
        content_type=content_type,
        headers=dict(headers or {}),
    )
