"""A form that was open while a worker wrote the same row stores what the person changed, and nothing of what it showed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client, RequestFactory
from django.utils import timezone

from mailconfig.admin.event_webhooks import EventWebhookAdmin
from mailconfig.delivery import rotate_event_webhook, save_webhook
from mailconfig.models import (
    EventWebhook,
    Lane,
    OAuth2Grant,
    OutboundEmail,
    WaitReason,
    WebhookEndpoint,
)
from mailconfig.values import Secret
from tests.factories import make_account, make_mailbox, make_oauth2_grant, make_tenant

from .pages import admin_url, entered

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

NOW = timezone.now()


@dataclass(frozen=True)
class Case:
    """A form, what the machine writes while it is open, and what a person changes."""

    page: str
    make: Callable[[], Model]
    changes: dict[str, Any]
    writes: dict[str, Any]
    """Columns, by the machine."""
    of: Callable[[Model], Any] = lambda row: type(row)._default_manager.filter(pk=row.pk)
    """The rows that it writes."""

    def __str__(self) -> str:
        return f"{self.page}-{'-'.join(self.writes)}"


def webhook() -> WebhookEndpoint:
    endpoint = WebhookEndpoint(
        tenant=make_tenant(), url="https://hooks.example.com/", kinds=["message.settled"]
    )
    save_webhook(endpoint=endpoint)
    return endpoint


def event_webhook() -> EventWebhook:
    account = make_account(send_method="sendgrid", host="", authentication="password", secret=None)
    return EventWebhook.objects.get_or_create(account=account, service="mailgun")[0]


def by_app() -> OutboundEmail:
    account = make_account(
        name="By app", authentication="oauth2", username="me@example.com", host="smtp.office365.com", port=587,
        security="starttls", secret=None,
    )  # fmt: skip
    make_oauth2_grant(account)
    return OutboundEmail.objects.get(pk=account.pk)


def lanes_of(row: Model) -> Any:
    return Lane.objects.filter(account_id=row.pk)


SENT_NOW = {
    "wait_reason": WaitReason.PAUSED_LOGIN,
    "paused_at": NOW,
    "last_error_text": "535",
    "session_mails": 7,
    "last_success_at": NOW,
}
CASES = [
    Case(
        "webhookendpoint",
        webhook,
        {"description": "Orders"},
        {"is_enabled": False, "disabled_reason": "failing", "disabled_at": NOW, "failures": 9},
    ),
    Case(
        "webhookendpoint",
        webhook,
        {"kinds": ["account.paused"]},
        {"problem": "timeout", "dropped": 4, "http_status": 500, "rest_until": NOW},
    ),
    Case(
        "eventwebhook",
        event_webhook,
        {"secret": "not-a-real-signing-key"},
        {"token": "another", "token_digest": "a" * 64, "taken": 12, "received_at": NOW, "refused_because": "old"},
    ),
    Case("mailbox", make_mailbox, {"name": "Renamed"}, SENT_NOW, lanes_of),
    Case("outboundemail", lambda: OutboundEmail.objects.get(pk=make_account().pk), {"name": "Renamed"}, SENT_NOW, lanes_of),
    Case(
        "outboundemail",
        by_app,
        {"name": "Renamed"},
        {"refresh_token": None, "scopes": "mail", "connected_at": NOW},
        lambda row: OAuth2Grant.objects.filter(account_id=row.pk),
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_a_worker_wrote_while_a_form_was_open_stays(client: Client, case: Case) -> None:
    row = case.make()
    page = admin_url(case.page, "change", row.pk)
    data = entered(client, page) | case.changes
    case.of(row).update(**case.writes)

    answer = client.post(page, data)

    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert case.of(row).values(*case.writes).get() == case.writes
    row.refresh_from_db()
    for name, value in case.changes.items():
        assert name == "secret" or getattr(row, name) == value


def test_who_enables_a_webhook_that_was_disabled_enables_it_and_who_has_an_old_page_is_told(
    client: Client,
) -> None:
    endpoint = webhook()
    page = admin_url("webhookendpoint", "change", endpoint.pk)
    old = entered(client, page)
    WebhookEndpoint.objects.update(is_enabled=False, disabled_reason="gone")

    stale = client.post(page, old, follow=True)
    assert "disabled while you had its page open" in stale.content.decode()
    endpoint.refresh_from_db()
    assert not endpoint.is_enabled

    shown = client.get(page).content.decode()
    assert '<input type="hidden" name="initial-is_enabled" value="False"' in shown
    client.post(page, entered(client, page, is_enabled="on"))
    endpoint.refresh_from_db()
    assert (endpoint.is_enabled, endpoint.disabled_reason) == (True, "")
    client.post(page, entered(client, page, is_enabled=None))
    endpoint.refresh_from_db()
    assert (endpoint.is_enabled, endpoint.disabled_reason) == (False, "")


def test_an_address_that_is_replaced_while_its_keys_are_stored_stays_the_new_one(alice: User) -> None:
    webhook = event_webhook()
    read_before = EventWebhook.objects.get(pk=webhook.pk)
    rotate_event_webhook(webhook=webhook)
    EventWebhook.objects.update(taken=5)
    read_before.secret = Secret("not-a-real-signing-key")

    request = RequestFactory().post("/")
    request.user = alice
    EventWebhookAdmin(EventWebhook, admin.site).save_model(request, read_before, None, change=True)

    webhook.refresh_from_db()
    assert (webhook.token, webhook.taken, webhook.demands_signature) == (webhook.token, 5, True)
    assert webhook.token != read_before.token
