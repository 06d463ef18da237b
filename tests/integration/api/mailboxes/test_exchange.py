"""Mailboxes of Exchange: what follows from their address, and that both halves are tried and named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from mailconfig.models import Mailbox
from tests.integration.api.conftest import LOGIN, PASSWORD
from tests.servers.certificates import Certificates
from tests.servers.ews import PATH, FakeEWS, Fault

from .calls import changed, data_of, document, made, refusals, send

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def exchange(certificates: Certificates, trusted: None) -> Iterator[FakeEWS]:
    """A server with one login."""
    with FakeEWS(tls=certificates.good, credentials={LOGIN: PASSWORD}) as found:
        yield found


def at(exchange: FakeEWS, **attributes: Any) -> dict[str, Any]:
    """Attributes of a mailbox that sends and is synced there."""
    plain = {
        "email": "shop@example.com",
        "smtpHost": None,
        "ewsEndpoint": f"https://127.0.0.1:{exchange.port}{PATH}",
    }
    return {**plain, "username": LOGIN, "password": PASSWORD, **attributes}


def test_an_address_of_exchange_is_enough_to_send_and_to_sync(api: APIClient, exchange: FakeEWS) -> None:
    shown = made(api, **at(exchange, validateSend=True, validateSync=True, exchangeVersion="Exchange2010"))

    assert [shown["attributes"][name] for name in ("sendMethod", "syncMethod")] == ["ews", "ews"]
    assert exchange.requests == ["GetFolder", "GetFolder", "GetFolder", "SyncFolderItems"]
    assert all(b'Version="Exchange2010"' in body for body in exchange.bodies)
    key = shown["id"]
    sent = data_of(send(api, "POST", f"/{key}/actions/testSend"))["attributes"]
    synced = data_of(send(api, "POST", f"/{key}/actions/testSync"))["attributes"]
    assert [sent["sendSuccessAt"] is None, synced["syncSuccessAt"] is None] == [False, False]
    assert [mail.recipients for mail in exchange.sent] == [("shop@example.com",)]


@pytest.mark.parametrize(
    ("fault", "attribute"),
    [
        (Fault(status=401, headers={"WWW-Authenticate": "Basic realm=x"}, body=b""), "password"),
        (Fault("ErrorNonExistentMailbox"), "username"),
        (Fault(status=404), "ewsEndpoint"),
        (Fault(body=b"<html>Log in here"), "ewsEndpoint"),
    ],
    ids=["401", "nobody", "404", "page"],
)
@pytest.mark.parametrize("action", ["testSend", "testSync"])
def test_what_is_wrong_is_named(
    api: APIClient, exchange: FakeEWS, fault: Fault, attribute: str, action: str
) -> None:
    key = made(api, **at(exchange))["id"]
    exchange.faults["*"] = fault

    assert set(refusals(send(api, "POST", f"/{key}/actions/{action}"))) == {f"/data/attributes/{attribute}"}
    stamp = {"testSend": "sendErroredAt", "testSync": "syncErroredAt"}[action]
    assert data_of(send(api, "GET", f"/{key}"))["attributes"][stamp] is not None


def test_a_check_that_fails_stores_nothing(api: APIClient, exchange: FakeEWS) -> None:
    body = document(**at(exchange, password="wrong", validateSync=True))

    assert set(refusals(send(api, "POST", "", body))) == {"/data/attributes/validateSync"}
    assert not Mailbox.objects.exists()
    assert "wrong" not in send(api, "POST", "", body).content.decode()


def test_a_method_without_an_address_says_so(api: APIClient, exchange: FakeEWS) -> None:
    key = made(api, email="a@b.test", smtpHost=None, sendMethod="ews", syncMethod="ews", password=PASSWORD)[
        "id"
    ]

    for action in ("testSend", "testSync"):
        (pointer,) = refusals(send(api, "POST", f"/{key}/actions/{action}"))
        assert pointer == "/data/attributes/ewsEndpoint"
    assert exchange.requests == []


def test_nobody_gives_up_verifying_where_the_deployment_does_not_allow_it(
    api: APIClient, exchange: FakeEWS, settings: Settings
) -> None:
    pointer = "/data/attributes/ewsSslVerifyMode"
    refused = send(api, "POST", "", document(**at(exchange, ewsSslVerifyMode=0)))
    assert refusals(refused) == {pointer: "validationError"}
    key = made(api, **at(exchange, ewsSslVerifyMode=1))["id"]
    assert pointer in refusals(changed(api, key, ewsSslVerifyMode=0, password=PASSWORD))

    settings.MAILCONFIG = {**settings.MAILCONFIG, "ALLOW_UNVERIFIED_TLS": True, "CA_FILE": None}
    data_of(changed(api, key, ewsSslVerifyMode=0, password=PASSWORD, validateSync=True))


@pytest.mark.parametrize("change", [{"ewsEndpoint": "https://localhost/EWS"}, {"ewsSslVerifyMode": 2}])
def test_no_stored_password_reaches_another_address(
    api: APIClient, exchange: FakeEWS, change: dict[str, Any]
) -> None:
    key = made(api, **at(exchange))["id"]

    assert set(refusals(changed(api, key, **change, validateSync=True))) == {"/data/attributes/password"}
    assert exchange.requests == []
