"""Addresses at which mail services report: made, told, replaced; and what came in, on the mail's page."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from mailconfig.models import EventWebhook, MessageEvent
from tests.factories import make_account, make_message
from tests.integration.webhooks.signing import Signer

from .conftest import permitted
from .pages import admin_url

pytestmark = pytest.mark.django_db

KEY = "not-a-real-signing-key"


def test_an_address_is_made_told_signed_and_replaced(client: Client, settings: Settings) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "PUBLIC_BASE_URL": "https://mail.example.com"}
    account, signer = make_account(), Signer()
    url = admin_url("eventwebhook", "add")
    refused = client.post(url, {"account": account.pk, "service": "sendgrid", "public_key": "none"})
    assert "Enter the verification key" in refused.content.decode()
    assert client.post(url, {"account": account.pk, "service": "mailgun", "secret": KEY}).status_code == 302
    webhook = EventWebhook.objects.get()
    page = admin_url("eventwebhook", "change", webhook.pk)
    assert webhook.demands_signature
    assert KEY not in client.get(page).content.decode()
    assert f"https://mail.example.com/webhooks/mailgun/{webhook.token}" in client.get(page).content.decode()
    assert client.post(page, {"clear_secret": "on", "public_key": ""}).status_code == 302
    assert not EventWebhook.objects.get().demands_signature
    refused = client.post(page, {"public_key": signer.public_key})
    assert "Only SendGrid signs" in refused.content.decode()

    client.post(
        admin_url("eventwebhook", "changelist"), {"action": "replace", "_selected_action": [webhook.pk]}
    )

    now = EventWebhook.objects.get()
    assert now.token != webhook.token
    of_account = admin_url("outboundemail", "change", account.pk)
    assert now.token in client.get(of_account).content.decode()
    viewer = permitted("bob", "view_eventwebhook", "view_outboundemail")
    for address in (page, of_account, admin_url("eventwebhook", "changelist")):
        answer = viewer.get(address)
        assert answer.status_code == 200
        assert now.token not in answer.content.decode()


def test_a_mails_page_shows_what_was_reported(client: Client) -> None:
    message = make_message(make_account())
    MessageEvent.objects.create(
        message=message,
        key="1",
        address="to@example.net",
        kind="bounced",
        at=timezone.now(),
        text="550 <b>no",
    )

    page = client.get(admin_url("message", "change", message.pk)).content.decode()

    assert "What the mail service reported" in page
    assert "550 &lt;b&gt;no" in page
