"""Pages of webhooks: a secret is shown once, a tenant's pages are its own, and what was disabled is said."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from mailconfig.delivery import save_webhook
from mailconfig.models import DisabledReason, Tenant, WebhookDelivery, WebhookEndpoint
from tests.factories import make_tenant

from .conftest import permitted
from .pages import admin_url

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

URL = "https://hooks.example.com/mail"
MAY = tuple(f"{verb}_webhookendpoint" for verb in ("view", "add", "change", "delete"))


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant(slug="acme")


def make_webhook(tenant: Tenant, **values: Any) -> tuple[WebhookEndpoint, str]:
    endpoint = WebhookEndpoint(tenant=tenant, url=URL, kinds=["message.settled"], **values)
    secret = save_webhook(endpoint=endpoint)
    assert secret is not None
    return endpoint, secret.reveal()


def test_the_secret_of_a_webhook_is_shown_when_it_is_made_and_never_again(
    client: Client, tenant: Tenant
) -> None:
    data = {
        "tenant": tenant.pk,
        "url": URL,
        "kinds": ["message.settled", "account.paused"],
        "is_enabled": "on",
    }

    page = client.post(admin_url("webhookendpoint", "add"), data)

    endpoint = WebhookEndpoint.objects.get()
    assert endpoint.secret is not None
    first = endpoint.secret.bound_to(endpoint.secret_binding("secret")).reveal()  # type: ignore[attr-defined]
    assert page.status_code == 200
    assert first in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    assert (endpoint.kinds, endpoint.is_enabled) == (["message.settled", "account.paused"], True)

    page = client.post(admin_url("webhookendpoint", "secret", endpoint.pk))
    endpoint.refresh_from_db()
    second = endpoint.secret.bound_to(endpoint.secret_binding("secret")).reveal()  # type: ignore[attr-defined]
    assert second != first
    assert second in page.content.decode()
    assert first not in page.content.decode()
    client.post(admin_url("webhookendpoint", "test", endpoint.pk))
    assert WebhookDelivery.objects.get().kind == "webhook.test"
    for address in (
        admin_url("webhookendpoint", "change", endpoint.pk),
        admin_url("webhookendpoint", "changelist"),
    ):
        text = client.get(address).content.decode()
        assert "whsec" not in text
        assert URL in text
    assert "whsec" not in str(list(LogEntry.objects.values_list("change_message", flat=True)))
    assert client.get(admin_url("webhookendpoint", "secret", endpoint.pk)).status_code == 405


def test_what_may_not_be_called_is_refused_at_its_field(client: Client, tenant: Tenant) -> None:
    data = {"tenant": tenant.pk, "url": "https://127.0.0.1/", "kinds": ["message.settled"]}

    page = client.post(admin_url("webhookendpoint", "add"), data)
    empty = client.post(admin_url("webhookendpoint", "add"), {"tenant": tenant.pk, "url": URL})

    assert "url" in page.context["adminform"].form.errors
    assert "kinds" in empty.context["adminform"].form.errors
    assert not WebhookEndpoint.objects.exists()


def test_a_tenants_webhooks_are_its_members_affair(tenant: Tenant) -> None:
    endpoint, _secret = make_webhook(tenant)
    member, stranger = permitted("member", *MAY), permitted("stranger", *MAY)
    tenant.members.add(User.objects.get(username="member"))
    make_tenant().members.add(User.objects.get(username="stranger"))
    address = admin_url("webhookendpoint", "change", endpoint.pk)

    assert member.get(address).status_code == 200
    assert stranger.get(address).status_code == 302
    assert stranger.post(admin_url("webhookendpoint", "secret", endpoint.pk)).status_code == 404
    data = {"tenant": tenant.pk, "url": URL, "kinds": ["message.settled"]}
    page = stranger.post(admin_url("webhookendpoint", "add"), data)
    assert "tenant" in page.context["adminform"].form.errors


def test_a_webhook_that_was_disabled_is_said_until_it_is_enabled_again(
    client: Client, tenant: Tenant
) -> None:
    endpoint, _secret = make_webhook(tenant, description="Orders")
    index = reverse("admin:app_list", args=["mailconfig"])
    WebhookEndpoint.objects.update(is_enabled=False, disabled_reason=DisabledReason.FAILING)

    assert "Webhooks were disabled" in client.get(index).content.decode()
    data = {"url": URL, "description": "Orders", "kinds": ["message.settled"], "is_enabled": "on"}
    client.post(admin_url("webhookendpoint", "change", endpoint.pk), data)

    endpoint.refresh_from_db()
    assert (endpoint.is_enabled, endpoint.disabled_reason) == (True, "")
    assert "Webhooks were disabled" not in client.get(index).content.decode()


def test_the_page_that_asks_before_it_deletes_names_no_event(client: Client, tenant: Tenant) -> None:
    """There may be a million, all of which were loaded and drawn."""
    endpoint, _secret = make_webhook(tenant, description="Orders")
    event = WebhookDelivery.objects.create(endpoint=endpoint, kind="message.settled")

    for page in (
        client.get(admin_url("webhookendpoint", "delete", endpoint.pk)),
        client.post(
            admin_url("webhookendpoint", "changelist"),
            {"action": "delete_selected", "_selected_action": endpoint.pk},
        ),
    ):
        assert "Orders" in page.content.decode()
        assert str(event.event_id) not in page.content.decode()
    client.post(admin_url("webhookendpoint", "delete", endpoint.pk), {"post": "yes"})

    assert not WebhookEndpoint.objects.exists()
    assert not WebhookDelivery.objects.exists()
