"""Gmail's own interface on the pages of accounts: who sends by it, and which mailbox it reads."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from mailconfig.models import Account, Mailbox, OAuth2Client
from tests.factories import make_oauth2_client

from .pages import admin_url, entered, values

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database]


@pytest.fixture
def app() -> OAuth2Client:
    return make_oauth2_client(provider="google", directory="")


def save(client: Client, url: str, **changes: Any) -> dict[str, list[str]]:
    """Save the form; returns what it complains of."""
    answer = client.post(url, entered(client, url, **changes))
    if answer.status_code == 302:
        return {}
    return {name: list(errors) for name, errors in answer.context["adminform"].form.errors.items()}


def typed(app: OAuth2Client, **changes: Any) -> dict[str, Any]:
    """What a person enters who lets somebody sign in."""
    login = {"authentication": "oauth2", "oauth2_client": app.pk, "oauth2_grant_type": "authorization_code"}
    return values(465, **{**login, "host": None, "security": "tls", "secret": None, **changes})


def test_an_account_sends_by_it_with_an_app_registration_alone(client: Client, app: OAuth2Client) -> None:
    url = admin_url("smtpprovider", "add")
    password = {"oauth2_client": None, "oauth2_grant_type": None, "authentication": "password"}
    assert set(
        save(client, url, **typed(app, **password, secret="no-password", send_method="gmail_api"))
    ) == {"authentication"}

    assert save(client, url, **typed(app, send_method="gmail_api")) == {}

    account = Account.objects.get()
    assert (account.send_method, account.host, account.oauth2_grant.client) == ("gmail_api", "", app)
    assert account.transport_settings().host == "gmail.googleapis.com"


def test_a_mailbox_is_read_by_it_and_by_imap_again(client: Client, app: OAuth2Client) -> None:
    url = admin_url("mailbox", "add")
    assert save(client, url, **typed(app, host="smtp.gmail.com", reads_by_gmail="on")) == {}
    mailbox = Mailbox.objects.get()
    assert (mailbox.sync_method, mailbox.send_method) == ("gmail_api", "smtp")
    assert mailbox.sync_settings().host == "gmail.googleapis.com"

    url = admin_url("mailbox", "change", mailbox.pk)
    assert save(client, url, name="Renamed") == {}
    assert Mailbox.objects.get().sync_method == "gmail_api"
    assert save(client, url, reads_by_gmail=None, imap_host="imap.gmail.com", imap_port=993) == {}
    assert Mailbox.objects.get().sync_method == "imap"
    assert save(client, url, imap_host=None, imap_port=None) == {}
    assert Mailbox.objects.get().sync_method == ""
