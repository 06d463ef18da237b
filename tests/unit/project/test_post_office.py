"""Who gets a mail that the demo's SMTP server has taken, and what it is answered with."""

from __future__ import annotations

from datetime import datetime
from email import message_from_bytes

import pytest

from mailconfig.incoming.head import read_head
from mailconfig.incoming.reports import read_report
from project.inbox.correspondents import ANSWERING, BOUNCING
from project.inbox.post_office import PostOffice
from project.inbox.store import Inbox

SENDER = "support@acme.example"
EVERYTHING = "demo"


class Mailboxes:
    """What lies in each of them."""

    def __init__(self) -> None:
        self.content: dict[str, list[bytes]] = {}

    def add(self, user: str, content: bytes, received_at: datetime) -> None:
        self.content.setdefault(user, []).append(content)


def taken(
    recipients: tuple[str, ...], *, mail_from: str = SENDER, headers: str = ""
) -> tuple[Inbox, Mailboxes]:
    """An inbox and mailboxes with one mail in them, and with what came of it."""
    inbox, mailboxes = Inbox(), Mailboxes()
    office = PostOffice(inbox, add=mailboxes.add, users=frozenset({SENDER}), everything=EVERYTHING)
    content = f"From: Acme <{SENDER}>\r\nSubject: Hello\r\nContent-Type: text/plain; charset=utf-8\r\nMessage-ID: <1@acme.example>\r\n{headers}\r\nGrüße\r\n"
    office.take(mail_from, recipients, content.encode())
    return inbox, mailboxes


def test_mail_is_kept_and_lies_in_its_recipients_mailbox_and_in_that_of_all() -> None:
    inbox, mailboxes = taken((SENDER.upper(), "anna@example.net"))

    assert len(inbox.mails()) == 1
    assert set(mailboxes.content) == {EVERYTHING, SENDER}
    assert mailboxes.content[SENDER][0].startswith(f"Return-Path: <{SENDER}>\r\nFrom:".encode())


def test_who_answers_writes_in_the_same_thread() -> None:
    inbox, mailboxes = taken((ANSWERING,), headers="References: <0@acme.example>\r\n")

    (content,) = mailboxes.content[SENDER]
    head = read_head(content)
    assert (head.from_address, head.to, head.subject) == (ANSWERING, (SENDER,), "Re: Hello")
    assert head.in_reply_to == "<1@acme.example>"
    assert head.references == ("<0@acme.example>", "<1@acme.example>")
    assert not head.is_automatic
    assert "> Grüße" in content.decode()
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert [mail.mail_from for mail in inbox.mails()] == [SENDER, ANSWERING]


def test_who_is_not_there_is_reported_to_the_sender() -> None:
    _inbox, mailboxes = taken((BOUNCING,))

    (content,) = mailboxes.content[SENDER]
    (report,) = read_report(content)
    assert read_head(content).is_report
    assert report.original_message_ids == ("<1@acme.example>",)
    assert (report.address, report.is_permanent, report.enhanced_code) == (BOUNCING, True, "5.1.1")
    assert message_from_bytes(content)["Return-Path"] == "<>"


@pytest.mark.parametrize(
    ("mail_from", "headers"),
    [("", ""), (SENDER, "Auto-Submitted: auto-replied\r\n")],
    ids=["report", "automatic"],
)
def test_what_is_automatic_is_not_answered(mail_from: str, headers: str) -> None:
    inbox, _mailboxes = taken((ANSWERING, BOUNCING), mail_from=mail_from, headers=headers)

    assert len(inbox.mails()) == 1


def test_odd_headers_are_survived() -> None:
    inbox, _mailboxes = taken(
        (ANSWERING, BOUNCING), headers='Reply-To: "<<\r\n @>, ,;\r\nReferences: \x00 <\r\n'
    )

    assert inbox.mails()
