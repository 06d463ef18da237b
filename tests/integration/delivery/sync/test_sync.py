"""Syncing of a mailbox: what is stored, what is not, and that nothing is read twice."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from mailconfig import delivery
from mailconfig.models import (
    MailAlias,
    Mailbox,
    Suppression,
    SyncedContent,
    SyncedFolder,
    SyncedKind,
    SyncedMessage,
)
from tests.factories import make_message
from tests.servers.imap import FakeFolder, FakeIMAP

from .mail import lane_of, make_synced, put, uids

pytestmark = pytest.mark.django_db(transaction=True)

CHANGING = ("STORE", "SELECT", "EXPUNGE", "COPY", "MOVE", "APPEND", "CLOSE", "DELETE")


def test_what_came_in_is_stored_with_its_header_and_text(server: FakeIMAP, mailbox: Mailbox) -> None:
    put(
        server,
        "Yes.\r\nMe",
        From="Zoë <zoe@example.net>",
        Cc="a@example.net, b@example.net",
        Subject="=?utf-8?q?R=C3=A9sum=C3=A9?=",
        Date="Fri, 17 Jul 2026 02:44:00 +0200",
        Message_ID="<2@example.net>",
        In_Reply_To="<1@example.net>",
        References="<0@example.net> <1@example.net>",
    )

    report = delivery.sync_account(account_id=mailbox.pk)

    assert (report.owned, report.stored, report.is_complete, report.is_due) == (True, 1, True, False)
    row = SyncedMessage.objects.get()
    assert (row.message_id, row.in_reply_to, row.thread_id) == (
        "<2@example.net>",
        "<1@example.net>",
        "<0@example.net>",
    )
    assert row.references == "<0@example.net> <1@example.net>"
    assert (row.from_address, row.from_name, row.subject) == ("zoe@example.net", "Zoë", "Résumé")
    assert (row.to, row.cc) == ("me@mail.test", "a@example.net, b@example.net")
    assert row.received_at == dt.datetime(2026, 7, 17, 0, 44, 25, tzinfo=dt.UTC)
    assert row.dated_at == dt.datetime(2026, 7, 17, 0, 44, tzinfo=dt.UTC)
    assert (row.kind, row.is_cut, row.answers) == (SyncedKind.MAIL, False, None)
    assert row.content.text == "Yes.\nMe\n"
    lane = lane_of(mailbox)
    assert lane.last_success_at == lane.finished_at is not None
    assert (lane.lease_token, lane.last_error_at) == (None, None)


@pytest.mark.parametrize(
    "date", ["01-Jan-0002 00:00:00 +2359", "31-Dec-9998 23:59:59 -2359", "31-Feb-2026 0:0", ""]
)
def test_a_date_that_nobody_can_mean_is_stored_all_the_same(
    server: FakeIMAP, mailbox: Mailbox, date: str
) -> None:
    put(server, date=date)

    assert delivery.sync_account(account_id=mailbox.pk).stored == 1
    assert SyncedMessage.objects.get().received_at.tzinfo is not None


@pytest.mark.parametrize(
    "text", ["\\N", "\\.", "a\tb\\tc", "\0", "=?utf-8?b?AAAA?=", "=?utf-8?q?=ED=A0=80?=", "=?utf-7?q?+2AA-?="]
)
def test_what_no_database_takes_is_stored_as_what_it_takes(
    server: FakeIMAP, mailbox: Mailbox, text: str
) -> None:
    fields = ("From", "To", "Cc", "Subject", "Date", "Message_ID", "In_Reply_To", "References")
    values: dict[str, Any] = dict.fromkeys(fields, f'"{text}" <{text}@example.net>')
    put(server, text, **values)

    assert delivery.sync_account(account_id=mailbox.pk).stored == 1
    assert SyncedMessage.objects.get().content.text == f"{text}\n".replace("\0", "\ufffd")


def test_nothing_is_marked_or_moved(server: FakeIMAP, mailbox: Mailbox) -> None:
    server.add_messages(250)
    flags = [message.flags for message in server.folders[b"INBOX"].messages]

    assert delivery.sync_account(account_id=mailbox.pk).stored == 250
    assert [message.flags for message in server.folders[b"INBOX"].messages] == flags
    assert not [verb for verb in server.verbs() if verb.removeprefix("UID ") in CHANGING]
    assert all("BODY.PEEK[" in command for command in server.commands if "BODY" in command)


def test_only_what_is_new_is_read(server: FakeIMAP, mailbox: Mailbox) -> None:
    server.add_messages(3)
    delivery.sync_account(account_id=mailbox.pk)
    put(server)
    server.commands.clear()

    assert delivery.sync_account(account_id=mailbox.pk).stored == 1
    assert uids(mailbox) == [1, 2, 3, 4]
    assert [
        command for command in server.commands if "FETCH" in command and "UID FETCH 4 " not in command
    ] == []


def test_a_folder_in_which_nothing_changed_costs_four_commands_and_two_statements(
    server: FakeIMAP, mailbox: Mailbox
) -> None:
    server.add_messages(3)
    delivery.sync_account(account_id=mailbox.pk)
    delivery.sync_account(account_id=mailbox.pk)
    server.commands.clear()

    with CaptureQueriesContext(connection) as queries:
        report = delivery.sync_account(account_id=mailbox.pk)

    assert report.is_complete
    # What a server can do it may tell by itself, as nearly all do; this one has to be asked.
    assert [verb for verb in server.verbs() if verb != "CAPABILITY"] == [
        "AUTHENTICATE",
        "ENABLE",
        "EXAMINE",
        "LOGOUT",
    ]
    if connection.vendor == "postgresql":
        assert len(queries) <= 2


def test_a_message_that_was_deleted_leaves_a_gap_and_what_is_stored_stays(
    server: FakeIMAP, mailbox: Mailbox
) -> None:
    server.add_messages(4)
    delivery.sync_account(account_id=mailbox.pk)
    messages = server.folders[b"INBOX"].messages
    del messages[1:3]
    put(server, uid=9)

    assert delivery.sync_account(account_id=mailbox.pk).stored == 1
    assert uids(mailbox) == [1, 2, 3, 4, 9]


def test_when_numbers_mean_other_messages_those_that_are_stored_are_recognised(
    server: FakeIMAP, mailbox: Mailbox
) -> None:
    put(server, Message_ID="<a@example.net>")
    put(server, Message_ID="", Subject="Without an id")
    put(server, Message_ID="<c@example.net>")
    delivery.sync_account(account_id=mailbox.pk)
    known = dict(SyncedMessage.objects.values_list("subject", "pk"))
    folder = server.folders[b"INBOX"]
    folder.uid_validity += 1
    folder.messages.reverse()
    for uid, message in enumerate(folder.messages, start=1):
        message.uid = uid + 10
    put(server, Message_ID="<d@example.net>", Subject="New")

    report = delivery.sync_account(account_id=mailbox.pk)

    assert (report.stored, report.moved) == (1, 3)
    rows = SyncedMessage.objects.order_by("uid")
    assert [(row.uid, row.subject) for row in rows] == [
        (11, "Number 3"),
        (12, "Without an id"),
        (13, "Number 1"),
        (14, "New"),
    ]
    assert all(row.pk == known[row.subject] for row in rows if row.subject in known)
    assert set(rows.values_list("uid_validity", flat=True)) == {folder.uid_validity}
    assert delivery.sync_account(account_id=mailbox.pk).settled == 0


def test_a_server_that_gives_numbers_once_more_is_read_anew(server: FakeIMAP, mailbox: Mailbox) -> None:
    for _ in range(3):
        put(server)
    delivery.sync_account(account_id=mailbox.pk)
    del server.folders[b"INBOX"].messages[1:]  # restored from a backup, with the UIDVALIDITY it had
    put(server, uid=2, Message_ID="<new@example.net>", Subject="New")

    report = delivery.sync_account(account_id=mailbox.pk)

    assert (report.stored, report.moved) == (1, 1)
    subjects = SyncedMessage.objects.order_by("pk").values_list("subject", flat=True)
    assert list(subjects) == ["Number 1", "Number 2", "Number 3", "New"]
    assert delivery.sync_account(account_id=mailbox.pk).settled == 0


def test_two_messages_that_look_alike_are_two_also_with_other_numbers(
    server: FakeIMAP, mailbox: Mailbox
) -> None:
    for _ in range(2):
        put(server, Message_ID="<same@example.net>", Subject="Same")
    delivery.sync_account(account_id=mailbox.pk)
    server.folders[b"INBOX"].uid_validity += 1

    assert delivery.sync_account(account_id=mailbox.pk).moved == 2
    server.folders[b"INBOX"].uid_validity -= 1  # and back, as a restored backup does
    assert delivery.sync_account(account_id=mailbox.pk).moved == 2
    assert uids(mailbox) == [1, 2]


def test_a_message_that_was_moved_to_the_other_folder_is_not_stored_twice(
    server: FakeIMAP, mailbox: Mailbox
) -> None:
    put(server)
    delivery.sync_account(account_id=mailbox.pk)
    server.folders[b"Outreach"] = FakeFolder(server.folders[b"INBOX"].messages, uid_validity=99)
    server.folders[b"INBOX"] = FakeFolder()
    mailbox.syncs_outreach_folder = True
    mailbox.save()

    report = delivery.sync_account(account_id=mailbox.pk)

    assert (report.stored, report.moved) == (0, 1)
    assert SyncedMessage.objects.get().folder.name == "Outreach"


@pytest.mark.parametrize(
    ("patterns", "stored"),
    [
        ("", [1, 2, 3]),
        ("*@example.net", [3]),
        ("THEM@example.net\nnobody@nowhere.test", [2, 3]),
        ("mail.test", [1, 2, 3]),  # the mailbox's own address is nobody's
        ("alias.test", [1, 2, 3]),
    ],
)
def test_excluded_mail_is_neither_stored_nor_fetched(
    server: FakeIMAP, patterns: str, stored: list[int]
) -> None:
    mailbox = make_synced(server.port, sync_exclusions=patterns)
    MailAlias.objects.create(mailbox=mailbox, email="me@alias.test")
    put(server)
    put(server, From="others@example.net", To="me@alias.test")
    put(server, From="friend@example.org")

    report = delivery.sync_account(account_id=mailbox.pk)

    assert uids(mailbox) == stored
    assert report.excluded == 3 - len(stored)
    fetched = " ".join(command for command in server.commands if "BODY.PEEK[]" in command)
    asked = {uid for uid in (1, 2, 3) if f"{uid}" in fetched.partition("(")[0] or f":{uid}" in fetched}
    assert asked <= {*stored} or stored == [1, 2, 3]
    server.commands.clear()
    assert delivery.sync_account(account_id=mailbox.pk).settled == 0


def test_with_no_days_of_content_only_headers_are_stored(
    server: FakeIMAP, mailbox: Mailbox, settings: Settings
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "SYNCED_CONTENT_DAYS": 0}
    put(server, "A secret")

    delivery.sync_account(account_id=mailbox.pk)

    assert SyncedMessage.objects.get().subject == "Number 1"
    assert not SyncedContent.objects.exists()
    assert not any("BODY.PEEK[]" in command for command in server.commands)


def test_a_long_message_is_cut(server: FakeIMAP, mailbox: Mailbox, settings: Settings) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "SYNC_MESSAGE_BYTES": 1000}
    put(server, "x" * 5000)
    put(server, "short")

    delivery.sync_account(account_id=mailbox.pk)

    long, short = SyncedMessage.objects.order_by("uid")
    assert (long.is_cut, short.is_cut) == (True, False)
    assert 0 < len(long.content.text) <= 1000 < long.size


def test_the_time_of_a_turn_is_kept_and_the_next_one_goes_on(server: FakeIMAP, mailbox: Mailbox) -> None:
    server.add_messages(250)

    first = delivery.sync_account(account_id=mailbox.pk, slice_seconds=1e-9)
    assert (first.stored, first.is_complete, first.is_due) == (100, False, True)
    assert lane_of(mailbox).finished_at is None
    second = delivery.sync_account(account_id=mailbox.pk, should_stop=lambda: True)
    assert (second.stored, second.is_due) == (100, True)
    third = delivery.sync_account(account_id=mailbox.pk)
    assert (third.stored, third.is_complete) == (50, True)
    assert uids(mailbox) == list(range(1, 251))
    assert SyncedFolder.objects.get().highest_uid == 250


def test_who_does_not_own_the_lane_reads_nothing(server: FakeIMAP, mailbox: Mailbox) -> None:
    from mailconfig.delivery import lanes
    from mailconfig.models import Purpose

    assert lanes.take(account_id=mailbox.pk, lease=60, purpose=Purpose.SYNC)

    assert not delivery.sync_account(account_id=mailbox.pk).owned
    assert server.commands == []


@pytest.mark.parametrize("values", [{"is_sync_enabled": False}, {"sync_method": ""}])
def test_a_mailbox_that_is_not_to_be_synced_is_left_alone(
    server: FakeIMAP, values: dict[str, object]
) -> None:
    mailbox = make_synced(server.port, **values)

    report = delivery.sync_account(account_id=mailbox.pk)

    assert (report.owned, report.due_at, server.commands) == (True, None, [])
    assert lane_of(mailbox).finished_at is None


REPORT = """--b
Content-Type: text/plain

It did not arrive.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; them@example.net
Action: failed
Status: {status}
Diagnostic-Code: smtp; 550 {status} no
--b
Content-Type: text/rfc822-headers

Message-ID: <sent@example.com>
--b--
"""


@pytest.mark.parametrize(
    ("status", "suppressed"), [("5.1.1", ["them@example.net"]), ("5.7.1", []), ("5.2.2", []), ("5.3.4", [])]
)
def test_an_address_is_suppressed_that_is_refused_itself(
    server: FakeIMAP, mailbox: Mailbox, status: str, suppressed: list[str]
) -> None:
    mailbox.sync_exclusions = "example.net"
    mailbox.save()
    make_message(mailbox, to=["them@example.net"], message_id="<sent@example.com>")
    kind = 'multipart/report; report-type=delivery-status; boundary="b"'
    put(server, REPORT.format(status=status), From="MAILER-DAEMON@example.net", Content_Type=kind)
    put(server, From="them@example.net")

    report = delivery.sync_account(account_id=mailbox.pk)

    assert (report.bounces, report.excluded) == (1, 1)
    assert list(Suppression.objects.values_list("address", flat=True)) == suppressed
