"""Delivery of the mails that the demo's SMTP server has taken."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from .correspondents import answers_to
from .parsing import read_mail
from .store import Inbox

Add = Callable[[str, bytes, datetime], object]
"""Puts a message into somebody's mailbox: whose, its content, when it came in."""


class PostOffice:
    """Keeps each mail for the pages, puts it into the mailboxes of its recipients, and has it answered.

    Args:
        inbox: of the pages.
        add: see :data:`Add`.
        users: addresses that have mailboxes.
        everything: the user whose mailbox gets everything, whoever it is for.
    """

    def __init__(self, inbox: Inbox, *, add: Add, users: frozenset[str], everything: str) -> None:
        self._inbox = inbox
        self._add = add
        self._users = users
        self._everything = everything

    def take(self, mail_from: str, recipients: tuple[str, ...], content: bytes) -> int:
        """Take a mail, and at once what it is answered with.

        Returns:
            Its number in the inbox.
        """
        received_at = datetime.now(UTC)
        mail = read_mail(content, mail_from=mail_from, recipients=recipients, received_at=received_at)
        # Who delivers writes down where it came from (RFC 5321 §4.4).
        delivered = f"Return-Path: <{mail_from}>\r\n".encode("utf-8", "surrogateescape") + content
        mine = sorted(self._users.intersection(recipient.lower() for recipient in recipients))
        for user in (self._everything, *mine):
            self._add(user, delivered, received_at)
        number = self._inbox.add(mail)
        for answer in answers_to(mail):
            lines = answer.content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            self.take(answer.mail_from, (answer.recipient,), lines)
        return number
