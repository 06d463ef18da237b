"""Connecting an account: from its page to the service, and back to a connection that works."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from mailconfig.models import OAuth2Grant
from mailconfig.values import Secret
from tests.factories import make_account, make_oauth2_client, make_oauth2_grant
from tests.servers.authority import Authority, TokenSMTP

from .pictures import take

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

APP_SECRET = "not-a-real-app-secret"


@pytest.fixture
def authority() -> Iterator[Authority]:
    with Authority() as found:
        found.register("app", APP_SECRET)
        yield found


def test_connect_agree_and_see_the_connection_work(
    page: Page, live_server: LiveServer, settings: Settings, authority: Authority
) -> None:
    settings.MAILCONFIG = {
        **settings.MAILCONFIG,
        "WEB_PORTS": None,
        "ALLOW_PLAIN_HTTP": True,
        "OAUTH2_AUTHORITIES": {"microsoft": authority.url("")},
        "OAUTH2_REDIRECT_BASE": live_server.url,
    }
    with TokenSMTP(authority.accepts, auth_in_clear=True) as smtp:
        account = make_account(
            smtp.port, name="Me", username="me@contoso.example", authentication="oauth2", secret=None
        )
        app = make_oauth2_client(
            name="Contoso", client_id="app", secret=Secret(APP_SECRET), mail_servers="127.0.0.1"
        )
        make_oauth2_grant(account, client=app, refresh_token=None)
        page.goto(f"/admin/mailconfig/outboundemail/{account.pk}/change/")
        page.get_by_role("link", name="Connect", exact=True).click()
        expect(page.get_by_role("heading")).to_have_text("Connect Me")
        take(page, "connect")
        page.get_by_role("button", name="Sign in and connect").click()
        expect(page.get_by_role("heading")).to_have_text("Let the app send mail?")
        page.get_by_role("button", name="Accept").click()
        page.wait_for_url("**/admin/mailconfig/outboundemail/*/change/?check=*")
        expect(page.get_by_text("Connected: the service lets the account in.")).to_be_visible()
        expect(page.locator(".messagelist")).to_contain_text("The connection works")
        expect(page.get_by_role("link", name="Connect again")).to_be_visible()
        take(page, "connected")
        assert OAuth2Grant.objects.get(account=account).is_connected
        assert [way for way, *_ in smtp.auth_attempts] == ["XOAUTH2"]
