"""Operations on endpoints: store, give a new secret, test, delete. A secret is shown once, by who made it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils.translation import gettext as _

from mailconfig.conf import get_settings
from mailconfig.delivery import telling
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.webhooks.signing import new_secret
from mailconfig.exceptions import HostNotAllowed, Throttled
from mailconfig.http_urls import InvalidUrl, check_url
from mailconfig.models import (
    MOST_ENDPOINTS,
    DeliveryState,
    EventKind,
    Tenant,
    WebhookDelivery,
    WebhookEndpoint,
)
from mailconfig.transports.network.gate import vet_host
from mailconfig.values import Secret

EARLIER_SECRET_HOURS = 24
"""So long everything is signed by the secret before as well."""
TESTS_PER_HOUR = 10
HOUR = 3600
_WRITTEN = ("url", "description", "kinds", "is_enabled")
"""What is a person's; the rest is noted by workers meanwhile."""
_NOTED = {"failures": 0, "failing_since": None, "problem": "", "http_status": None, "rest_until": None}


def check_webhook_url(value: str) -> None:
    """Let pass a URL that may be told events, as far as its text tells. Nothing is looked up.

    Raises:
        ValidationError: it begins with something else than ``https://``, or names a host or a port that nobody's URL may.
    """
    settings = get_settings()
    try:
        url = check_url(value, plain_http=settings.allow_plain_http)
        vet_host(url.host, url.port, settings.webhook_policy())
    except (InvalidUrl, HostNotAllowed):
        words = _("Enter the address of a public server, such as https://hooks.example.com/mail.")
        raise ValidationError(words, code="host_not_allowed") from None


def save_webhook(*, endpoint: WebhookEndpoint, changed: Collection[str] | None = None) -> Secret | None:
    """Store an endpoint. One that is new gets its secret.

    Args:
        endpoint: as a person wants it.
        changed: names of the fields that the person changed; ``None``: all. Others stay as they are by now: an endpoint that a worker
            disabled meanwhile is not enabled again by whoever changes its description.

    Returns:
        The secret of a new one, to be shown once; it can be read nowhere afterwards.

    Raises:
        ValidationError: by field; or the tenant has as many as it may.
    """
    endpoint.full_clean(exclude=["tenant", "secret", "earlier_secret"])
    try:
        check_webhook_url(endpoint.url)
    except ValidationError as error:
        raise ValidationError({"url": error}) from None
    if endpoint._state.adding:
        return _create(endpoint)
    _change(endpoint, [name for name in _WRITTEN if changed is None or name in changed])
    return None


def _create(endpoint: WebhookEndpoint) -> Secret:
    secret = new_secret()
    with transaction.atomic():
        tenants = Tenant.objects.filter(pk=endpoint.tenant_id)
        if connection.features.has_select_for_update:
            tenants = tenants.select_for_update()
        list(tenants)  # of two that add one at the same time, the second counts the first's
        if WebhookEndpoint.objects.filter(tenant_id=endpoint.tenant_id).count() >= MOST_ENDPOINTS:
            words = _("A tenant has at most %(most)d webhooks.") % {"most": MOST_ENDPOINTS}
            raise ValidationError(words, code="too_many")
        endpoint.secret = secret
        endpoint.save()
    telling.forget()
    return secret


def _change(endpoint: WebhookEndpoint, changed: list[str]) -> None:
    with transaction.atomic():
        rows = WebhookEndpoint.objects.filter(pk=endpoint.pk)
        if connection.features.has_select_for_update:
            rows = rows.select_for_update()
        before = rows.values(*_WRITTEN, "disabled_reason", "disabled_at").first()
        if before is None:
            return
        for name, value in before.items():
            if name not in changed:
                setattr(endpoint, name, value)
        starts_anew = endpoint.is_enabled and not (before["is_enabled"] and before["url"] == endpoint.url)
        if endpoint.is_enabled:
            endpoint.disabled_reason, endpoint.disabled_at = "", None
        elif before["is_enabled"]:
            endpoint.disabled_reason, endpoint.disabled_at = "", database_now()
        endpoint.save(update_fields=[*changed, "disabled_reason", "disabled_at", "updated_at"])
        if starts_anew:
            WebhookEndpoint.objects.filter(pk=endpoint.pk).update(**_NOTED)
            endpoint.refresh_from_db(fields=list(_NOTED))
            endpoint.deliveries.filter(state=DeliveryState.WAITING).update(due_at=database_now())
    telling.forget()


def rotate_webhook_secret(*, endpoint: WebhookEndpoint) -> Secret:
    """Give an endpoint a new secret. For a day everything is signed by the one before as well.

    Returns:
        The new one, to be shown once; it can be read nowhere afterwards.
    """
    secret = new_secret()
    with transaction.atomic():
        rows = WebhookEndpoint.objects.filter(pk=endpoint.pk)
        if connection.features.has_select_for_update:
            rows = rows.select_for_update()
        stored = rows.get()
        stored.earlier_secret, stored.secret = stored.secret, secret
        stored.earlier_secret_until = database_now() + timedelta(hours=EARLIER_SECRET_HOURS)
        stored.save(update_fields=["secret", "earlier_secret", "earlier_secret_until", "updated_at"])
    # An endpoint whose secret could not be read rests because of that.
    WebhookEndpoint.objects.filter(pk=endpoint.pk, failures=0).update(rest_until=None, problem="")
    endpoint.refresh_from_db()
    return secret


def send_test_event(*, endpoint: WebhookEndpoint) -> WebhookDelivery:
    """Have a worker send an endpoint a test; what comes of it stands with its deliveries.

    Raises:
        ValidationError: the endpoint is disabled.
        Throttled: it was tested too often.
    """
    if not endpoint.is_enabled:
        raise ValidationError(_("This webhook is disabled."), code="disabled")
    since = database_now() - timedelta(seconds=HOUR)
    if endpoint.deliveries.filter(kind=EventKind.TEST, created_at__gt=since).count() >= TESTS_PER_HOUR:
        raise Throttled(_("This webhook was tested too often. Wait an hour."), retry_after=HOUR)
    row = WebhookDelivery.objects.create(endpoint=endpoint, kind=EventKind.TEST, data={"test": True})
    row.refresh_from_db()
    # Who asks for a test has mended something, and does not wait until an endpoint that failed has rested.
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(rest_until=None)
    return row


def delete_webhook(*, endpoint: WebhookEndpoint) -> None:
    """Delete an endpoint and what waits for it. A request that is under way is the last one."""
    endpoint.delete()
    telling.forget()
