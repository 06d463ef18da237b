"""Pages of app registrations, and of accounts that log in by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from mailconfig.models import Account, Lane, OAuth2Client, OAuth2Grant, OAuth2Token
from mailconfig.values import Secret
from tests.factories import make_account, make_oauth2_client, make_oauth2_grant, make_tenant, make_user
from tests.servers.authority import Authority, TokenSMTP

from .conftest import permitted
from .pages import LOGIN, admin_url, entered, values

pytestmark = pytest.mark.django_db

APP_SECRET = "not-a-real-app-secret"
ADD = ("add_smtpprovider", "view_smtpprovider", "change_smtpprovider")


@pytest.fixture
def authority() -> Iterator[Authority]:
    with Authority() as found:
        found.register("app", APP_SECRET)
        yield found


@pytest.fixture
def smtp(authority: Authority) -> Iterator[TokenSMTP]:
    with TokenSMTP(authority.accepts, auth_in_clear=True) as server:
        yield server


@pytest.fixture(autouse=True)
def deployment(settings: Settings, authority: Authority) -> None:
    settings.MAILCONFIG = {
        **settings.MAILCONFIG,
        "WEB_PORTS": None,
        "ALLOW_PLAIN_HTTP": True,
        "OAUTH2_AUTHORITIES": {"microsoft": authority.url("")},
    }


@pytest.fixture
def app() -> OAuth2Client:
    return make_oauth2_client(client_id="app", secret=Secret(APP_SECRET), mail_servers="127.0.0.1")


def chosen(app: OAuth2Client, grant_type: str, server: TokenSMTP, **changes: Any) -> dict[str, Any]:
    return values(
        server.port,
        authentication="oauth2",
        secret=None,
        oauth2_client=app.pk,
        oauth2_grant_type=grant_type,
        **changes,
    )


def test_a_registration_is_kept_and_its_secret_never_shown(client: Client) -> None:
    url = admin_url("oauth2client", "add")
    data = entered(
        client, url, name="Contoso", directory="contoso.example", client_id="app", secret=APP_SECRET
    )
    assert client.post(url, data).status_code == 302
    stored = OAuth2Client.objects.get()
    url = admin_url("oauth2client", "change", stored.pk)
    assert APP_SECRET not in client.get(url).content.decode()
    refused = client.post(url, entered(client, url, client_id="other"))
    assert "enter the client secret again" in refused.content.decode()
    assert client.post(url, entered(client, url, name="Renamed")).status_code == 302
    assert OAuth2Client.objects.get().secret == stored.secret


def test_an_account_of_an_organisation_is_tried_and_stored(
    client: Client, app: OAuth2Client, authority: Authority, smtp: TokenSMTP
) -> None:
    url = admin_url("smtpprovider", "add")
    data = entered(client, url, **chosen(app, "client_credentials", smtp))
    response = client.post(url, data)
    assert response.status_code == 302, response.content.decode()
    account = Account.objects.get()
    assert (account.authentication, account.secret) == ("oauth2", None)
    assert OAuth2Grant.objects.get().admits(account, LOGIN)
    assert len(authority.forms) == 1
    authority.always = (400, {"error": "invalid_client"}, "")
    OAuth2Token.objects.all().delete()
    url = admin_url("smtpprovider", "change", account.pk)
    refused = client.post(url, entered(client, url, username="other@example.com"))
    assert "refuses the app registration" in refused.content.decode()


def test_an_account_that_somebody_has_to_connect_is_stored_without_being_tried(
    client: Client, app: OAuth2Client, smtp: TokenSMTP
) -> None:
    account = make_account(smtp.port, kind="smtp_provider", username=LOGIN)
    url = admin_url("smtpprovider", "change", account.pk)
    response = client.post(url, entered(client, url, **chosen(app, "authorization_code", smtp)))
    assert response.status_code == 302, response.content.decode()
    stored = Account.objects.get()
    assert (stored.secret, stored.oauth2_grant.is_connected, smtp.sessions) == (None, False, 0)


def test_back_to_a_password_nothing_is_left_of_the_permission(
    client: Client, app: OAuth2Client, server: Any
) -> None:
    account = make_account(
        server.port, kind="smtp_provider", username=LOGIN, authentication="oauth2", secret=None
    )
    make_oauth2_grant(account, client=app)
    url = admin_url("smtpprovider", "change", account.pk)
    response = client.post(url, entered(client, url, **values(server.port)))
    assert response.status_code == 302, response.content.decode()
    assert not OAuth2Grant.objects.exists()


def test_the_page_of_an_account_with_a_password_asks_for_no_permission_and_once_for_what_it_offers(
    client: Client, app: OAuth2Client
) -> None:
    make_account(kind="smtp_provider", name="other")
    account = make_account(2525, kind="smtp_provider", username=LOGIN)
    with CaptureQueriesContext(connection) as captured:
        page = client.get(admin_url("smtpprovider", "change", account.pk)).content.decode()
    assert str(app) in page
    assert ">other</option>" in page
    asked = [query["sql"] for query in captured.captured_queries]
    assert not [sql for sql in asked if "mailconfig_oauth2grant" in sql]
    assert len([sql for sql in asked if "mailconfig_oauth2client" in sql]) == 2, "whether any, and which"
    assert len([sql for sql in asked if 'U0."tenant_id"' in sql]) == 1, "the accounts that may stand in"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"oauth2_client": None}, "Choose the app registration."),
        ({"oauth2_grant_type": None}, "Choose who gives the permission."),
        ({"host": "127.0.0.2"}, "are not for this mail server"),
    ],
)
def test_what_is_missing_or_does_not_fit_is_said(
    changes: dict[str, Any], words: str, client: Client, app: OAuth2Client, smtp: TokenSMTP
) -> None:
    url = admin_url("smtpprovider", "add")
    data = entered(client, url, **{**chosen(app, "client_credentials", smtp), **changes})
    response = client.post(url, {name: value for name, value in data.items() if value is not None})
    assert words in response.content.decode()
    assert not Account.objects.exists()


def test_only_who_may_choose_registrations_sees_them_and_none_of_another_tenant(
    app: OAuth2Client, smtp: TokenSMTP, client: Client
) -> None:
    OAuth2Client.objects.update(tenant=make_tenant())
    url = admin_url("smtpprovider", "add")
    refused = client.post(url, entered(client, url, **chosen(app, "client_credentials", smtp)))
    assert "belongs to another tenant" in refused.content.decode()
    other = permitted("bob", *ADD)
    form = other.get(url).context["adminform"].form
    assert not {"oauth2_client", "oauth2_grant_type"} & set(form.fields)
    other.post(url, entered(other, url, **chosen(app, "client_credentials", smtp)))
    assert not Account.objects.exists()


def test_the_page_leads_to_connecting_and_says_what_to_register(
    client: Client, smtp: TokenSMTP, app: OAuth2Client, settings: Settings
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "OAUTH2_REDIRECT_BASE": "https://mail.example.com/"}
    account = make_account(smtp.port, authentication="oauth2", secret=None, owner=make_user("owner"))
    make_oauth2_grant(account, client=app, refresh_token=None)
    page = client.get(admin_url("outboundemail", "change", account.pk)).content.decode()
    assert f'href="/oauth2/connect/{account.uuid}/?from=admin">Connect<' in page
    assert f"https://mail.example.com/oauth2/connect/{account.uuid}/" in page
    page = client.get(admin_url("oauth2client", "change", app.pk)).content.decode()
    assert "https://mail.example.com/oauth2/callback/" in page


def test_where_nobody_signs_in_nothing_leads_to_connecting(
    client: Client, smtp: TokenSMTP, app: OAuth2Client
) -> None:
    account = make_account(smtp.port, authentication="oauth2", secret=None)
    make_oauth2_grant(account, client=app, grant_type="client_credentials")
    assert (
        "/oauth2/connect/"
        not in client.get(admin_url("outboundemail", "change", account.pk)).content.decode()
    )


def test_an_account_whose_permission_ended_is_connected_again_from_wherever_one_is_told(
    client: Client, app: OAuth2Client
) -> None:
    account = make_account(kind="smtp_provider", username=LOGIN, authentication="oauth2", secret=None)
    make_oauth2_grant(account, client=app)
    Lane.objects.update(wait_reason="paused_consent", wait_text="invalid_grant")
    link = f'href="/oauth2/connect/{account.uuid}/?from=admin">Connect again</a>'
    for page in (admin_url("smtpprovider", "changelist"), admin_url("smtpprovider", "change", account.pk)):
        assert link in client.get(page).content.decode()
    staff = permitted("bob", "view_smtpprovider")
    assert link not in staff.get(admin_url("smtpprovider", "changelist")).content.decode()
