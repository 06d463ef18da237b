"""Test mails that log in by an app registration at Microsoft, which is not stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from mailconfig.api.email_service.connections import completed
from mailconfig.models import (
    Account,
    ConnectionCheck,
    OAuth2Client,
    OAuth2Grant,
    OAuth2Token,
    Tenant,
    TenantMailConfig,
)
from mailconfig.values import Authentication, Secret, Security
from tests.factories import make_oauth2_client, make_oauth2_grant
from tests.integration.api.email_service.calls import LOGIN, configure, said, server_of
from tests.integration.api.email_service.calls import ask_test_mail as ask
from tests.servers import authority as microsoft
from tests.servers.authority import Authority, TokenSMTP
from tests.servers.certificates import Certificates

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "not-a-real-app-secret"
APP = {"tenant_id": "contoso.example", "client_id": "app", "client_secret": SECRET}


@pytest.fixture
def authority(settings: Settings, deployment: None) -> Iterator[Authority]:
    with Authority() as found:
        found.register("app", SECRET)
        settings.MAILCONFIG |= {
            "WEB_PORTS": None,
            "ALLOW_PLAIN_HTTP": True,
            "OAUTH2_AUTHORITIES": {"microsoft": found.url("")},
        }
        yield found


@pytest.fixture
def smtp(authority: Authority, certificates: Certificates) -> Iterator[TokenSMTP]:
    """A server that takes tokens, over STARTTLS."""
    with TokenSMTP(authority.accepts, tls=certificates.good, starttls=True) as server:
        yield server


def stored() -> int:
    """How many rows there are of what a login could leave behind."""
    return sum(model.objects.count() for model in (OAuth2Client, OAuth2Grant, OAuth2Token))


def test_a_token_is_fetched_and_shown_once_and_nothing_is_left(
    alice: User, config: TenantMailConfig, authority: Authority, smtp: TokenSMTP
) -> None:
    before = list(Account.objects.values_list())

    said(ask(alice, **server_of(smtp), microsoft_auth=APP), 200)

    (form,) = authority.forms
    assert (form["grant_type"], form["client_id"]) == ("client_credentials", "app")
    assert form["scope"] == "https://outlook.office365.com/.default"
    ((mechanism, user, token),) = smtp.auth_attempts
    assert (mechanism, user, token) == (
        "XOAUTH2",
        "noreply@acme.example",
        next(iter(authority.access_tokens)),
    )
    assert smtp.messages[0].mail_from == "noreply@acme.example"
    assert stored() == 0
    assert list(Account.objects.values_list()) == before


@pytest.mark.parametrize(
    ("app", "values", "user"),
    [
        ({"user": "shared@contoso.example"}, {"smtp_user": "me@contoso.example"}, "shared@contoso.example"),
        ({}, {"smtp_user": "me@contoso.example"}, "me@contoso.example"),
        ({}, {"from_address": "office@acme.example"}, "office@acme.example"),
    ],
    ids=["user", "smtp_user", "sender"],
)
def test_the_mailbox_is_the_one_that_is_named_first(
    alice: User, authority: Authority, smtp: TokenSMTP, app: dict[str, str], values: dict[str, str], user: str
) -> None:
    """Without a configuration, too."""
    said(ask(alice, **server_of(smtp), **values, microsoft_auth=APP | app), 200)

    assert [attempt[1] for attempt in smtp.auth_attempts] == [user]


def test_the_stored_password_is_never_shown_beside_it(
    alice: User, config: TenantMailConfig, authority: Authority, smtp: TokenSMTP
) -> None:
    said(ask(alice, **server_of(smtp), smtp_user=LOGIN, microsoft_auth=APP), 200)

    assert [attempt[0] for attempt in smtp.auth_attempts] == ["XOAUTH2"]


def test_a_token_that_is_refused_is_fetched_anew_once(
    alice: User, config: TenantMailConfig, authority: Authority, smtp: TokenSMTP
) -> None:
    smtp.__dict__["_accepts"] = lambda _user, _token: False

    answer = ask(alice, **server_of(smtp), microsoft_auth=APP)

    assert answer.status_code == 422
    assert (answer.json()["code"], answer.json()["stage"]) == ("auth_failed", "login")
    assert len(authority.forms) == 2
    assert len({token for _mechanism, _user, token in smtp.auth_attempts}) == 2


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (microsoft.WRONG_SECRET, "auth_failed"),
        (microsoft.EXPIRED_SECRET, "auth_failed"),
        (microsoft.CONSENT, "auth_failed"),
    ],
    ids=["wrong secret", "expired secret", "no consent"],
)
def test_what_the_authority_refuses_is_told_at_its_field_without_the_secret(
    alice: User, config: TenantMailConfig, authority: Authority, smtp: TokenSMTP, reply: Any, code: str
) -> None:
    authority.always = reply

    answer = ask(alice, **server_of(smtp), microsoft_auth=APP)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["message"].startswith("microsoft_auth: ")
    assert SECRET not in answer.content.decode() + repr(ConnectionCheck.objects.get().__dict__)
    assert not smtp.auth_attempts


def test_a_login_by_token_is_never_made_in_the_clear(
    alice: User, config: TenantMailConfig, authority: Authority
) -> None:
    with TokenSMTP(authority.accepts, auth_in_clear=True) as server:
        assert ask(alice, **server_of(server), microsoft_auth=APP).status_code == 422
        assert not server.auth_attempts


def test_without_a_server_it_is_microsofts(acme: Tenant) -> None:
    """Whatever is stored: its server takes none of these tokens."""
    app = {**APP, "client_secret": Secret(SECRET), "user": "me@contoso.example"}

    for config in (None, configure(acme)):
        account = completed({"microsoft_auth": app}, tenant=acme, config=config)
        settings = account.transport_settings()
        assert (settings.host, settings.port) == ("smtp.office365.com", 587)
        assert (settings.security, settings.authentication) == (Security.STARTTLS, Authentication.OAUTH2)
        assert settings.secret is None


def test_tokens_of_the_stored_login_stay_at_home_as_a_password_would(
    alice: User, acme: Tenant, authority: Authority, smtp: TokenSMTP, certificates: Certificates
) -> None:
    config = configure(acme, smtp, authentication="oauth2", secret=None)
    app = make_oauth2_client(client_id="app", secret=Secret(SECRET), mail_servers="127.0.0.1 localhost")
    make_oauth2_grant(config, client=app, grant_type="client_credentials")
    said(ask(alice, from_name="Other"), 200)

    for move in ({"smtp_port": "465"}, {"smtp_host": "localhost"}, {"smtp_user": "me@contoso.example"}):
        assert said(ask(alice, **move), 400).startswith("smtp_pass: ")
    assert len(smtp.auth_attempts) == 1
