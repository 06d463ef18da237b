"""Addresses at which mail services report: found by their token, shown, and replaced."""

from __future__ import annotations

from django.db.models import DateTimeField, ExpressionWrapper
from django.db.models.functions import Now
from django.urls import NoReverseMatch, reverse
from django.utils.crypto import constant_time_compare

from mailconfig.delivery.web import public_url
from mailconfig.models import EventService, EventWebhook
from mailconfig.models.event_webhook import digest_of, new_token

LONGEST_TOKEN = 64


def find_event_webhook(*, service: str, token: str) -> EventWebhook | None:
    """Return the address with this token, its account beside it; ``None``: there is none, or its account was deleted.

    It takes one query, and as long for a token that is nearly right as for any other.
    """
    if service not in EventService.values or len(token) > LONGEST_TOKEN:
        return None
    rows = EventWebhook.objects.select_related("account").defer("account__secret")
    rows = rows.annotate(asked_at=ExpressionWrapper(Now(), output_field=DateTimeField()))
    webhook = rows.filter(
        token_digest=digest_of(token), service=service, account__deleted_at__isnull=True
    ).first()
    return webhook if webhook is not None and constant_time_compare(webhook.token, token) else None


def event_webhook_url(webhook: EventWebhook) -> str:
    """Return the address as the service has to be told it; ``""``: the deployment does not say where the world reaches it."""
    try:
        return public_url(reverse("mailconfig-event-webhook", args=[webhook.service, webhook.token]))
    except NoReverseMatch:  # the project has not included it
        return ""


def rotate_event_webhook(*, webhook: EventWebhook) -> None:
    """Give it another token. What is sent to the old address is refused from now on."""
    webhook.token = new_token()
    webhook.save(update_fields=["token"])
