"""Who may do what: every call, by everybody."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from mailconfig.models import Account, Tenant
from tests.bearer import client_of
from tests.factories import make_user
from tests.integration.api.outbound_email.conftest import (
    TEST_URL,
    URL,
    at,
    permit,
    put,
    row_of,
    seed,
    stored,
    stored_system,
)
from tests.servers.chaos import ChaosServer

pytestmark = pytest.mark.django_db

UNKNOWN = f"{URL}/e04ce998-960e-11e6-8628-3c15c2d582c6"


def actor(name: str, alice: User, acme: Tenant) -> User:
    """Somebody by what they are to Alice's account."""
    if name == "owner":
        return alice
    user = make_user(name.replace(" ", "-"), is_staff=name == "staff", is_superuser=name == "superuser")
    if name.startswith("colleague"):
        acme.members.add(user)
    if name == "stranger":
        permit(user, "view", "change", "delete")
    permit(user, *(word for word in ("view", "change", "delete") if word in name))
    return user


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("owner", {"get": 200, "put": 200, "delete": 200}),
        ("superuser", {"get": 200, "put": 200, "delete": 200}),
        ("colleague", {"get": 404, "put": 404, "delete": 404}),
        ("colleague who may view", {"get": 200, "put": 403, "delete": 403}),
        ("colleague who may view and change", {"get": 200, "put": 200, "delete": 403}),
        ("colleague who may view and delete", {"get": 200, "put": 403, "delete": 200}),
        ("stranger", {"get": 404, "put": 404, "delete": 404}),
        ("staff", {"get": 404, "put": 404, "delete": 404}),
    ],
)
def test_an_account_is_its_owners_and_those_they_share_it_with(
    server: ChaosServer, alice: User, acme: Tenant, who: str, expected: dict[str, int]
) -> None:
    account = stored(server, alice)
    before = row_of(account)
    client = client_of(actor(who, alice, acme))
    listed = client.get(URL).json()["records"]

    found = {}
    for method in ("get", "put", "delete"):
        answer = getattr(client, method)(at(account), {} if method == "put" else None, format="json")
        found[method] = answer.status_code
        if answer.status_code == 404:
            unknown = getattr(client, method)(UNKNOWN, {} if method == "put" else None, format="json")
            assert answer.json() == unknown.json(), "somebody else's is as if it were not there"
        if answer.status_code == 403:
            assert answer.json()["error"] == "not_authorized"

    assert found == expected
    assert len(listed) == (expected["get"] == 200)
    if 200 not in (expected["put"], expected["delete"]):
        assert row_of(account) == before
        assert server.sessions == 0


CALLS = [
    ("get", URL),
    ("post", URL),
    ("get", UNKNOWN),
    ("put", UNKNOWN),
    ("delete", UNKNOWN),
    ("post", TEST_URL),
]


@pytest.mark.parametrize(("method", "url"), CALLS)
@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer x", "Bearer token-of-gone", "Basic YTpi", "Bearer \xff", "Bearer a b"]
)
def test_nobody_gets_in_without_a_token(alice: User, method: str, url: str, header: str) -> None:
    make_user("gone", is_active=False)
    client = client_of(None)
    if header:
        client.credentials(HTTP_AUTHORIZATION=header)

    answer = getattr(client, method)(url, {}, format="json")

    assert (answer.status_code, answer.json()["error"]) == (401, "need_login")
    assert answer["WWW-Authenticate"].startswith("Bearer")


def test_an_accounts_owner_who_was_disabled_is_nobody(alice: User) -> None:
    account = stored(None, alice)
    User.objects.update(is_active=False)

    assert client_of(alice).get(at(account)).status_code == 401


def test_a_session_needs_its_csrf_token(server: ChaosServer, alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)

    answer = client.post(URL, seed(server), content_type="application/json")

    assert (answer.status_code, answer.json()["error"]) == (403, "not_authorized")
    assert server.sessions == 0


def test_the_system_account_is_seen_by_superusers_only_and_changed_by_none(
    server: ChaosServer, alice: User, root: User, charlie: User
) -> None:
    system = stored_system(server)
    before = row_of(system)

    assert client_of(root).get(at(system)).json()["type"] == "system"
    assert client_of(root).get(at(system)).json()["user_id"] == ""
    for user in (alice, charlie):
        assert client_of(user).get(at(system)).status_code == 404
        assert put(user, system, {"name": "x"}).status_code == 404
    answer = put(root, system, {"name": "x"})
    assert (answer.status_code, answer.json()["error"]) == (403, "not_authorized")
    assert row_of(system) == before
    assert server.sessions == 0


@pytest.mark.parametrize("kind", ["smtp_provider", "mailbox"])
def test_accounts_of_other_kinds_are_not_here(alice: User, root: User, kind: str) -> None:
    account = stored(None, alice)
    Account.objects.update(kind=kind)

    for user in (alice, root):
        assert client_of(user).get(at(account)).status_code == 404
        assert put(user, account, {}).status_code == 404
        assert client_of(user).delete(at(account)).status_code == 404
        assert client_of(user).get(URL).json()["records"] == []


def test_a_surface_that_is_switched_off_is_not_there(alice: User, settings: Settings) -> None:
    settings.MAILCONFIG |= {"SURFACES": ["providers"]}

    answer = client_of(alice).get(URL)

    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


@pytest.mark.parametrize(
    "key",
    [
        "x", "1", "%00", "%ff", "1" * 31, "1e400", "..%2f", "%0d%0a", "E04CE998960E11E686283C15C2D582C6",
        "%7Be04ce998-960e-11e6-8628-3c15c2d582c6%7D", "urn:uuid:e04ce998-960e-11e6-8628-3c15c2d582c6",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_what_is_no_id_is_not_found(alice: User, method: str, key: str) -> None:
    answer: Any = getattr(client_of(alice), method)(f"{URL}/{key}", {}, format="json")

    assert answer.status_code == 404
    assert key.startswith("..") or answer.json()["error"] == "not_found"


def test_capitals_are_the_same_id(alice: User) -> None:
    account = stored(None, alice)

    assert client_of(alice).get(f"{URL}/{str(account.uuid).upper()}").status_code == 200


@pytest.mark.parametrize(
    ("url", "allowed"),
    [(URL, "GET, POST"), (UNKNOWN, "GET, PUT, DELETE"), (TEST_URL, "POST")],
)
def test_other_methods_are_refused_and_options_tell_which_there_are(
    alice: User, url: str, allowed: str
) -> None:
    client = client_of(alice)
    for method in ("get", "post", "put", "patch", "delete"):
        if method.upper() not in allowed:
            answer = getattr(client, method)(url, {}, format="json")
            assert (answer.status_code, answer.json()["error"]) == (405, "invalid_request")
    assert set(client.options(url)["Allow"].split(", ")) >= set(allowed.split(", "))
