"""An envelope as SMTP commands (RFC 5321 §4.1.1, RFC 1870, RFC 6152), and the replies to them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mailconfig.exceptions import InvalidMessage
from mailconfig.values import Envelope

from .capabilities import Capabilities
from .replies import Reply

MAX_BATCH = 100
"""Commands written before replies are read: more could fill both sides' buffers (RFC 2920 §3.1)."""

DATA = b"DATA\r\n"

_PATH = re.compile(r"[\x20-\x3b\x3d\x3f-\x7e]{1,998}")


@dataclass(frozen=True, slots=True)
class EnvelopeOutcome:
    """The replies to MAIL, every RCPT (in the envelope's order) and DATA."""

    sender: Reply
    recipients: tuple[Reply, ...]
    data: Reply | None
    """``None``: DATA was not open for a body (nobody was accepted); a 354 means the body may be written."""
    farewell: Reply | None = None
    """With what the server ended the session: its 421, or code 0 where it closed behind a refusal without a word."""

    @property
    def is_open(self) -> bool:
        return self.data is not None and self.data.code == 354


def commands(envelope: Envelope, capabilities: Capabilities) -> tuple[bytes, ...]:
    """MAIL and every RCPT, in order.

    Raises:
        InvalidMessage: no recipient, or an address with characters that would not stay inside its brackets.
    """
    if not envelope.recipients:
        raise InvalidMessage("a message needs a recipient")
    return (
        mail_command(envelope, capabilities),
        *(f"RCPT TO:<{_checked(recipient)}>\r\n".encode() for recipient in envelope.recipients),
    )


def mail_command(envelope: Envelope, capabilities: Capabilities) -> bytes:
    """MAIL, with the parameters that the server offered."""
    size = f" SIZE={envelope.size}" if envelope.size and capabilities.size_limit is not None else ""
    body = " BODY=8BITMIME" if envelope.eight_bit and capabilities.eight_bit_mime else ""
    sender = _checked(envelope.sender) if envelope.sender else ""
    return f"MAIL FROM:<{sender}>{size}{body}\r\n".encode()


def too_large(envelope: Envelope, capabilities: Capabilities) -> EnvelopeOutcome | None:
    """The outcome of a message above the server's SIZE, which there is no use in sending."""
    limit = capabilities.size_limit
    if limit is None or envelope.size <= limit:
        return None
    reply = Reply(552, f"the message has {envelope.size} bytes, the server takes {limit} at most", "5.3.4")
    return refused_by(envelope, reply)


def refused_by(envelope: Envelope, reply: Reply, *, farewell: Reply | None = None) -> EnvelopeOutcome:
    """The outcome where MAIL settled all the rest."""
    return EnvelopeOutcome(reply, (reply,) * len(envelope.recipients), None, farewell)


def cut_off(envelope: Envelope, sender: Reply, replies: Sequence[Reply], farewell: Reply) -> EnvelopeOutcome:
    """The outcome where the session ended before every RCPT and DATA had a reply: what was read counts."""
    if not sender.is_success:
        return refused_by(envelope, sender, farewell=farewell)
    rest = (farewell,) * (len(envelope.recipients) - len(replies))
    return EnvelopeOutcome(sender, (*replies, *rest), None, farewell)


def _checked(address: str) -> str:
    if not _PATH.fullmatch(address):
        raise InvalidMessage(
            "an address of the envelope is empty, not ASCII, or has control characters or < >"
        )
    return address
