"""Webhooks over REST: the way of the document, from the first call to the last, by host and by path."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from pytest_django import Settings

from mailconfig.models import Tenant, WebhookDelivery, WebhookEndpoint
from tests.factories import make_tenant, make_user
from tests.integration.api.tenant_config.calls import BY_HOST, Route

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

NEW = {"url": "https://hooks.example.com/mail", "events": ["message.settled"], "description": "Orders"}


@pytest.fixture(autouse=True)
def deployment(settings: Settings) -> None:
    """Only public hosts: nothing is connected here."""
    settings.MAILCONFIG = {}


@pytest.fixture
def alice(acme: Tenant) -> User:
    """A member who may all."""
    user = make_user("alice")
    user.user_permissions.set(Permission.objects.filter(codename__endswith="_webhookendpoint"))
    acme.members.add(user)
    return user


def test_a_tenant_keeps_its_webhooks_from_the_first_call_to_the_last(route: Route, alice: User) -> None:
    base = route.config_path.rpartition("/")[0] + "/webhooks"

    def call(method: str, path: str = "", body: Any = b"", *, tenant: str = "acme") -> Any:
        return route.post(alice, base + path, body, method=method, tenant=tenant)

    made = call("POST", body=NEW)
    said = made.json()
    one = f"/{said['id']}"
    secret = said.pop("secret")

    assert (made.status_code, secret[:6]) == (201, "whsec_")
    assert made["Location"].endswith(base.replace("{tenant}", "acme") + one)
    assert call("GET").json() == {"webhooks": [said]}
    assert call("GET", one).json() == said
    tested = call("POST", one + "/test")
    assert (tested.status_code, tested.json()["event"]) == (202, "webhook.test")
    assert call("GET", one + "/deliveries").json() == {"deliveries": [tested.json()]}
    assert call("GET", one).json()["waiting"] == 1
    again = call("POST", one + "/secret")
    assert (again.status_code, again["Cache-Control"]) == (200, "no-store")
    assert again.json()["secret"] not in {secret, ""}
    changed = call("PATCH", one, {"enabled": False}).json()
    assert (changed["enabled"], changed["disabledReason"], changed["events"]) == (False, "", NEW["events"])
    assert call("POST", one + "/test").status_code == 400
    make_tenant(slug="other").members.add(alice)
    for method, path in (("GET", one), ("PATCH", one), ("DELETE", one), ("POST", one + "/secret")):
        assert call(method, path, tenant="other").status_code == 404, "it is another tenant's"
    assert call("DELETE", one).status_code == 204
    assert call("GET").json() == {"webhooks": []}
    assert not WebhookDelivery.objects.exists()


def test_a_refusal_names_the_field_and_what_it_takes(alice: User) -> None:
    path = BY_HOST.config_path.rpartition("/")[0] + "/webhooks"
    for body, words in (
        ({**NEW, "url": "http://hooks.example.com/"}, ("url", "https://")),
        ({**NEW, "url": "https://10.0.0.1/"}, ("url", "public")),
        ({**NEW, "events": ["message.sent"]}, ("events", "message.settled")),
        ({"url": NEW["url"]}, ("events",)),
    ):
        answer = BY_HOST.post(alice, path, body)
        assert answer.status_code == 400, body
        assert all(word in answer.content.decode() for word in words), answer.content
    for _ in range(10):
        assert BY_HOST.post(alice, path, NEW).status_code == 201
    full = BY_HOST.post(alice, path, NEW)
    assert (full.status_code, "at most 10" in full.content.decode()) == (400, True)
    assert WebhookEndpoint.objects.count() == 10
