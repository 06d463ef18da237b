"""For the tests of a host project: with ``MAILCONFIG["OUTBOX"]`` drained mail lands here and nothing is connected."""

from __future__ import annotations

import email
import email.policy
from dataclasses import dataclass
from email.message import EmailMessage


@dataclass(frozen=True, slots=True)
class OutboxMail:
    """A mail as a server would have got it."""

    sender: str
    """Reverse-path; empty is the null sender."""
    recipients: tuple[str, ...]
    """Of this transaction, Bcc among them."""
    body: bytes
    """RFC 5322, CRLF."""

    @property
    def message(self) -> EmailMessage:
        """The body taken apart: ``mail.message["Subject"]``, ``mail.message.get_body()`` …"""
        return email.message_from_bytes(self.body, policy=email.policy.default)

    @property
    def subject(self) -> str:
        """The decoded subject."""
        return str(self.message["Subject"] or "")


outbox: list[OutboxMail] = []
"""What was drained in this process since :func:`clear_outbox`, in the order in which it was handed over."""


def clear_outbox() -> None:
    """Begin anew, at the start of a test. The list stays the same object."""
    outbox.clear()


def mails_to(address: str) -> list[OutboxMail]:
    """Return the mails in the outbox that went to ``address``, as To, Cc or Bcc."""
    wanted = address.lower()
    return [mail for mail in outbox if any(recipient.lower() == wanted for recipient in mail.recipients)]
