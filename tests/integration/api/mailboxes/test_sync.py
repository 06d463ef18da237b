"""Tests of a mailbox's sync: what they set, what they answer, and that nothing is stored where one fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from mailconfig.delivery import run_check
from mailconfig.models import ConnectionCheck, Mailbox
from tests.integration.api.conftest import LOGIN, PASSWORD
from tests.servers.certificates import Certificates
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Reply
from tests.servers.imap import FakeFolder, FakeIMAP

from .calls import URL, changed, data_of, document, made, refusals, send

pytestmark = pytest.mark.django_db(transaction=True)

AT_METHOD = {"/data/attributes/syncMethod": "validationError"}
VALIDATES = {"/data/attributes/validateSync": "validationError"}
STAMPS = ("syncSuccessAt", "syncFinishedAt", "syncErroredAt")


@pytest.fixture
def imap(certificates: Certificates, trusted: None) -> Iterator[FakeIMAP]:
    """A server as providers run it on port 143."""
    with FakeIMAP(tls=certificates.good, starttls=True, credentials={LOGIN: PASSWORD}) as found:
        yield found


def at(imap: FakeIMAP, **attributes: Any) -> dict[str, Any]:
    """Attributes of a mailbox that can be synced."""
    plain = {"email": "shop@example.com", "imapHost": "127.0.0.1", "imapPort": imap.port, "imapSsl": True}
    return {**plain, "username": LOGIN, "password": PASSWORD, **attributes}


def stamps(api: APIClient, key: Any) -> list[bool]:
    """Which of the three times are set."""
    shown = data_of(send(api, "GET", f"/{key}"))["attributes"]
    return [shown[name] is not None for name in STAMPS]


def test_right_settings_set_success_and_end(api: APIClient, imap: FakeIMAP) -> None:
    key = made(api, **at(imap, syncDisabled=True))["id"]
    assert stamps(api, key) == [False, False, False]

    shown = data_of(send(api, "POST", f"/{key}/actions/testSync"))["attributes"]

    assert [shown[name] is not None for name in STAMPS] == [True, True, False]
    assert shown["sendSuccessAt"] is shown["sendErroredAt"] is None
    assert imap.verbs()[-2:] == ["EXAMINE", "LOGOUT"]


@pytest.mark.parametrize(
    ("verb", "action", "stage", "code", "attribute"),
    [
        ("starttls", Reply.of("NO no"), "tls", "tls_failed", "imapSsl"),
        ("authenticate", Reply.of("NO ask the postmaster"), "login", "auth_failed", "password"),
        ("examine", Reply.of("NO none"), "folder", "folder_refused", "syncOutreachFolder"),
        ("capability", Reply.of("BAD what"), "banner", "protocol_error", "imapHost"),
    ],
)
def test_wrong_settings_set_the_error_and_name_the_guilty_attribute(
    api: APIClient, imap: FakeIMAP, verb: str, action: Any, stage: str, code: str, attribute: str
) -> None:
    key = made(api, **at(imap))["id"]
    imap.on(verb, action)

    response = send(api, "POST", f"/{key}/actions/testSync")

    assert refusals(response) == {f"/data/attributes/{attribute}": "validationError"}
    (error,) = response.json()["errors"]
    assert (error["code"], error["meta"]["stage"]) == (code, stage)
    assert "serverText" not in error["meta"]
    assert "postmaster" not in str(error)
    assert stamps(api, key) == [False, False, True]


def test_staff_reads_the_servers_own_words(api: APIClient, alice: User, imap: FakeIMAP) -> None:
    alice.is_staff = True
    alice.save()
    key = made(api, **at(imap))["id"]
    imap.on("authenticate", Reply.of("NO ask the postmaster"))
    (error,) = send(api, "POST", f"/{key}/actions/testSync").json()["errors"]
    assert "ask the postmaster" in error["meta"]["serverText"]


def test_who_cannot_be_reached_is_the_server_to_whoever_asks(api: APIClient, imap: FakeIMAP) -> None:
    key = made(api, **at(imap, imapPort=1))["id"]
    assert refusals(send(api, "POST", f"/{key}/actions/testSync")) == {
        "/data/attributes/imapHost": "validationError"
    }


def test_the_folder_outreach_is_opened_where_that_is_synced(api: APIClient, imap: FakeIMAP) -> None:
    key = made(api, **at(imap, syncOutreachFolder=True))["id"]
    assert refusals(send(api, "POST", f"/{key}/actions/testSync"))
    imap.folders[b"Outreach"] = FakeFolder()
    data_of(send(api, "POST", f"/{key}/actions/testSync"))
    assert not any("INBOX" in command for command in imap.commands)


def test_a_worker_makes_the_test_for_who_does_not_wait(api: APIClient, imap: FakeIMAP) -> None:
    key = made(api, **at(imap))["id"]
    imap.on("authenticate", Reply.of("NO no"))

    response = send(api, "POST", f"/{key}/actions/testSync", headers={"Prefer": "respond-async"})

    check = ConnectionCheck.objects.get()
    assert response.status_code == 202
    assert response["Location"] == f"http://testserver{URL}/checks/{check.uuid}"
    assert run_check(check_id=check.pk)
    done = data_of(api.get(response["Location"]))["attributes"]
    assert (done["state"], done["code"], done["field"]) == ("failed", "auth_failed", "password")
    assert [stage["stage"] for stage in done["stages"]] == ["connect", "tls", "banner", "login", "folder"]
    assert stamps(api, key) == [False, False, True]


def test_what_is_proved_is_stored(api: APIClient, imap: FakeIMAP) -> None:
    key = made(api, **at(imap, validateSync=True))["id"]
    assert len(imap.logins) == 1
    assert stamps(api, key) == [True, True, False]
    data_of(changed(api, key, validateSync=True))
    data_of(changed(api, key, optOutMessage="Bye", validateSync=True))
    assert len(imap.logins) == 3
    assert Mailbox.objects.get().opt_out_message == "Bye"
    data_of(changed(api, key, optOutMessage="Hello", validateSync=False))
    assert len(imap.logins) == 3


def test_what_cannot_be_proved_is_not_stored(api: APIClient, imap: FakeIMAP, server: ChaosServer) -> None:
    response = send(api, "POST", "", document(**at(imap, password="wrong", validateSync=True)))
    assert refusals(response) == VALIDATES
    assert response.json()["errors"][0]["meta"]["attribute"] == "password"
    assert not Mailbox.objects.exists()

    key = made(api, **at(imap))["id"]
    before = Mailbox.objects.values().get()
    response = changed(api, key, password="wrong", emailSignature="Bye", validateSync=True)
    assert refusals(response) == VALIDATES
    assert Mailbox.objects.values().get() == before
    assert stamps(api, key) == [False, False, False], "other values were tried than those stored"

    both = {"smtpHost": "127.0.0.1", "smtpPort": server.port, "smtpSsl": True, "validateSend": True}
    imap.on("examine", Reply.of("NO none"))
    response = send(api, "POST", "", document(**at(imap, **both, validateSync=True)))
    assert refusals(response) == VALIDATES
    assert len(server.auth_attempts) == 1
    assert Mailbox.objects.count() == 1


def test_no_stored_password_reaches_another_server(api: APIClient, imap: FakeIMAP) -> None:
    key = made(api, **at(imap))["id"]
    for change in ({"imapHost": "localhost"}, {"imapPort": 993}, {"imapSsl": None}, {"username": "other"}):
        refused = refusals(changed(api, key, **change, validateSync=True))
        assert set(refused) <= {"/data/attributes/password"}
    assert imap.commands == []


def test_a_method_that_is_not_there_is_said(api: APIClient, imap: FakeIMAP) -> None:
    said = at(imap, imapHost=None, imapPort=None, syncMethod=None)
    assert refusals(send(api, "POST", "", document(**said, validateSync=True))) == AT_METHOD
    assert not Mailbox.objects.exists()
    key = made(api, **said)["id"]
    for call in (send(api, "POST", f"/{key}/actions/testSync"), changed(api, key, validateSync=True)):
        assert refusals(call) == AT_METHOD
        assert "synced" in call.json()["errors"][0]["detail"]
    assert stamps(api, key) == [False, False, False]
    assert imap.commands == []
