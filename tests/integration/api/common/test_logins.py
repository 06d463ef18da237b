"""Who is let in, under every way to log in that a host project may have."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from tests.bearer import client_of
from tests.factories import PASSWORD
from tests.integration.api.calls import BODY, URL, make_provider, refused

pytestmark = pytest.mark.django_db

DRF = "rest_framework.authentication."
HOSTS = f"{__package__}.hosts."
SESSION, BASIC, TOKEN = (
    f"{DRF}SessionAuthentication",
    f"{DRF}BasicAuthentication",
    f"{DRF}TokenAuthentication",
)
BEARER = "tests.bearer.BearerAuthentication"


def let_in_by(settings: Any, *classes: str) -> None:
    """These are the host's ways to log in."""
    settings.REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": list(classes)}


def basic(user: str, password: str) -> str:
    """A header of RFC 7617."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("classes", "challenge"),
    [
        ([BEARER, SESSION], "Bearer"),
        ([SESSION, BEARER], "Bearer"),
        ([SESSION], "Bearer"),
        ([BASIC], 'Basic realm="api"'),
        ([BASIC, BEARER], "Bearer"),
        ([SESSION, BASIC], 'Basic realm="api"'),
        ([TOKEN], "Token"),
        ([f"{HOSTS}CarelessAuthentication"], "Careless"),
        ([], "Bearer"),
    ],
)
@pytest.mark.parametrize("path", [URL, f"{URL}/1"])
def test_nobody_is_asked_to_log_in(settings: Any, classes: list[str], challenge: str, path: str) -> None:
    let_in_by(settings, *classes)

    for method in ("get", "post", "patch", "delete", "put", "options"):
        response = getattr(client_of(None), method)(path)
        refused(response, 401)
        assert response["WWW-Authenticate"] == challenge


def test_where_hosts_say_that_nobody_is_none_nobody_gets_in(settings: Any) -> None:
    settings.REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None, "DEFAULT_AUTHENTICATION_CLASSES": [SESSION]}

    refused(client_of(None).get(URL), 401)
    refused(client_of(None).get(f"{URL}/1/status"), 401)


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer token-of-nobody",
        "Bearer \xff\xfe",
        "Bearer \x00",
        "Bearer token-of-\x00",
        "bearer token-of-",
        "Basic eDp5",
        "\xff",
        "Bearer " + "a" * 8000,
        "",
    ],
    ids=repr,
)
def test_a_bad_credential_is_nobodys(header: str) -> None:
    response = APIClient(raise_request_exception=False).get(URL, HTTP_AUTHORIZATION=header)

    refused(response, 401)
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("name", "token"),
    [
        (TOKEN, "\xff"),
        (f"{HOSTS}CarelessAuthentication", "\xff"),
        (f"{HOSTS}CarelessAuthentication", "\xc3"),
        (f"{HOSTS}CarelessAuthentication", "a\x00b"),
    ],
    ids=repr,
)
def test_a_class_that_trusts_its_token_makes_no_fault_of_ours(settings: Any, name: str, token: str) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "API_AUTHENTICATION": [name]}
    client = APIClient(raise_request_exception=False)

    refused(client.get(URL, HTTP_AUTHORIZATION=f"Token {token}"), 401)


@pytest.mark.parametrize("raw", ["alice:wrong", "a\x00b:x", "nocolon", "\ud7ff:x"])
def test_a_bad_basic_credential_is_nobodys(settings: Any, alice: User, raw: str) -> None:
    let_in_by(settings, BASIC)
    header = "Basic " + base64.b64encode(raw.encode()).decode()

    refused(APIClient(raise_request_exception=False).get(URL, HTTP_AUTHORIZATION=header), 401)


def test_the_hosts_default_lets_in(settings: Any, alice: User) -> None:
    let_in_by(settings, BASIC)
    assert APIClient().get(URL, HTTP_AUTHORIZATION=basic("alice", PASSWORD)).status_code == 200
    refused(client_of(alice).get(URL), 401)


def test_what_is_named_for_the_surfaces_goes_before_the_hosts_default(settings: Any, alice: User) -> None:
    let_in_by(settings, BASIC)
    settings.MAILCONFIG = {**settings.MAILCONFIG, "API_AUTHENTICATION": [BEARER]}

    assert client_of(alice).get(URL).status_code == 200
    refused(APIClient().get(URL, HTTP_AUTHORIZATION=basic("alice", PASSWORD)), 401)


def test_an_inactive_user_is_nobody(alice: User) -> None:
    alice.is_active = False
    alice.save()

    refused(client_of(alice).get(URL), 401)


def test_a_login_service_that_is_down_is_told_in_the_envelope(settings: Any) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "API_AUTHENTICATION": [f"{HOSTS}DownAuthentication"]}

    assert refused(client_of(None).get(URL), 503)["message"] == "No logins now."


def test_a_session_login_reads_and_writes_with_a_csrf_token_only(alice: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    token = "a" * 32

    assert browser.get(URL).status_code == 200
    body = refused(browser.post(URL, BODY, content_type="application/json"), 403)
    assert "CSRF" in body["message"]
    browser.cookies["csrftoken"] = token
    created = browser.post(URL, BODY, content_type="application/json", headers={"X-CSRFToken": token})
    assert created.status_code == 201
    refused(browser.delete(f"{URL}/{created.json()['id']}"), 403)


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded"])
def test_a_form_of_another_site_changes_nothing(alice: User, kind: str) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)

    refused(browser.post(URL, "a=1", content_type=kind), 403)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (
            "multipart/form-data; boundary=x",
            f'--x\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n{"a" * 32}\r\n--x--\r\n',
        ),
        ("application/x-www-form-urlencoded", f"csrfmiddlewaretoken={'a' * 32}&host=x"),
    ],
)
def test_a_form_with_its_csrf_token_is_still_no_json(alice: User, kind: str, body: str) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    browser.cookies["csrftoken"] = "a" * 32

    refused(browser.post(URL, body, content_type=kind), 415)


def test_a_token_needs_no_csrf_token(alice: User) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.credentials(HTTP_AUTHORIZATION="Bearer token-of-alice")

    assert client.post(URL, BODY, format="json").status_code == 201


@pytest.mark.parametrize(
    "classes",
    [
        [SESSION],
        [BASIC],
        [BEARER, SESSION],
        [f"{HOSTS}CookieTokenAuthentication"],
        [f"{DRF}RemoteUserAuthentication"],
    ],
)
def test_what_a_browser_sends_unasked_makes_nobody_connect(
    settings: Any, alice: User, classes: list[str]
) -> None:
    let_in_by(settings, *classes)
    provider = make_provider(host="unreachable.invalid")
    browser = Client(raise_request_exception=False)
    browser.force_login(alice)
    browser.cookies["token"] = "alice"
    extra: dict[str, Any] = {"HTTP_AUTHORIZATION": basic("alice", PASSWORD)} if classes == [BASIC] else {}

    for method in ("get", "head"):
        response = getattr(browser, method)(f"{URL}/{provider.pk}/status", REMOTE_USER="alice", **extra)
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == "Bearer"
    assert provider.checks.count() == 0
