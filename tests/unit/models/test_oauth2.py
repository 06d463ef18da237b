"""App registrations and grants: where tokens come from, and whose they are."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from mailconfig.delivery import delete_account
from mailconfig.models import Account, OAuth2Client, OAuth2Grant, OAuth2Token
from mailconfig.models.oauth2 import CLIENT_SECRET
from mailconfig.models.oauth2_grant import ACCESS_TOKEN, REFRESH_TOKEN, grant_of
from mailconfig.values import Secret
from tests.factories import (
    make_account,
    make_mailbox,
    make_oauth2_client,
    make_oauth2_grant,
    make_tenant,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("values", "token_url", "scopes"),
    [
        (
            {"provider": "microsoft", "directory": "contoso.example"},
            "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token",
            "https://outlook.office.com/SMTP.Send offline_access",
        ),
        (
            {"provider": "microsoft"},
            "https://login.microsoftonline.com/common/oauth2/v2.0/token",
            "https://outlook.office.com/SMTP.Send offline_access",
        ),
        ({"provider": "google"}, "https://oauth2.googleapis.com/token", "https://mail.google.com/"),
        (
            {"provider": "google", "token_endpoint": "https://token.example/x", "scopes": "a b"},
            "https://token.example/x",
            "a b",
        ),
    ],
)
def test_addresses_and_rights_follow_from_the_service(
    values: dict[str, str], token_url: str, scopes: str
) -> None:
    client = OAuth2Client(name="App", client_id="app", **values)
    client.full_clean()
    assert (client.token_url(), client.scopes_for("authorization_code")) == (token_url, scopes)


def test_where_a_service_lives_is_the_deployments_to_say(settings: Any) -> None:
    settings.MAILCONFIG = {
        **settings.MAILCONFIG,
        "OAUTH2_AUTHORITIES": {"microsoft": "https://login.test/x/"},
    }
    client = OAuth2Client(name="App", client_id="app", directory="contoso.example")
    assert client.token_url() == "https://login.test/x/contoso.example/oauth2/v2.0/token"
    assert client.authorization_url() == "https://login.test/x/contoso.example/oauth2/v2.0/authorize"


def test_reading_asks_for_one_right_more_and_an_organisation_for_its_own() -> None:
    client = OAuth2Client()
    assert client.scopes_for("authorization_code", sync_method="imap") == (
        "https://outlook.office.com/SMTP.Send https://outlook.office.com/IMAP.AccessAsUser.All offline_access"
    )
    assert client.scopes_for("client_credentials") == "https://outlook.office365.com/.default"
    assert (
        OAuth2Client(provider="google").scopes_for("authorization_code", sync_method="imap")
        == "https://mail.google.com/"
    )


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        ({"provider": "generic"}, {"authorization_endpoint", "token_endpoint", "scopes", "mail_servers"}),
        ({"provider": "google", "directory": "contoso.example"}, {"directory"}),
        ({"directory": "../../x"}, {"directory"}),
        ({"client_id": "a b"}, {"client_id"}),
        ({"client_id": "ä"}, {"client_id"}),
        ({"token_endpoint": "http://token.example/"}, {"token_endpoint"}),
        ({"token_endpoint": "https://me@token.example/"}, {"token_endpoint"}),
        ({"scopes": "a  b"}, {"scopes"}),
        ({"scopes": 'a"b'}, {"scopes"}),
        ({"mail_servers": "smtp.example.com\n2130706433"}, {"mail_servers"}),
        ({"mail_servers": "\n".join(f"smtp{number}.example.com" for number in range(21))}, {"mail_servers"}),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(values: dict[str, str], fields: set[str]) -> None:
    with pytest.raises(ValidationError) as caught:
        OAuth2Client(**{"name": "App", "client_id": "app", **values}).full_clean()
    assert set(caught.value.message_dict) == fields


@pytest.mark.parametrize(
    ("host", "lets_in"),
    [
        ("smtp.office365.com", True),
        ("SMTP.Office365.com", True),
        ("smtp.gmail.com", False),
        ("", False),
        ("a b", False),
    ],
)
def test_tokens_go_to_the_services_own_servers(host: str, lets_in: bool) -> None:
    assert OAuth2Client().lets_in(host) is lets_in


def test_named_servers_count_instead_of_the_services_own() -> None:
    client = OAuth2Client(mail_servers=" Relay.example.com\r\nimap.example.com ")
    assert client.allowed_mail_servers() == {"relay.example.com", "imap.example.com"}
    assert not client.lets_in("smtp.office365.com")


@pytest.mark.parametrize(
    "change",
    [
        {"provider": "google"},
        {"directory": "other.example"},
        {"client_id": "other"},
        {"token_endpoint": "https://token.example/"},
        {"mail_servers": "evil.example.com"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_client_secret_is_not_taken_elsewhere(change: dict[str, str]) -> None:
    client = OAuth2Client.objects.get(pk=make_oauth2_client(directory="").pk)
    assert client.secret is not None
    for name, value in change.items():
        setattr(client, name, value)
    for tried in (client.save, client.full_clean):
        with pytest.raises(ValidationError, match="enter the client secret again"):
            tried()
    client.secret = Secret("not-a-real-secret-either")
    client.save()
    client.name = "Renamed"
    client.save()


def test_each_secret_has_a_destination_of_its_own() -> None:
    grant = make_oauth2_grant(make_account(authentication="oauth2", username="me", secret=Secret("x")))
    token = OAuth2Token(client=grant.client, grant=grant, scope="x")
    shared = OAuth2Token(client=grant.client, scope="x")
    bindings = [
        grant.client.secret_binding(CLIENT_SECRET),
        grant.secret_binding(REFRESH_TOKEN),
        token.secret_binding(ACCESS_TOKEN),
        shared.secret_binding(ACCESS_TOKEN),
    ]
    assert len(set(bindings)) == 4


@pytest.mark.parametrize("change", ["username", "login_name", "owner", "tenant"])
def test_a_grant_is_for_the_user_names_owner_and_tenant_that_it_was_given_for(change: str) -> None:
    mailbox = make_mailbox(authentication="oauth2", username="me@example.com", secret=Secret("x"))
    grant = make_oauth2_grant(mailbox)
    assert grant.admits(mailbox, "Me@example.com ")
    assert grant.admits(mailbox, mailbox.login)
    values = {"owner": make_user(), "tenant": make_tenant()}
    setattr(mailbox, change, values.get(change, "boss@example.com"))
    shown = mailbox.login if change == "login_name" else mailbox.username
    assert not grant.admits(mailbox, shown)


def test_an_account_whose_tokens_are_fetched_needs_no_password() -> None:
    account = make_account(authentication="oauth2", username="me", secret=None)
    with pytest.raises(ValidationError, match="A login needs a password"):
        account.full_clean()
    grant = make_oauth2_grant(account)
    account.full_clean()
    assert grant_of(Account.objects.get(pk=account.pk)) == grant
    unsaved = Account(kind="outbound_email", host="smtp.example.com", authentication="oauth2", username="me")
    unsaved.oauth2_grant = OAuth2Grant(client=grant.client, grant_type="client_credentials")
    unsaved.full_clean()
    assert grant_of(unsaved) is unsaved.oauth2_grant


def test_asking_for_a_grant_costs_nothing_where_a_password_is_stored(django_assert_num_queries: Any) -> None:
    account = Account.objects.get(pk=make_account(username="me").pk)
    with django_assert_num_queries(0):
        account.clean()


def test_with_its_account_a_grant_goes_and_its_tokens() -> None:
    account = make_account(authentication="oauth2", username="me", secret=None)
    grant = make_oauth2_grant(account)
    OAuth2Token.objects.create(client=grant.client, grant=grant, scope="x", access_token=Secret("y"))
    delete_account(account_id=account.pk, by=None)
    assert not OAuth2Grant.objects.exists()
    assert not OAuth2Token.objects.exists()
