"""Test mails and checks: what they set, what they answer, and that nothing is stored where a check fails."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from mailconfig.delivery import run_check
from mailconfig.models import ConnectionCheck, Mailbox
from tests.factories import make_message
from tests.integration.api.conftest import LOGIN, PASSWORD
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Reply

from .calls import JSONAPI, URL, changed, data_of, document, made, refusals, send

pytestmark = pytest.mark.django_db(transaction=True)


def at(server: ChaosServer, **attributes: Any) -> dict[str, Any]:
    """Attributes of a mailbox that works."""
    plain = {"email": "shop@example.com", "smtpHost": "127.0.0.1", "smtpPort": server.port, "smtpSsl": True}
    return {**plain, "username": LOGIN, "password": PASSWORD, **attributes}


def test_a_test_mail_goes_to_the_mailbox_itself(api: APIClient, server: ChaosServer) -> None:
    key = made(api, **at(server, sendDisabled=True))["id"]
    make_message(Mailbox.objects.get())

    shown = data_of(send(api, "POST", f"/{key}/actions/testSend"))["attributes"]

    assert shown["sendSuccessAt"]
    assert shown["sendErroredAt"] is None
    (mail,) = server.messages
    assert list(mail.recipients) == ["shop@example.com"]


def test_a_test_mail_that_fails_names_the_guilty_attribute_and_is_noted(
    api: APIClient, server: ChaosServer
) -> None:
    key = made(api, **at(server))["id"]
    server.on("auth", Reply.of("535 5.7.8 no"))

    response = send(api, "POST", f"/{key}/actions/testSend")

    (error,) = response.json()["errors"]
    assert (response.status_code, error["code"], error["meta"]["stage"]) == (422, "auth_failed", "login")
    assert error["source"]["pointer"] in {"/data/attributes/username", "/data/attributes/password"}
    assert "serverText" not in error["meta"]
    shown = data_of(send(api, "GET", f"/{key}"))["attributes"]
    assert shown["sendErroredAt"]
    assert shown["sendSuccessAt"] is None


def test_staff_reads_the_servers_own_words(api: APIClient, alice: User, server: ChaosServer) -> None:
    alice.is_staff = True
    alice.save()
    key = made(api, **at(server))["id"]
    server.on("auth", Reply.of("535 5.7.8 ask the postmaster"))
    (error,) = send(api, "POST", f"/{key}/actions/testSend").json()["errors"]
    assert "ask the postmaster" in error["meta"]["serverText"]


def test_a_mailbox_without_an_address_has_nowhere_to_send_a_test(api: APIClient, server: ChaosServer) -> None:
    key = made(api, **at(server, email=None))["id"]
    assert refusals(send(api, "POST", f"/{key}/actions/testSend")) == {
        "/data/attributes/email": "validationError"
    }
    assert not server.sessions


def test_a_worker_sends_it_for_who_does_not_wait(api: APIClient, server: ChaosServer) -> None:
    key = made(api, **at(server))["id"]

    response = send(api, "POST", f"/{key}/actions/testSend", headers={"Prefer": "respond-async"})

    check = ConnectionCheck.objects.get()
    assert response.status_code == 202
    assert response["Location"] == f"http://testserver{URL}/checks/{check.uuid}"
    assert response.json()["data"]["attributes"]["state"] == "pending"
    assert data_of(api.get(response["Location"])) == response.json()["data"]
    assert response.json()["data"]["id"] == str(check.uuid)
    server.on("auth", Reply.of("535 5.7.8 no"))
    assert run_check(check_id=check.pk)
    done = data_of(api.get(response["Location"]))["attributes"]
    assert (done["state"], done["code"], done["field"]) == ("failed", "auth_failed", "password")
    Mailbox.objects.filter(pk=key).update(owner=None)
    assert refusals(api.get(response["Location"]), 404), "it is nobody's who may not see the mailbox"


@pytest.mark.parametrize(
    "raw",
    [
        '{"data": {"attributes": {}}}',
        '{"data": {"type": "mailbox", "attributes": {"password": "x"}}}',
        '{"password": "x"}',
        '{"data": [1]}',
        "[]",
        "null",
        "1",
    ],
)
def test_an_action_takes_no_values(api: APIClient, server: ChaosServer, raw: str) -> None:
    key = made(api, **at(server))["id"]
    for action in ("testSend", "testSync"):
        response = api.generic("POST", f"{URL}/{key}/actions/{action}", raw, content_type=JSONAPI)
        assert refusals(response) == {"": "validationError"}
    assert not server.sessions


@pytest.mark.parametrize(
    "raw", ["", "{}", '{"data": null}', '{"data": {}}', '{"data": {"type": "mailbox", "id": "1"}}']
)
def test_an_action_takes_a_document_that_says_nothing(api: APIClient, server: ChaosServer, raw: str) -> None:
    key = made(api, **at(server))["id"]

    response = api.generic("POST", f"{URL}/{key}/actions/testSend", raw, content_type=JSONAPI)

    assert data_of(response)["attributes"]["sendSuccessAt"]


def test_what_is_proved_is_stored(api: APIClient, server: ChaosServer) -> None:
    key = made(api, **at(server, validateSend=True))["id"]
    assert len(server.auth_attempts) == 1
    assert not server.messages, "a check sends no mail"
    data_of(changed(api, key, validateSend=True))
    data_of(changed(api, key, optOutMessage="Bye", validateSend=True))
    assert len(server.auth_attempts) == 3
    assert Mailbox.objects.get().opt_out_message == "Bye"
    data_of(changed(api, key, optOutMessage="Hello", validateSend=False))
    assert len(server.auth_attempts) == 3


def test_what_cannot_be_proved_is_not_stored(api: APIClient, server: ChaosServer) -> None:
    failed = {"/data/attributes/validateSend": "validationError"}
    response = send(api, "POST", "", document(**at(server, password="wrong", validateSend=True)))
    assert refusals(response) == failed
    assert response.json()["errors"][0]["meta"]["attribute"] in {"username", "password"}
    assert not Mailbox.objects.exists()

    key = made(api, **at(server))["id"]
    before = Mailbox.objects.values().get()
    response = changed(api, key, password="wrong", emailSignature="Bye", validateSend=True)
    assert refusals(response) == failed
    assert Mailbox.objects.values().get() == before
