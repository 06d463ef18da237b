"""A Django ``EmailMessage`` becomes envelope and bytes: 7-bit, CRLF, lines of at most 998, once and for all.

Written by hand and not with the standard library's classes: a small mail takes a fraction of the time, an
attachment is copied twice instead of a dozen times, and what comes out does not depend on Django's version.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass

from django.core.mail import EmailMessage

from mailconfig.conf import get_settings
from mailconfig.exceptions import InvalidMessage
from mailconfig.rendering.addressing import Address, parse_address
from mailconfig.rendering.content import content_part, written
from mailconfig.rendering.fields import (
    PLACEHOLDERS,
    Fields,
    Identity,
    extra_headers,
    header_fields,
    is_default,
)
from mailconfig.rendering.header_lines import CONTROLS, checked_value
from mailconfig.rendering.opting_out import Closing, OptingOut
from mailconfig.rendering.overrides import is_overridden, own_rendering
from mailconfig.rendering.signature import Signature

_BOUNDARY = re.compile(rb"=_[0-9a-f]{32}|={15}[0-9]{19}==")
"""Those made anew at each rendering: ours and the standard library's. A text may hold such words as well."""
_CHANGING = re.compile(rb"^(?:Date|Message-ID):[^\n]*\n(?:[ \t][^\n]*\n)*", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A mail as it will be sent, every time it is tried."""

    sender: str
    """The reverse-path, without brackets."""
    recipients: tuple[str, ...]
    """To, Cc, Bcc in this order, each once; their domains in lower-case A-labels."""
    subject: str
    """For people who look at the queue: without control characters."""
    uuid: uuid.UUID
    """Made for this mail; its Message-ID has it, unless it was given one."""
    message_id: str
    """With its angle brackets."""
    body: bytes
    """RFC 5322, CRLF."""
    eight_bit: bool = False
    """Has octets above 127: only where a part that others made cannot do without."""

    @property
    def size(self) -> int:
        """Octets, for SIZE (RFC 1870)."""
        return len(self.body)

    def digest(self) -> str:
        """SHA-256 of what is said to whom, in hex: the same when the same mail is rendered again."""
        head, _end, _content = self.body.partition(b"\r\n\r\n")
        said = _CHANGING.sub(b"", head + b"\r\n", count=2) + self.body[len(head) :]
        numbers: dict[bytes, int] = {}
        said = _BOUNDARY.sub(lambda found: b"%d" % numbers.setdefault(found[0], len(numbers)), said)
        envelope = "\n".join([self.sender, *self.recipients, ""]).encode()
        return hashlib.sha256(envelope + said).hexdigest()


def compose(
    message: EmailMessage,
    *,
    from_email: str = "",
    from_name: str = "",
    reply_to_email: str = "",
    reply_to_name: str = "",
    envelope_from: str = "",
    signature: Signature | None = None,
    number: uuid.UUID | None = None,
    opting_out: OptingOut | None = None,
) -> Rendered:
    """Render ``message`` for an account with this identity.

    The account's From is used if the message names none: Django then fills in ``DEFAULT_FROM_EMAIL`` (or one
    of its placeholders), so these count as none, unless it is the account's own address. Any other From is kept
    as it is; whether the server lets the account use it is the server's to say. The account's Reply-To is used if
    the message has none. Bounces go to ``envelope_from``, else to the account's address, else to the From; a
    ``from_email`` beside a From header of the message's own goes before these, see :func:`_reverse_path`.

    A message whose class overrides ``message()`` (or a step of it) is what that returns, and has no ``signature``: it may
    be signed or encrypted.

    With the ``number`` of a mail that has one already, the same message with the same ``Date`` among its extra headers
    becomes the same bytes each time.

    With ``opting_out`` the mail has the fields and the sentence by which its recipient opts out.

    Raises:
        InvalidMessage: it has no recipient or sender, something that does not belong into a header or an
            address, or is larger than ``MAX_MESSAGE_BYTES``.
    """
    recipients = _recipients(message)
    identity = Identity(
        sender=_named(from_name, from_email, "from") if from_email else None,
        reply_to=_named(reply_to_name, reply_to_email, "reply-to") if reply_to_email else None,
    )
    fields, body = _rendering(message, identity, signature, number, opting_out)
    return Rendered(
        sender=_reverse_path(message, fields.sender, envelope_from=envelope_from, from_email=from_email),
        recipients=recipients,
        subject=CONTROLS.sub(" ", fields.subject),
        uuid=fields.uuid,
        message_id=fields.message_id,
        body=body,
        eight_bit=not body.isascii(),
    )


def _rendering(
    message: EmailMessage,
    identity: Identity,
    signature: Signature | None,
    number: uuid.UUID | None,
    opting_out: OptingOut | None,
) -> tuple[Fields, bytes]:
    """Return the header fields, and header and body as bytes.

    Raises:
        InvalidMessage: nested too deeply, or larger than ``MAX_MESSAGE_BYTES``.
    """
    limit = get_settings().max_message_bytes
    _refuse_huge(message, limit)
    try:
        if is_overridden(message):
            _refuse_opting_out(opting_out)
            fields, body = own_rendering(message, identity)
        else:
            fields = header_fields(message, identity, number=number)
            seed = None if number is None else number.bytes
            closing = signature if opting_out is None else Closing(signature, opting_out)
            if opting_out is not None:
                _refuse_two_ways_out(message)
                fields.lines.extend(opting_out.header_lines())
            body = written(fields, content_part(message, closing, seed=seed))
    except RecursionError:
        msg = "the parts of the message are nested too deeply"
        raise InvalidMessage(msg) from None
    if not body.endswith(b"\r\n"):
        body += b"\r\n"
    if len(body) > limit:
        msg = f"the message has {len(body)} bytes; at most {limit} are allowed"
        raise InvalidMessage(msg)
    return fields, body


def _refuse_opting_out(opting_out: OptingOut | None) -> None:
    """Refuse what cannot be written into a mail that renders itself, and may be signed or encrypted."""
    if opting_out is not None:
        msg = "the mail renders itself, so nothing can be added by which its recipient opts out"
        raise InvalidMessage(msg)


def _refuse_two_ways_out(message: EmailMessage) -> None:
    given = {"list-unsubscribe", "list-unsubscribe-post"} & extra_headers(message).keys()
    if given:
        msg = f"the mail has the header {min(given)} already"
        raise InvalidMessage(msg)


def from_address(message: EmailMessage) -> str:
    """The address the message names as its From; ``""`` if it names none or no valid one."""
    try:
        given = extra_headers(message).get("from") or message.from_email
        return parse_address(given, what="from").spec
    except InvalidMessage:
        return ""


def _reverse_path(message: EmailMessage, header: Address, *, envelope_from: str, from_email: str) -> str:
    """The address that bounces go to (MAIL FROM).

    With Django's own backends that is ``from_email``, so mailing lists set it to an address of their own for each
    recipient (VERP) and name the From in a header. That is done for the domains of the account and of
    ``ENVELOPE_DOMAINS``: no other server would take such mail, and bounces would flood somebody else.
    """
    own = [
        parse_address(address, what="envelope sender") for address in (envelope_from, from_email) if address
    ]
    given = message.from_email
    if str(given or "").strip() not in PLACEHOLDERS and not is_default(given):
        wanted = parse_address(given, what="from")
        allowed = {address.domain for address in own}.union(get_settings().envelope_domains)
        if wanted.spec != header.spec and wanted.domain in allowed:
            return wanted.spec
    return (own or [header])[0].spec


def _named(name: str, email: str, what: str) -> Address:
    return Address(checked_value(what, name), parse_address(email, what=what).spec)


def _recipients(message: EmailMessage) -> tuple[str, ...]:
    specs = dict.fromkeys(parse_address(item, what="recipient").spec for item in message.recipients())
    if not specs:
        msg = "the message has no recipient"
        raise InvalidMessage(msg)
    return tuple(specs)


def _refuse_huge(message: EmailMessage, limit: int) -> None:
    """Before anything is encoded: what is too large as it is will not become smaller."""
    for attachment in message.attachments:
        content = attachment[1] if isinstance(attachment, tuple) and len(attachment) > 1 else None
        if isinstance(content, (str, bytes)) and len(content) > limit:
            msg = f"an attachment has {len(content)} bytes; a message may have {limit}"
            raise InvalidMessage(msg)
