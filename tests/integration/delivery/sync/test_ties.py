"""Answers and reports: tied to what the same mailbox has sent, and to nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from mailconfig import delivery, signals
from mailconfig.models import (
    Bounce,
    Mailbox,
    Message,
    Recipient,
    Suppression,
    SyncedContent,
    SyncedKind,
    SyncedMessage,
)
from tests.factories import make_message, make_tenant
from tests.servers.imap import FakeIMAP

from .mail import make_synced, put

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
pytestmark = pytest.mark.django_db(transaction=True)

REPORT = """\
--b\r
Content-Type: text/plain\r
\r
It did not arrive.\r
--b\r
Content-Type: message/delivery-status\r
\r
Reporting-MTA: dns; mx.example.net\r
\r
Final-Recipient: rfc822; {address}\r
Action: {action}\r
Status: {status}\r
Diagnostic-Code: smtp; 550 {status} no such user here\r
\r
--b\r
Content-Type: text/rfc822-headers\r
\r
Message-ID: {message_id}\r
\r
--b--\r
"""


@pytest.fixture
def told() -> Iterator[list[dict[str, object]]]:
    """What the signal told."""
    found: list[dict[str, object]] = []

    def note(*, message_id: int, account_id: int, bounce_id: int, **kwargs: object) -> None:
        found.append({"message_id": message_id, "account_id": account_id, "bounce_id": bounce_id})

    signals.message_bounced.connect(note)
    yield found
    signals.message_bounced.disconnect(note)


def own_id(message: Message) -> str:
    """The Message-ID that follows from its uuid."""
    Message.objects.filter(pk=message.pk).update(given_message_id=None)
    message.given_message_id = None
    return message.message_id


def put_report(
    server: FakeIMAP, message_id: str, address: str, *, action: str = "failed", status: str = "5.1.1"
) -> None:
    """Put a report about a recipient of a message into the inbox."""
    text = REPORT.format(message_id=message_id, address=address, action=action, status=status)
    put(
        server,
        text,
        From="MAILER-DAEMON@mx.example.net",
        MIME_Version="1.0",
        Content_Type='multipart/report; report-type=delivery-status; boundary="b"',
    )


@pytest.mark.parametrize("field", ["In_Reply_To", "References"])
@pytest.mark.parametrize("is_given", [True, False])
def test_an_answer_is_tied_to_what_it_answers(
    server: FakeIMAP, mailbox: Mailbox, field: str, is_given: bool
) -> None:
    message = make_message(mailbox, message_id="<given@example.com>")
    name = "<given@example.com>" if is_given else own_id(message)
    header: dict[str, Any] = {field: f"<other@example.net> {name}" if field == "References" else name}
    put(server, **header)
    put(server)

    delivery.sync_account(account_id=mailbox.pk)

    assert [row.answers_id for row in SyncedMessage.objects.order_by("uid")] == [message.pk, None]


def test_the_message_that_is_answered_counts_before_those_it_followed(
    server: FakeIMAP, mailbox: Mailbox
) -> None:
    first, second = (make_message(mailbox, message_id=f"<{name}@example.com>") for name in "ab")
    put(server, References="<a@example.com> <b@example.com>")
    put(server, References="<a@example.com> <b@example.com>", In_Reply_To="<a@example.com>")

    delivery.sync_account(account_id=mailbox.pk)

    assert [row.answers_id for row in SyncedMessage.objects.order_by("uid")] == [second.pk, first.pk]


def test_nothing_is_tied_to_what_another_account_sent(
    server: FakeIMAP, mailbox: Mailbox, told: list[dict[str, object]]
) -> None:
    other = make_synced(server.port, from_email="other@mail.test")
    message = make_message(other, to=["them@example.net"], message_id="<given@example.com>")
    put(server, In_Reply_To="<given@example.com>")
    put_report(server, "<given@example.com>", "them@example.net")
    put_report(server, own_id(message), "them@example.net")

    delivery.sync_account(account_id=mailbox.pk)

    assert not SyncedMessage.objects.exclude(answers=None).exists()
    assert not Bounce.objects.exists()
    assert told == []


def test_a_hundred_answers_are_tied_by_one_query(server: FakeIMAP, mailbox: Mailbox) -> None:
    for number in range(50):
        make_message(mailbox, message_id=f"<{number}@example.com>")
        put(server, In_Reply_To=f"<{number}@example.com>")

    with CaptureQueriesContext(connection) as queries:
        delivery.sync_account(account_id=mailbox.pk)

    asked = [query["sql"] for query in queries if 'FROM "mailconfig_message"' in query["sql"]]
    assert len(asked) == 1
    assert SyncedMessage.objects.exclude(answers=None).count() == 50


@pytest.mark.parametrize(("tenant", "keeps_texts"), [(True, True), (False, False)])
def test_a_report_is_stored_told_and_suppresses_the_address(
    server: FakeIMAP,
    told: list[dict[str, object]],
    settings: Settings,
    tenant: bool,
    keeps_texts: bool,
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "SYNCED_CONTENT_DAYS": 30 if keeps_texts else 0}
    mailbox = make_synced(server.port, tenant=make_tenant() if tenant else None)
    message = make_message(mailbox, to=["Them@Example.NET", "fine@example.net"])
    put_report(server, own_id(message), "them@example.net")

    report = delivery.sync_account(account_id=mailbox.pk)

    assert report.bounces == 1
    bounce, row = Bounce.objects.get(), SyncedMessage.objects.get()
    assert (bounce.message, bounce.address, bounce.reported_in) == (message, "Them@Example.NET", row)
    assert (bounce.is_permanent, bounce.enhanced_code) == (True, "5.1.1")
    assert "no such user here" in bounce.text
    assert row.kind == SyncedKind.REPORT
    suppression = Suppression.objects.get()
    assert (suppression.tenant, suppression.address) == (mailbox.tenant, "them@example.net")
    assert told == [{"message_id": message.pk, "account_id": mailbox.pk, "bounce_id": bounce.pk}]
    assert SyncedContent.objects.exists() is keeps_texts


@pytest.mark.parametrize(
    ("address", "action", "status", "bounces", "suppressions"),
    [
        ("them@example.net", "failed", "5.1.1", 1, 1),
        ("them@example.net", "failed", "4.4.7", 1, 0),
        ("them@example.net", "delayed", "4.4.7", 0, 0),
        ("them@example.net", "delivered", "2.0.0", 0, 0),
        ("somebody@example.net", "failed", "5.1.1", 0, 0),
    ],
)
def test_what_a_report_says_is_what_is_believed_of_recipients_there_were(
    server: FakeIMAP,
    mailbox: Mailbox,
    address: str,
    action: str,
    status: str,
    bounces: int,
    suppressions: int,
) -> None:
    message = make_message(mailbox, to=["them@example.net"])
    put_report(server, own_id(message), address, action=action, status=status)

    delivery.sync_account(account_id=mailbox.pk)

    assert (Bounce.objects.count(), Suppression.objects.count()) == (bounces, suppressions)
    assert Recipient.objects.get().state == ""


def test_a_recipient_is_reported_once_and_for_good_outdoes_for_now(
    server: FakeIMAP, mailbox: Mailbox, told: list[dict[str, object]]
) -> None:
    message = make_message(mailbox, to=["them@example.net"])
    name = own_id(message)
    for status in ("4.4.7", "5.1.1", "4.4.7", "5.1.1"):
        put_report(server, name, "them@example.net", status=status)
        delivery.sync_account(account_id=mailbox.pk)
        Bounce.objects.filter(is_permanent=False).update(reported_at=LONG_AGO)

    bounce = Bounce.objects.get()
    assert bounce.is_permanent
    assert bounce.reported_at > LONG_AGO
    assert (len(told), Suppression.objects.count()) == (2, 1)


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ({}, SyncedKind.MAIL),
        ({"Auto_Submitted": "auto-replied"}, SyncedKind.AUTOMATIC),
        ({"Auto_Submitted": "no"}, SyncedKind.MAIL),
        ({"Subject": "Undeliverable: lunch"}, SyncedKind.MAIL),
    ],
)
def test_what_people_write_is_told_from_what_programs_write(
    server: FakeIMAP, mailbox: Mailbox, header: dict[str, Any], kind: SyncedKind
) -> None:
    put(server, **header)

    delivery.sync_account(account_id=mailbox.pk)

    assert SyncedMessage.objects.get().kind == kind
