"""Mailboxes that send by SendGrid: a key of their own, and nothing of their mail servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db.models.functions import Now
from pytest_django import Settings
from rest_framework.test import APIClient

from mailconfig import delivery
from mailconfig.models import AttemptOutcome, Mailbox, Message
from tests.factories import make_message
from tests.servers.services import KEY, Said, ServiceServer

from .calls import changed, data_of, document, made, refusals, send

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(settings: Settings) -> Iterator[ServiceServer]:
    with ServiceServer() as server:
        settings.MAILCONFIG = {
            **settings.MAILCONFIG,
            "ALLOWED_NETWORKS": ["127.0.0.0/8"],
            "WEB_PORTS": None,
            "ALLOW_PLAIN_HTTP": True,
            "SEND_API_URLS": {"sendgrid": server.url("sendgrid")},
        }
        yield server


def test_a_mailbox_sends_by_its_own_key_whatever_its_servers_are(
    api: APIClient, server: ServiceServer
) -> None:
    values = {"emailProvider": "gmail", "password": "not-a-real-password", "sendMethod": "sendgrid"}
    body = document(email="box@example.com", sendgridApiKey=KEY, validateSend=True, **values)
    response = send(api, "POST", "", body)
    assert response.status_code == 201, response.content
    mailbox = Mailbox.objects.get()
    make_message(mailbox)

    report = delivery.drain_account(account_id=mailbox.pk)
    tested = data_of(send(api, "POST", f"/{mailbox.pk}/actions/testSend"))

    assert report.outcomes == {AttemptOutcome.SENT: 1}
    assert [mail.recipients for mail in server.mails][1:] == [("box@example.com",)]
    assert tested["attributes"]["sendSuccessAt"]
    assert {asked.partition("?")[0] for asked in server.asked} == {
        "GET /sendgrid/scopes",
        "POST /sendgrid/mail/send",
    }


@pytest.mark.parametrize("key", [None, "SG.a-wrong-key"])
def test_a_key_that_is_missing_or_wrong_is_told_and_nothing_is_stored(
    api: APIClient, server: ServiceServer, key: str | None
) -> None:
    said = {"sendMethod": "sendgrid", "sendgridApiKey": key, "validateSend": True}
    response = send(api, "POST", "", document(email="box@example.com", **said))

    assert refusals(response) == {"/data/attributes/validateSend": "validationError"}
    assert not Mailbox.objects.exists()
    assert "SG.a" not in response.content.decode()


def test_a_refused_key_lets_mail_wait_and_a_new_one_sends_it(api: APIClient, server: ServiceServer) -> None:
    key = made(api, email="box@example.com", sendMethod="sendgrid", sendgridApiKey="SG.a-wrong-key")["id"]
    mailbox = Mailbox.objects.get()
    for _ in range(3):
        make_message(mailbox)
        delivery.drain_account(account_id=mailbox.pk)
    assert server.mails == []
    assert set(Message.objects.values_list("state", flat=True)) == {"queued"}
    check = delivery.probe_account(account_id=mailbox.pk, requested_by=None)
    assert (check.state, check.code, check.guilty_field) == ("failed", "auth_failed", "sendgrid_secret")

    data_of(changed(api, key, sendgridApiKey=KEY))
    Message.objects.update(not_before=Now())
    delivery.drain_account(account_id=mailbox.pk)

    assert len(server.mails) == 3


def test_a_service_that_wants_to_be_left_alone_is(api: APIClient, server: ServiceServer) -> None:
    made(api, email="box@example.com", sendMethod="sendgrid", sendgridApiKey=KEY)
    mailbox = Mailbox.objects.get()
    make_message(mailbox)
    server.faults.append(Said(429, {"errors": [{"message": "slow down"}]}, (("Retry-After", "60"),)))

    delivery.drain_account(account_id=mailbox.pk)
    delivery.drain_account(account_id=mailbox.pk)

    assert server.asked == ["POST /sendgrid/mail/send"]
    assert mailbox.lane.wait_reason == "server_limit"


def test_a_mail_that_takes_several_requests_comes_to_each_once_and_at_once(
    api: APIClient, server: ServiceServer
) -> None:
    made(api, email="box@example.com", sendMethod="sendgrid", sendgridApiKey=KEY)
    mailbox = Mailbox.objects.get()
    everybody = [f"unseen{number}@example.net" for number in range(5)]
    message = make_message(mailbox, to=everybody)

    report = delivery.drain_account(account_id=mailbox.pk)

    assert [mail.recipients for mail in server.mails] == [(one,) for one in everybody]
    assert report.outcomes == {AttemptOutcome.SENT: 5}
    message.refresh_from_db()
    assert message.state == "sent"
