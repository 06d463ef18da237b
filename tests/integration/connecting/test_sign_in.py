"""Signing in at a service: who may begin and end it, what is asked, and what hostile answers come to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from mailconfig.connecting import views
from mailconfig.connecting.words import words_of
from mailconfig.delivery.accounts import signing_in
from mailconfig.exceptions import SignInRefused
from mailconfig.models import Account, ConnectionCheck, Lane, OAuth2Client, OAuth2Grant, WaitReason
from mailconfig.values import Secret, SignInFault
from tests.factories import make_account, make_oauth2_client, make_oauth2_grant, make_user
from tests.servers.authority import WRONG_SECRET, Authority, TokenSMTP

pytestmark = pytest.mark.django_db(transaction=True)

USER = "me@contoso.example"
APP_SECRET = "not-a-real-app-secret"
BASE = "https://mail.example.com"


@pytest.fixture(scope="module")
def authority() -> Iterator[Authority]:
    with Authority() as found:
        found.register("app", APP_SECRET)
        yield found


@pytest.fixture(scope="module")
def smtp(authority: Authority) -> Iterator[TokenSMTP]:
    with TokenSMTP(authority.accepts, auth_in_clear=True) as server:
        yield server


@pytest.fixture(autouse=True)
def deployment(settings: Settings, authority: Authority) -> None:
    authority.forms.clear()
    authority.says.clear()
    settings.MAILCONFIG = {
        "ALLOWED_NETWORKS": ["127.0.0.0/8"],
        "ALLOWED_PORTS": None,
        "WEB_PORTS": None,
        "ALLOW_PLAIN_HTTP": True,
        "ALLOW_PLAIN_LOGIN": True,
        "PROBE_SECONDS": 5.0,
        "OAUTH2_AUTHORITIES": {"microsoft": authority.url("")},
        "OAUTH2_REDIRECT_BASE": BASE,
    }


@pytest.fixture
def app(deployment: None) -> OAuth2Client:
    return make_oauth2_client(client_id="app", secret=Secret(APP_SECRET), mail_servers="127.0.0.1")


@pytest.fixture
def account(smtp: TokenSMTP, app: OAuth2Client) -> Account:
    """An account of Alice that nobody has connected yet."""
    found = make_account(
        smtp.port,
        owner=make_user("alice"),
        kind="outbound_email",
        username=USER,
        authentication="oauth2",
        secret=None,
    )
    make_oauth2_grant(found, client=app, refresh_token=None)
    return found


@pytest.fixture
def alice(account: Account, client: Client) -> Client:
    client.force_login(owner_of(account))
    return client


def owner_of(account: Account) -> User:
    assert account.owner is not None
    return account.owner


def page_of(account: Account) -> str:
    return reverse("mailconfig-connect", args=[account.uuid])


def begin(browser: Client, account: Account, **form: str) -> str:
    response = browser.post(page_of(account), form)
    assert response.status_code == 302
    return str(response["Location"])


def come_back(browser: Client, **answer: str) -> HttpResponse:
    return browser.get(reverse("mailconfig-oauth2-callback"), answer)  # type: ignore[return-value]


def is_connected(account: Account) -> bool:
    return OAuth2Grant.objects.get(account_id=account.pk).is_connected


def test_somebody_signs_in_comes_back_and_the_connection_is_tried(
    alice: Client, account: Account, authority: Authority, smtp: TokenSMTP
) -> None:
    Lane.objects.filter(account=account).update(wait_reason=WaitReason.PAUSED_CONSENT)
    url = begin(alice, account)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert url.startswith(authority.url("/contoso.example/oauth2/v2.0/authorize?"))
    assert asked.pop("state")
    assert len(asked.pop("code_challenge")) == 43
    assert asked == {
        "response_type": "code",
        "client_id": "app",
        "redirect_uri": f"{BASE}/oauth2/callback/",
        "scope": "https://outlook.office.com/SMTP.Send offline_access",
        "code_challenge_method": "S256",
        "login_hint": USER,
    }
    smtp.auth_attempts.clear()
    response = come_back(alice, **authority.answer_to(url))
    assert (response.status_code, response["Location"]) == (302, page_of(account))
    assert response["Referrer-Policy"] == "no-referrer"
    grant = OAuth2Grant.objects.get(account=account)
    assert grant.is_connected
    assert grant.connected_by == account.owner
    assert [way for way, *_ in smtp.auth_attempts] == ["XOAUTH2"]
    assert ConnectionCheck.objects.get(account=account).state == "passed"
    assert Lane.objects.get(account=account, purpose="send").wait_reason == ""
    page = alice.get(page_of(account))
    assert "Connected" in page.content.decode()
    # With no-referrer a browser would say `Origin: null` with the page's form, which is refused.
    assert page["Referrer-Policy"] == "same-origin"
    alice.post(reverse("mailconfig-disconnect", args=[account.uuid]))
    assert not is_connected(account)


def of_another_browser(alice: Client, account: Account, answer: dict[str, str]) -> HttpResponse:
    browser = Client()
    browser.force_login(owner_of(account))
    return come_back(browser, **answer)


def of_another_person(alice: Client, account: Account, answer: dict[str, str]) -> HttpResponse:
    kept = alice.session[views.KEPT]
    alice.force_login(make_user("mallory"))
    session = alice.session
    session[views.KEPT] = kept
    session.save()
    return come_back(alice, **answer)


def logged_out(alice: Client, account: Account, answer: dict[str, str]) -> HttpResponse:
    alice.logout()
    return come_back(alice, **answer)


def too_late(alice: Client, account: Account, answer: dict[str, str]) -> HttpResponse:
    session = alice.session
    session[views.KEPT][answer["state"]]["sign_in"]["began_at"] -= signing_in.SIGN_IN_SECONDS
    session.save()
    return come_back(alice, **answer)


def not_theirs_any_more(alice: Client, account: Account, answer: dict[str, str]) -> HttpResponse:
    Account.objects.filter(pk=account.pk).update(owner=make_user("bob"))
    return come_back(alice, **answer)


def with_another_login(alice: Client, account: Account, answer: dict[str, str]) -> HttpResponse:
    Account.objects.filter(pk=account.pk).update(authentication="password")
    return come_back(alice, **answer)


def changed(**values: str) -> Callable[..., HttpResponse]:
    """Return an answer of a service in which these parameters are others."""

    def come(alice: Client, account: Account, answer: dict[str, str]) -> HttpResponse:
        return come_back(alice, **{**answer, **values})

    return come


HOSTILE: dict[str, tuple[Callable[..., HttpResponse], bool]] = {
    "a state that nobody has": (changed(state="forged"), False),
    "no state": (changed(state=""), False),
    "another browser": (of_another_browser, False),
    "another person": (of_another_person, False),
    "nobody": (logged_out, False),
    "after ten minutes": (too_late, False),
    "an account that is another's by now": (not_theirs_any_more, False),
    "an account that logs in otherwise by now": (with_another_login, True),
    "a code that was injected": (changed(code="code-of-another"), True),
    "no code": (changed(code=""), False),
    "a code without end": (changed(code="x" * 5000), False),
    "the answer of another service": (changed(iss="https://evil.example/contoso"), False),
    "an issuer that is none": (changed(iss="http://[evil"), False),
    "somebody who did not agree": (changed(code="", error="access_denied"), False),
    "a service that refuses to ask": (changed(code="", error="invalid_scope"), False),
    "an error with a code": (changed(error="<script>alert(1)</script>"), False),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_answers_connect_nothing(
    case: str, alice: Client, account: Account, authority: Authority
) -> None:
    come, is_service_asked = HOSTILE[case]
    response = come(alice, account, authority.answer_to(begin(alice, account)))
    assert response.status_code in {302, 400}
    assert not is_connected(account)
    assert bool(authority.forms) is is_service_asked
    assert "alert(1)" not in response.content.decode()


def test_an_answer_serves_once(alice: Client, account: Account, authority: Authority) -> None:
    answer = authority.answer_to(begin(alice, account))
    come_back(alice, **answer)
    asked = len(authority.forms)
    assert come_back(alice, **answer).status_code == 400
    assert len(authority.forms) == asked


def test_the_right_issuer_is_taken(alice: Client, account: Account, authority: Authority) -> None:
    answer = authority.answer_to(begin(alice, account))
    come_back(alice, **answer, iss=authority.url("/contoso.example/v2.0"))
    assert is_connected(account)


def test_a_service_that_refuses_the_app_is_said_on_the_page(
    alice: Client, account: Account, authority: Authority
) -> None:
    answer = authority.answer_to(begin(alice, account))
    authority.says.append(WRONG_SECRET)
    response = come_back(alice, **answer)
    assert not is_connected(account)
    page = alice.get(response["Location"]).content.decode()
    assert "refuses the app registration" in page
    assert APP_SECRET not in page


def test_another_person_sees_no_page_and_begins_nothing(account: Account, client: Client) -> None:
    assert client.get(page_of(account)).status_code == 302, "log in first"
    client.force_login(make_user("mallory"))
    assert client.get(page_of(account)).status_code == 404
    assert client.post(page_of(account)).status_code == 404
    assert client.post(reverse("mailconfig-disconnect", args=[account.uuid])).status_code == 404


def test_beginning_needs_a_token_of_the_page(alice: Client, account: Account) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(owner_of(account))
    assert strict.post(page_of(account)).status_code == 403
    assert strict.post(reverse("mailconfig-disconnect", args=[account.uuid])).status_code == 403


def test_without_an_address_of_the_site_nobody_is_sent_away(
    alice: Client, account: Account, settings: Settings
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "OAUTH2_REDIRECT_BASE": None}
    response = alice.post(page_of(account))
    assert response.status_code == 200
    assert "OAUTH2_REDIRECT_BASE" in response.content.decode()


def test_only_the_latest_sign_ins_of_a_browser_are_kept(alice: Client, account: Account) -> None:
    latest = [begin(alice, account) for _ in range(views.MOST_KEPT + 2)][-1]
    kept: dict[str, Any] = alice.session[views.KEPT]
    assert len(kept) == views.MOST_KEPT
    assert parse_qs(urlsplit(latest).query)["state"][0] in kept


@pytest.mark.parametrize("fault", list(SignInFault))
def test_each_fault_has_words(fault: SignInFault) -> None:
    assert len(words_of(SignInRefused(fault))) > 20


def test_an_account_with_a_password_has_no_page(alice: Client, account: Account) -> None:
    OAuth2Grant.objects.filter(account=account).delete()
    assert alice.get(page_of(account)).status_code == 404
