"""Changing an account: what stays, what is proved again, and that a password never follows to another server."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from pytest_django import Settings

from mailconfig.models import Account
from tests.bearer import client_of
from tests.integration.api.outbound_email.conftest import (
    OTHER_PASSWORD,
    PASSWORD,
    USERNAME,
    at,
    permit,
    put,
    row_of,
    stored,
)
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Close

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_is_not_sent_stays_and_the_stored_password_is_proved_again(
    server: ChaosServer, alice: User
) -> None:
    account = stored(server, alice)
    before = client_of(alice).get(at(account)).json()

    answer = put(alice, account, {"name": "New"})

    assert (answer.status_code, answer.json()) == (200, before | {"name": "New"}), answer.content
    assert server.auth_attempts == [("PLAIN", USERNAME, PASSWORD)]
    assert client_of(alice).get(at(account)).json() == before | {"name": "New"}


def test_a_new_password_is_proved_and_stored(server: ChaosServer, alice: User) -> None:
    account = stored(server, alice)
    server.credentials = {USERNAME: OTHER_PASSWORD}

    assert put(alice, account, {"mail_smtppass": OTHER_PASSWORD}).status_code == 200
    assert put(alice, account, {}).status_code == 200

    assert server.auth_attempts == [("PLAIN", USERNAME, OTHER_PASSWORD)] * 2


def test_an_answer_sent_back_damages_nothing(server: ChaosServer, alice: User) -> None:
    account = stored(server, alice)
    shown = client_of(alice).get(at(account)).json()
    before = row_of(account)

    answer = put(alice, account, shown)

    assert (answer.status_code, answer.json()) == (200, shown)
    after = row_of(account)
    assert {name for name in after if after[name] != before[name]} == {
        "revision",
        "updated_at",
        "updated_by_id",
    }


@pytest.mark.parametrize(
    "held",
    [
        {"preset": "rackspace"},
        {"preset": ""},
        {"security": "opportunistic", "authentication": "none", "secret": None},
        {"security": "none", "authentication": "none", "secret": None},
        {"authentication": "oauth2"},
    ],
    ids=str,
)
def test_what_has_no_word_of_its_own_survives_being_sent_back(
    server: ChaosServer, alice: User, settings: Settings, held: dict[str, Any]
) -> None:
    settings.MAILCONFIG |= {"OUTBOX": True}
    account = stored(server, alice, **held)
    shown = client_of(alice).get(at(account)).json()

    assert put(alice, account, shown).status_code == 200

    after = row_of(account)
    assert {name: after[name] for name in held} == held | (
        {"secret": after["secret"]} if "secret" in held else {}
    )
    assert client_of(alice).get(at(account)).json() == shown


def test_encryption_that_was_a_matter_of_luck_can_be_required(
    server: ChaosServer, alice: User, settings: Settings
) -> None:
    settings.MAILCONFIG |= {"OUTBOX": True}
    account = stored(server, alice, security="opportunistic", authentication="none", secret=None)
    assert client_of(alice).get(at(account)).json()["mail_smtpssl"] == "0"

    assert put(alice, account, {"mail_smtpssl": "2"}).json()["mail_smtpssl"] == "2"
    assert row_of(account)["security"] == "starttls"


@pytest.mark.parametrize("entry", ["", None])
def test_a_login_cannot_lose_its_password(server: ChaosServer, alice: User, entry: object) -> None:
    account = stored(server, alice)
    before = row_of(account)

    answer = put(alice, account, {"mail_smtppass": entry})

    assert (answer.status_code, answer.json()["error"]) == (422, "missing_parameter")
    assert "mail_smtppass" in answer.json()["error_message"]
    assert row_of(account) == before
    assert server.sessions == 0


@pytest.mark.parametrize("entry", ["", None, OTHER_PASSWORD])
def test_who_stops_logging_in_clears_the_password(server: ChaosServer, alice: User, entry: object) -> None:
    account = stored(server, alice)

    answer = put(alice, account, {"mail_smtpauth_req": False, "mail_smtppass": entry})

    assert answer.status_code == 200, answer.content
    assert "mail_smtppass" not in answer.json()
    assert row_of(account)["secret"] is None
    assert server.auth_attempts == []


@pytest.mark.parametrize("entry", [True, "***", "••••"])
def test_a_password_to_keep_must_be_there_and_no_mask(
    server: ChaosServer, alice: User, entry: object
) -> None:
    account = stored(server, alice, authentication="none", secret=None)

    answer = put(alice, account, {"mail_smtppass": entry})

    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_parameter")
    assert answer.json()["error_message"].startswith("mail_smtppass: ")
    assert server.sessions == 0


DESTINATION = {
    "mail_smtpserver": "localhost",
    "mail_smtpport": 4650,
    "mail_smtpuser": "bar@mail.test",
    "mail_smtpauth_req": False,
    "mail_smtpssl": "2",
}
CHANGES = [
    dict(several)
    for count in (1, 2, len(DESTINATION))
    for several in itertools.combinations(DESTINATION.items(), count)
]


@pytest.mark.parametrize("keep", [{}, {"mail_smtppass": True}], ids=["absent", "true"])
@pytest.mark.parametrize("change", CHANGES, ids="+".join)
def test_a_stored_password_never_goes_to_another_destination(
    server: ChaosServer, alice: User, change: dict[str, Any], keep: dict[str, Any]
) -> None:
    account = stored(server, alice)
    before = row_of(account)

    answer = put(alice, account, {"name": "New"} | change | keep)

    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_parameter"), answer.content
    assert answer.json()["error_message"].startswith("mail_smtppass: ")
    assert row_of(account) == before
    assert server.sessions == 0


@pytest.mark.parametrize("name", ["mail_smtpserver", "mail_smtpuser"])
def test_with_the_password_it_may_move(server: ChaosServer, alice: User, name: str) -> None:
    account = stored(server, alice)

    answer = put(alice, account, {name: DESTINATION[name], "mail_smtppass": PASSWORD})

    assert answer.status_code == 200, answer.content
    assert answer.json()[name] == DESTINATION[name]
    assert put(alice, account, {}).status_code == 200, "and opens for where it moved to"


def test_another_spelling_of_the_same_is_no_move(server: ChaosServer, alice: User) -> None:
    account = stored(server, alice)
    same = {"mail_smtpport": str(server.port), "mail_smtpssl": 1, "mail_smtpauth_req": True, "name": "New"}

    assert put(alice, account, same).status_code == 200


def test_a_row_that_was_changed_past_its_secret_does_not_open(server: ChaosServer, alice: User) -> None:
    account = stored(server, alice)
    Account.objects.update(username="bar@mail.test")

    answer = put(alice, account, {"name": "New"})

    assert (answer.status_code, answer.json()["error"]) == (422, "smtp_server_error")
    assert answer.json()["error_message"].startswith("mail_smtppass: ")
    assert server.auth_attempts == []


@pytest.mark.parametrize("kind", ["system", "system-override"])
def test_an_account_does_not_become_another_type(server: ChaosServer, alice: User, kind: str) -> None:
    account = stored(server, alice)

    answer = put(alice, account, {"type": kind})

    assert (answer.status_code, answer.json()["error"]) == (403, "not_authorized")
    assert server.sessions == 0


def test_an_account_stays_its_owners_when_a_colleague_changes_it(
    server: ChaosServer, alice: User, bob: User
) -> None:
    permit(bob, "view", "change")
    account = stored(server, alice)

    record = put(bob, account, {"name": "New", "user_id": str(bob.pk)}).json()

    assert (record["name"], record["user_id"]) == ("New", str(alice.pk))
    after = Account.objects.get()
    assert (after.owner, after.updated_by, after.tenant) == (alice, bob, account.tenant)


def test_of_two_changes_at_once_one_is_told_to_try_again(server: ChaosServer, alice: User) -> None:
    account = stored(server, alice)
    answers: dict[str, Any] = {}
    server.latency = 0.2  # of each of six replies: both have read the row long before one is stored

    def change(name: str) -> None:
        try:
            answers[name] = put(alice, account, {"name": name})
        finally:
            connection.close()

    threads = [threading.Thread(target=change, args=(name,)) for name in ("One", "Two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    told = {name: (answer.status_code, answer.json().get("error")) for name, answer in answers.items()}
    assert sorted(told.values(), key=str) == [(200, None), (422, "edit_conflict")]
    assert Account.objects.get().name == next(
        name for name, (status, _error) in told.items() if status == 200
    )


def test_what_was_deleted_meanwhile_is_not_brought_back(server: ChaosServer, alice: User) -> None:
    account = stored(server, alice)

    def delete(_line: str) -> bool:
        Account.objects.update(deleted_at="2026-01-01T00:00:00Z", secret=None)
        connection.close()
        return False

    server.on("mail", Close(), when=delete)  # which never happens: it returns False

    answer = put(alice, account, {"name": "New"})

    assert (answer.status_code, answer.json()["error"]) == (422, "edit_conflict")
    assert Account.objects.get().name != "New"
