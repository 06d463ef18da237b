"""Mailboxes that Gmail's own interface reads: what a client says of them, and what testing their sync tells."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from mailconfig.models import Mailbox, OAuth2Token
from mailconfig.values import Secret
from tests.factories import make_oauth2_client, make_oauth2_grant
from tests.servers.authority import Authority
from tests.servers.gmail import ADDRESS, ALL, DOCUMENTED, FakeGmail

from .calls import changed, data_of, made, refusals, send

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database]


@pytest.fixture
def authority() -> Iterator[Authority]:
    with Authority() as found:
        found.register("app", "not-a-real-app-secret")
        yield found


class Gmail(FakeGmail):
    """Takes the tokens that the authority gave out for its address."""

    def __init__(self, authority: Authority) -> None:
        super().__init__()
        self.authority = authority

    def rights_of(self, token: str) -> tuple[str, ...] | None:
        return (ALL,) if self.authority.accepts(ADDRESS, token) else None


@pytest.fixture
def gmail(authority: Authority, settings: Settings) -> Iterator[Gmail]:
    with Gmail(authority) as found:
        settings.MAILCONFIG = {
            **settings.MAILCONFIG,
            "WEB_PORTS": None,
            "ALLOW_PLAIN_HTTP": True,
            "OAUTH2_AUTHORITIES": {"google": authority.url("")},
            "SEND_API_URLS": {"gmail_api": found.url},
        }
        yield found


def test_a_mailbox_is_tested_once_it_is_connected(
    api: APIClient, gmail: FakeGmail, authority: Authority
) -> None:
    shown = made(api, email=ADDRESS, smtpHost=None, imapHost=None, syncMethod="gmail_api")
    key = shown["id"]
    assert shown["attributes"]["syncMethod"] == "gmail_api"
    # A password is no login there: the admin chooses an app registration, and somebody connects it.
    assert refusals(send(api, "POST", f"/{key}/actions/testSync")) == {
        "/data/attributes/username": "validationError"
    }
    assert gmail.asked == []

    mailbox = Mailbox.objects.get()
    mailbox.authentication, mailbox.username = "oauth2", ADDRESS
    mailbox.save()
    app = make_oauth2_client(
        client_id="app", secret=Secret("not-a-real-app-secret"), provider="google", directory=""
    )
    make_oauth2_grant(mailbox, client=app, refresh_token=Secret(authority.agree(ADDRESS)))

    stamps = data_of(send(api, "POST", f"/{key}/actions/testSync"))["attributes"]
    assert stamps["syncSuccessAt"] is not None
    assert gmail.asked[0] == "getProfile"
    assert {header["authorization"] for header in gmail.headers} == {
        f"Bearer {token}" for token in authority.access_tokens
    }
    assert OAuth2Token.objects.count() == 1

    gmail.faults["getProfile"] = DOCUMENTED["accessNotConfigured"]
    refused = changed(api, key, validateSync=True)
    assert refusals(refused) == {"/data/attributes/validateSync": "validationError"}
    assert "Gmail API" in refused.json()["errors"][0]["detail"]
