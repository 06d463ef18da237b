"""Making, changing and deleting providers, and what nothing of that may do."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from rest_framework.test import APIClient

from mailconfig.models import Account, ConnectionCheck, SMTPProvider
from tests.factories import make_message
from tests.integration.api.calls import BODY, URL, make_provider, refused
from tests.servers.chaos import ChaosServer
from tests.servers.hostile_hosts import NO_HOST_NAMES

pytestmark = pytest.mark.django_db

NEW_PASSWORD = "another-not-real-password"


def stored(key: int) -> Account:
    """The row as it is now."""
    return Account.objects.get(pk=key)


def secret_of(account: Account) -> str:
    """What would be sent to the server."""
    secret = account.transport_settings().secret
    return secret.reveal() if secret else ""


def columns(key: int) -> dict[str, Any]:
    """Everything of the row."""
    return dict(Account.objects.filter(pk=key).values().get())


def test_a_new_provider_is_stored_as_it_was_sent_and_nothing_is_connected(
    api: APIClient, alice: User, server: ChaosServer
) -> None:
    response = api.post(URL, BODY | {"host": "127.0.0.1", "port": server.port}, format="json")

    assert response.status_code == 201
    body = response.json()
    assert response["Location"] == f"http://testserver{URL}/{body['id']}"
    assert body == api.get(response["Location"]).json()
    account = stored(body["id"])
    assert (account.kind, account.created_by, account.updated_by) == ("smtp_provider", alice, alice)
    assert (account.security, account.authentication, account.owner) == ("starttls", "password", None)
    assert secret_of(account) == BODY["password"]
    assert account.lane.due_at is None
    assert str(BODY["password"]) not in response.content.decode()
    assert server.sessions == 0
    assert not ConnectionCheck.objects.exists()


@pytest.mark.parametrize(("sent", "answered"), [(1, True), (0, False), (True, True), (False, False)])
def test_enabled_is_taken_as_a_number_too_and_answered_as_a_boolean(
    api: APIClient, sent: object, answered: bool
) -> None:
    created = api.post(URL, BODY | {"isEnabled": sent}, format="json").json()

    assert created["isEnabled"] is answered
    assert (
        api.patch(f"{URL}/{created['id']}", {"isEnabled": sent}, format="json").json()["isEnabled"]
        is answered
    )


def test_a_caption_may_be_left_out(api: APIClient) -> None:
    body = {name: value for name, value in BODY.items() if name != "caption"}

    assert api.post(URL, body, format="json").json()["caption"] == ""


@pytest.mark.parametrize("name", [name for name in BODY if name != "caption"])
def test_everything_else_is_needed(api: APIClient, name: str) -> None:
    without = {key: value for key, value in BODY.items() if key != name}
    for body in (without, without | {name: None}, without | {name: ""}):
        assert list(refused(api.post(URL, body, format="json"), 400)["errors"]) == [name]
    assert not SMTPProvider.objects.exists()


def test_all_that_is_missing_is_named_at_once(api: APIClient) -> None:
    errors = refused(api.post(URL, {}, format="json"), 400)["errors"]

    assert set(errors) == set(BODY) - {"caption"}


BAD: dict[str, list[Any]] = {
    "caption": [None, 1, True, [], {}, "a\nb", "\u2028", "\x7f", "a" * 256, "ä" * 256],
    "driver": [None, "", 1, "SMTP", "smtp\n", " smtp", "sendmail", "log", "file", ["smtp"], True],
    "host": [None, 1, 1.5, True, [], {}, "a" * 100_000, *(host for host in NO_HOST_NAMES if "\0" not in host and "\ud800" not in host)],
    "port": [None, 0, -1, 65536, 2**31, 2**63, 10**40, 465.0, True, False, "", "25", "25\n", "１２３", [25], {}],
    "username": [None, "", 1, True, [], "a\r\nb", "a\x1fb", "a" * 256],
    "password": [1, True, [], {}, "***", "••••", "a\nb", "a\r", "x" * 65537, "ä" * 32769],
    "sendFrom": [
        *(None, "", 1, [], "a", "a@b,c@d.com", "a@b.com;c@d.com", "<a@b.com>", "N <a@b.com>", "a@[127.0.0.1]"),
        *("a@b.com\r\nBcc: x@y.com", "a@b.com\n", '"a b"@c.com', "a@b..com", "ü@x.com", "a@ü.de", "a@b.com\u2028"),
        *("a" * 65 + "@b.com", "a@" + "b" * 250 + ".com", "-f@x.com", "root", "***@****.com", "a@b.com(c)", " a@b.com"),
    ],
    "sendFromName": [None, "", 1, [], "a\r\nBcc: x@y.com", "\u2029", "a" * 256],
    "encryption": [None, "", "TLS", "none", "starttls", "tls ", "tls\n", 1, True, ["tls"], "opportunistic"],
    "isEnabled": [None, "", "1", "0", "true", "false", 1.0, 0.0, 2, -1, "on", "yes", [], {}],
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_is_refused_by_name_and_changes_nothing(api: APIClient, name: str) -> None:
    provider = make_provider()
    before = columns(provider.pk)
    for value in BAD[name]:
        for response in (
            api.post(URL, BODY | {name: value}, format="json"),
            api.patch(f"{URL}/{provider.pk}", {name: value}, format="json"),
        ):
            body = refused(response, 400)
            assert list(body["errors"]) == [name], (value, body)
            assert all(isinstance(text, str) for text in body["errors"][name])
            assert len(str(value)) < 3 or name != "password" or str(value) not in str(body)
    assert columns(provider.pk) == before
    assert SMTPProvider.objects.count() == 1


def test_what_is_unknown_or_read_only_is_ignored(api: APIClient) -> None:
    extra = {
        "id": 4711,
        "pk": 4711,
        "kind": "mailbox",
        "owner": 1,
        "tenant": 1,
        "hasPassword": False,
        "createTime": "1999-01-01T00:00:00Z",
        "secret": "x",
        "is_default": True,
        "authentication": "none",
        "__class__": {"a": [1]},
    }

    created = api.post(URL, BODY | extra, format="json")

    assert created.status_code == 201
    account = stored(created.json()["id"])
    assert account.pk != 4711
    assert (account.kind, account.is_default, account.authentication) == ("smtp_provider", False, "password")
    assert secret_of(account) == BODY["password"]


def test_what_was_read_can_be_sent_back(api: APIClient) -> None:
    for security in ("starttls", "tls", "none", "opportunistic"):
        provider = make_provider(security=security)
        before = columns(provider.pk)
        read = api.get(f"{URL}/{provider.pk}").json()

        answered = api.patch(f"{URL}/{provider.pk}", read | {"caption": "New"}, format="json")

        assert answered.status_code == 200
        ignored = {"updateTime": 0, "caption": "New"}
        assert answered.json() | ignored == read | ignored
        after = columns(provider.pk)
        changed = {name for name, value in after.items() if before[name] != value}
        assert changed == {"name", "revision", "updated_at", "updated_by_id"}


def test_an_empty_change_changes_nothing(api: APIClient) -> None:
    provider = make_provider()
    before = columns(provider.pk)

    assert api.patch(f"{URL}/{provider.pk}", {}, format="json").status_code == 200
    assert api.patch(f"{URL}/{provider.pk}").status_code == 200
    assert columns(provider.pk) == before


DESTINATION: dict[str, object] = {
    "host": "smtp.example.net",
    "port": 465,
    "username": "other@mail.test",
    "encryption": "ssl",
}
CHANGES = [
    dict(several)
    for count in range(1, len(DESTINATION) + 1)
    for several in itertools.combinations(DESTINATION.items(), count)
]


@pytest.mark.parametrize("change", CHANGES, ids="+".join)
def test_another_destination_needs_the_password_again(api: APIClient, change: dict[str, object]) -> None:
    provider = make_provider()
    before = columns(provider.pk)
    path = f"{URL}/{provider.pk}"

    body = refused(api.patch(path, change, format="json"), 400)
    assert list(body["errors"]) == ["password"]
    for cleared in (None, "", "****"):
        refused(api.patch(path, change | {"password": cleared}, format="json"), 400)
    assert columns(provider.pk) == before

    answered = api.patch(path, change | {"password": NEW_PASSWORD}, format="json").json()
    assert {name: answered[name] for name in change} == change
    assert secret_of(stored(provider.pk)) == NEW_PASSWORD


def test_what_is_no_destination_keeps_the_password(api: APIClient) -> None:
    provider = make_provider()
    change = {
        "caption": "x",
        "sendFrom": "b@example.com",
        "sendFromName": "B",
        "isEnabled": 0,
        "host": "127.0.0.1",
    }

    assert api.patch(f"{URL}/{provider.pk}", change, format="json").status_code == 200
    assert secret_of(stored(provider.pk)) == "not-a-real-password"


def test_a_password_alone_can_be_changed_and_not_cleared(api: APIClient) -> None:
    provider = make_provider()
    path = f"{URL}/{provider.pk}"

    for cleared in (None, ""):
        assert list(refused(api.patch(path, {"password": cleared}, format="json"), 400)["errors"]) == [
            "password"
        ]
    assert secret_of(stored(provider.pk)) == "not-a-real-password"
    assert api.patch(path, {"password": NEW_PASSWORD}, format="json").status_code == 200
    assert secret_of(stored(provider.pk)) == NEW_PASSWORD


def test_a_provider_without_login_stays_so_until_it_gets_a_password(api: APIClient) -> None:
    provider = make_provider(authentication="none", username="", secret=None, security="none")
    path = f"{URL}/{provider.pk}"

    for change in ({"caption": "x"}, {"host": "relay.example.net"}, {"username": "me"}, {"password": None}):
        answered = api.patch(path, change, format="json")
        assert answered.status_code == 200, answered.content
        assert answered.json()["hasPassword"] is False
        assert stored(provider.pk).authentication == "none"
    assert api.patch(path, {"password": NEW_PASSWORD}, format="json").json()["hasPassword"] is True
    assert stored(provider.pk).authentication == "password"
    assert secret_of(stored(provider.pk)) == NEW_PASSWORD


def test_a_login_needs_a_user_name(api: APIClient) -> None:
    provider = make_provider(authentication="none", username="", secret=None)

    body = refused(api.patch(f"{URL}/{provider.pk}", {"password": NEW_PASSWORD}, format="json"), 400)

    assert list(body["errors"]) == ["username"]
    assert stored(provider.pk).secret is None


def test_a_login_by_token_is_not_turned_into_one_by_password(api: APIClient) -> None:
    provider = make_provider(authentication="oauth2")

    for change in ({"caption": "x"}, {"password": "a-new-token-not-real"}):
        assert api.patch(f"{URL}/{provider.pk}", change, format="json").status_code == 200
        assert stored(provider.pk).authentication == "oauth2"


def test_an_unreadable_password_needs_no_key_until_it_is_used(api: APIClient, settings: Any) -> None:
    provider = make_provider()
    settings.FIELD_ENCRYPTION_KEY = "bm90LWEtcmVhbC1rZXktLWFub3RoZXItb25lLW9mLXM="

    assert api.patch(f"{URL}/{provider.pk}", {"caption": "x"}, format="json").status_code == 200
    assert api.get(f"{URL}/{provider.pk}").json()["hasPassword"] is True


def test_who_changed_it_is_noted(api: APIClient, alice: User) -> None:
    provider = make_provider()
    api.patch(f"{URL}/{provider.pk}", {"caption": "x"}, format="json")

    assert (stored(provider.pk).created_by, stored(provider.pk).updated_by) == (None, alice)


def test_deleting_wipes_the_password_and_is_done_once(api: APIClient, alice: User) -> None:
    provider = make_provider(is_default=True)
    path = f"{URL}/{provider.pk}"

    response = api.delete(path)

    assert (response.status_code, response.content) == (204, b"")
    row = stored(provider.pk)
    assert row.deleted_at
    assert (row.secret, row.is_enabled, row.is_default, row.updated_by) == (None, False, False, alice)
    for method in ("get", "patch", "delete"):
        refused(getattr(api, method)(path), 404)


@pytest.mark.parametrize("count", [1, 3])
def test_a_provider_whose_mail_waits_stays_and_says_how_many(api: APIClient, count: int) -> None:
    provider = make_provider()
    for _ in range(count):
        make_message(provider)
    before = columns(provider.pk)

    body = refused(api.delete(f"{URL}/{provider.pk}"), 409)

    assert f"{count} mail" in body["message"]
    assert columns(provider.pk) == before


def test_of_two_changes_at_once_the_later_is_told_and_stores_nothing(api: APIClient) -> None:
    provider = make_provider()
    others: list[int] = []

    def come_in_between(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not others and '"revision" = ' in sql and sql.startswith("SELECT"):
            others.append(0)
            row = Account.objects.get(pk=provider.pk)
            row.name = "theirs"
            row.save()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(come_in_between):
        response = api.patch(f"{URL}/{provider.pk}", {"caption": "mine"}, format="json")

    assert "Somebody else" in refused(response, 409)["message"]
    assert stored(provider.pk).name != "mine"


def test_two_providers_may_be_alike(api: APIClient) -> None:
    assert [api.post(URL, BODY, format="json").status_code for _ in range(2)] == [201, 201]
