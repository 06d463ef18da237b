"""The header of a mail of ours, taken together from the message, its extra headers and the account."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime, formatdate
from functools import lru_cache

from django.conf import settings
from django.core.mail import EmailMessage

from mailconfig.exceptions import InvalidMessage
from mailconfig.rendering.addressing import (
    Address,
    AddressGroup,
    parse_address,
    parse_addresses,
)
from mailconfig.rendering.header_lines import (
    InvalidHeader,
    checked_name,
    checked_value,
    is_printable,
    list_line,
    text_line,
)
from mailconfig.rendering.numbering import new_number

PLACEHOLDERS = frozenset({"", "webmaster@localhost", "root@localhost"})
"""From addresses that nobody chose: Django's own defaults."""

LONGEST_ID_DOMAIN = 220

_WRITTEN = frozenset({"from", "to", "cc", "reply-to", "subject", "date", "message-id", "mime-version"})
_OTHER_ADDRESSES = frozenset({"sender", "resent-from", "resent-sender", "resent-to", "resent-cc"})
_FORBIDDEN = frozenset({"bcc", "resent-bcc", "content-type", "content-transfer-encoding"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Identity of an account to those it writes to."""

    sender: Address | None = None
    """``None``: the account has no address of its own."""
    reply_to: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """Header fields that somebody asks for, and their lines."""

    sender: Address
    subject: str
    uuid: uuid.UUID
    """Made for this mail; its Message-ID has it, unless it was given one."""
    message_id: str
    lines: list[str]


def header_fields(message: EmailMessage, identity: Identity, *, number: uuid.UUID | None = None) -> Fields:
    """Everything but the MIME fields.

    Args:
        message: the mail.
        identity: of its account.
        number: of a mail that has one already.

    Raises:
        InvalidMessage: something does not belong into a header or an address, or there is no sender.
    """
    extra = extra_headers(message)
    sender = choose_sender(extra.get("from") or message.from_email, identity)
    subject = checked_value("Subject", extra.get("subject", message.subject))
    number = number or new_number()
    message_id = _message_id(extra.get("message-id"), number, sender.domain)
    answers = message.reply_to or ([identity.reply_to] if identity.reply_to else [])
    lines = [list_line("From", [sender])]
    for name, value, given in (
        ("To", extra.get("to"), message.to),
        ("Cc", extra.get("cc"), message.cc),
        ("Reply-To", extra.get("reply-to"), answers),
    ):
        addresses = _addresses(name, value, given)
        if addresses:
            lines.append(list_line(name, addresses))
    lines += [text_line("Subject", subject), f"Date: {_date(extra.get('date'))}", f"Message-ID: {message_id}"]
    for given_name, value in message.extra_headers.items():
        name = str(given_name)
        if name.lower() in _OTHER_ADDRESSES:
            lines.append(list_line(name, parse_addresses(value, what=name)))
        elif name.lower() not in _WRITTEN:
            lines.append(text_line(name, checked_value(name, value)))
    return Fields(sender=sender, subject=subject, uuid=number, message_id=message_id, lines=lines)


def extra_headers(message: EmailMessage) -> dict[str, object]:
    """The extra headers by lower-case name.

    Raises:
        InvalidMessage: one is there twice, is none, or is not the caller's to write.
    """
    found: dict[str, object] = {}
    for name, value in message.extra_headers.items():
        lower = checked_name(name).lower()
        if lower in _FORBIDDEN:
            msg = f"{name} cannot be given as an extra header"
            raise InvalidHeader(msg)
        if lower in found:
            msg = f"the header {name} is there twice"
            raise InvalidHeader(msg)
        found[lower] = value
    return found


def choose_sender(given: object, identity: Identity) -> Address:
    """The From that counts: the one given, unless nobody chose it.

    Django fills in ``DEFAULT_FROM_EMAIL`` where a mail names no From, so that address stands for none, except
    where it is the account's own.

    Raises:
        InvalidMessage: neither the message nor the account has one, or it is no address.
    """
    text, own = str(given or "").strip(), identity.sender
    if text not in PLACEHOLDERS:
        sender = parse_address(text, what="from")
        if own is None or not is_default(text) or sender.spec.lower() == own.spec.lower():
            return sender
    if own is None:
        msg = "neither the message nor its account has a from address"
        raise InvalidMessage(msg)
    return own


def is_default(given: object) -> bool:
    """Return whether a ``from_email`` is what Django fills in where there is none."""
    return str(given).strip() == str(settings.DEFAULT_FROM_EMAIL).strip()


def new_message_id(number: uuid.UUID, domain: str) -> str:
    """Return the Message-ID of this number under the sender's domain: the machine's name is nobody's business.

    Of a very long domain the end alone, or it would have more than 255 characters. A sender without one is known
    within a machine only.
    """
    domain = domain or "localhost"
    if len(domain) > LONGEST_ID_DOMAIN:
        domain = domain[-LONGEST_ID_DOMAIN:].partition(".")[2]
    return f"<{number.hex}@{domain}>"


def _addresses(name: str, value: object, given: Iterable[object]) -> Sequence[Address | AddressGroup]:
    """The addresses of a header: an extra header of that name goes before the message's own list."""
    if value is None:
        return [
            item if isinstance(item, Address) else parse_address(item, what=name) for item in given if item
        ]
    text = checked_value(name, value)
    return parse_addresses(text, what=name) if text else []


def _message_id(given: object, number: uuid.UUID, domain: str) -> str:
    if not given:
        return new_message_id(number, domain)
    value = checked_value("Message-ID", given)
    if not is_printable(value) or " " in value or len(value) > 255:
        msg = f"{ascii(value)[:80]} is not a Message-ID"
        raise InvalidMessage(msg)
    return value


def _date(given: object) -> str:
    if isinstance(given, datetime):
        return format_datetime(given)
    if given:
        return text_line("Date", checked_value("Date", given)).removeprefix("Date: ")
    return formatdate(localtime=True) if settings.EMAIL_USE_LOCALTIME else _universal_date(int(time.time()))


@lru_cache(maxsize=1)
def _universal_date(second: int) -> str:
    """Many mails are queued in one second, and writing it takes a tenth of the time that rendering does."""
    return formatdate(second)
