"""How an account sends, chosen on its page: by a mail server, or by a mail service with its key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from mailconfig.mail_services import MAIL_SERVICES
from mailconfig.models import Account, Mailbox
from mailconfig.transports import registry
from tests.servers.services import KEY, ServiceServer

from .pages import admin_url, entered, values

pytestmark = pytest.mark.django_db(transaction=True)

BY_SERVICE: dict[str, Any] = {"send_method": "sendgrid", "host": None, "security": "tls", "username": None}


@pytest.fixture
def server(settings: Settings) -> Iterator[ServiceServer]:
    with ServiceServer() as server:
        settings.MAILCONFIG = {
            **settings.MAILCONFIG,
            "ALLOWED_NETWORKS": ["127.0.0.0/8"],
            "WEB_PORTS": None,
            "ALLOW_PLAIN_HTTP": True,
            "SEND_API_URLS": {name: server.url(name) for name in ("sendgrid", "postmark")},
        }
        yield server


def page(client: Client, kind: str) -> Any:
    return client.get(admin_url(kind, "add")).context["adminform"].form


def save(client: Client, kind: str, **changes: Any) -> dict[str, list[str]]:
    """Save the form of a new account; returns what it complains of."""
    url = admin_url(kind, "add")
    answer = client.post(url, entered(client, url, **values(443, **changes)))
    if answer.status_code == 302:
        return {}
    return {name: list(errors) for name, errors in answer.context["adminform"].form.errors.items()}


def test_a_service_is_proved_with_its_key_and_stored(client: Client, server: ServiceServer) -> None:
    assert save(client, "smtpprovider", **BY_SERVICE, secret="SG.a-wrong-key") == {
        "secret": ["The service refused the API key. " + WRONG_KEY]
    }
    assert not Account.objects.exists()

    assert save(client, "smtpprovider", **BY_SERVICE, secret=KEY) == {}

    account = Account.objects.get()
    assert (account.send_method, account.host, account.username) == ("sendgrid", "", "")
    assert account.lane.last_success_at is None
    assert server.mails == []


WRONG_KEY = "Check the key: it may have been copied in part, revoked, or be of another service or region."


def test_a_mailbox_has_its_key_beside_its_password(client: Client, server: ServiceServer) -> None:
    assert set(save(client, "mailbox", **BY_SERVICE, secret=None)) == {"sendgrid_secret"}
    assert save(client, "mailbox", **BY_SERVICE, secret=None, sendgrid_secret=KEY) == {}

    mailbox = Mailbox.objects.get()
    assert mailbox.send_method == "sendgrid"
    assert mailbox.transport_settings().secret is not None
    assert mailbox.secret is None


def test_the_page_says_what_a_service_calls_its_settings(client: Client, server: ServiceServer) -> None:
    form = page(client, "smtpprovider")
    offered = dict(form.fields["send_method"].choices)
    assert offered["smtp"] == "mail server (SMTP)"
    assert {"sendgrid", "mailgun", "postmark", "resend", "brevo", "mailjet"} <= set(offered)
    notes = json.loads(
        form.fields["send_method"].widget.get_context("send_method", "smtp", {})["widget"]["attrs"][
            "data-services"
        ]
    )
    assert "User name: the API key." in notes["mailjet"]
    assert (
        "Password: the secret key. In its console: Account settings → API Key Management." in notes["mailjet"]
    )
    assert "api.eu.sendgrid.com" in notes["sendgrid"]

    form = page(client, "mailbox")
    assert {"smtp", "sendgrid"} <= set(dict(form.fields["send_method"].choices))
    assert "postmark" not in dict(form.fields["send_method"].choices)


def test_a_mail_service_is_chosen_by_its_own_interface_too(client: Client, server: ServiceServer) -> None:
    """It fills in the form, and the send method is what is stored."""
    widget = page(client, "smtpprovider").fields["preset"]
    offered = dict(widget.choices)
    assert offered["postmark_http"] == "Postmark, by its own interface"
    assert {f"{name}_http" for name in MAIL_SERVICES} <= set(offered)
    filled = json.loads(widget.widget.get_context("preset", "", {})["widget"]["attrs"]["data-presets"])
    assert filled["postmark_http"] == {
        "host": "",
        "port": 443,
        "security": "tls",
        "send_method": "postmark",
        "note": "",
    }
    of_mailbox = dict(page(client, "mailbox").fields["preset"].choices)
    assert [name for name in of_mailbox if name.endswith("_http")] == ["sendgrid_http"]

    assert save(client, "smtpprovider", **BY_SERVICE, preset="sendgrid_http", secret=KEY) == {}
    account = Account.objects.get()
    assert (account.send_method, account.preset) == ("sendgrid", "")


def test_where_no_service_is_installed_there_is_nothing_to_choose(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_registered", {})
    monkeypatch.setattr(registry, "is_mail_service", lambda _name: False)

    form = page(client, "mailbox")
    assert "send_method" not in form.fields
    assert not [name for name in dict(form.fields["preset"].choices) if name.endswith("_http")]
    # Gmail's own interface needs nothing that could be missing.
    offered = dict(page(client, "smtpprovider").fields["send_method"].choices)
    assert set(offered) == {"smtp", "gmail_api"}
