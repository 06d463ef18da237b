"""Rendering of a mail whose source is kept: with the same values it is the same bytes, whenever and wherever that is."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime

from django.core.mail import EmailMessage

from mailconfig.delivery.queue.due import DueMessage
from mailconfig.delivery.queue.opt_out_links import NO_WAY_OUT, NoWayOut, opting_out_of
from mailconfig.delivery.queue.resolving import TOKEN_INVALID
from mailconfig.delivery.queue.tokens import is_token, tokens_among
from mailconfig.exceptions import InvalidMessage, TokenInvalid
from mailconfig.models import MessageSource
from mailconfig.rendering.addressing import parse_address
from mailconfig.rendering.compose import Rendered, compose
from mailconfig.rendering.header_lines import CONTROLS

LONGEST_SUBJECT = 998
_NOT_IN_TEXT = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff]")
"""Controls other than tabs, form feeds and ends of lines, and what is no character."""

File = tuple[str, bytes, str]
"""Name, content and type of an attachment."""


def tokens_of(source: MessageSource) -> tuple[str, ...]:
    """Return the tokens of a source, each once."""
    return tokens_among((source.recipient, source.subject, source.text))


def masks_of(values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return what each token stands for, with the token: see :class:`mailconfig.values.Envelope`."""
    return tuple((value, token) for token, value in values.items())


def render_source(
    message: DueMessage,
    source: MessageSource,
    values: Mapping[str, str],
    files: Sequence[File] = (),
    *,
    account_id: int,
) -> Rendered:
    """Render a mail out of its source.

    Message-ID, Date and boundaries follow from the message; From and Reply-To are those that its account had when it was
    queued.

    Args:
        message: as it was read.
        source: its own.
        values: what its tokens stand for; nobody has looked at them yet.
        files: its attachments, in their order.
        account_id: the account that has it in hand.

    Raises:
        TokenInvalid: something is no address, no subject or no text, or all of it together is too large; or no link leads
            out of it any more. The error says nothing of it, and has no other error behind it.
    """
    code = TOKEN_INVALID
    try:
        return _rendered(message, source, values, files, account_id)
    except NoWayOut:
        code = NO_WAY_OUT
    except (InvalidMessage, UnicodeError):
        pass  # its words would say what the tokens stand for, and so would its frames
    raise TokenInvalid("what a token stands for cannot be sent there", code=code)


def _rendered(
    message: DueMessage,
    source: MessageSource,
    values: Mapping[str, str],
    files: Sequence[File],
    account_id: int,
) -> Rendered:
    recipient = _filled(source.recipient, values)
    subject, text = _filled(source.subject, values), _filled(source.text, values)
    if source.recipient in values:
        recipient = _address(recipient)
    if source.subject in values and (CONTROLS.search(subject) or len(subject) > LONGEST_SUBJECT):
        raise InvalidMessage("no subject")
    if source.text in values and _NOT_IN_TEXT.search(text):
        raise InvalidMessage("no text")
    return compose_source(
        source,
        recipient=recipient,
        subject=subject,
        text=text,
        files=files,
        envelope_from=message.envelope_from,
        created_at=message.created_at,
        number=message.uuid,
        tenant_id=message.tenant_id,
        home_id=message.home_id or account_id,
    )


def compose_source(
    source: MessageSource,
    *,
    recipient: str,
    subject: str,
    text: str,
    files: Sequence[File],
    envelope_from: str,
    created_at: datetime,
    number: uuid.UUID,
    tenant_id: int | None,
    home_id: int,
) -> Rendered:
    """Render a mail of a source's identity: the same bytes for the same arguments.

    Args:
        source: says From and Reply-To, and whether its recipient is told how to opt out.
        recipient, subject, text: what the source has, or what its tokens stand for.
        files: the attachments, in their order.
        envelope_from, created_at, number: those of its message, from which Date and Message-ID follow.
        tenant_id, home_id: the tenant of its message, and the account that it was queued for.

    Raises:
        NoWayOut: it is to say how one opts out, and no link can lead there.
        InvalidMessage: it cannot be sent as it is, or is too large.
    """
    mail = EmailMessage(subject, text, to=[recipient], headers={"Date": format_datetime(created_at)})
    mail.from_email = ""  # Django fills in a default; none at all means the account's own
    for name, content, kind in files:
        # Django's attach makes a text of what looks like one, and ends of lines of texts change on their way.
        mail.attachments.append((name, content, kind))
    opting_out = None
    if source.opt_out_sentence:
        opting_out = opting_out_of(
            tenant_id=tenant_id,
            account_id=home_id,
            address=parse_address(recipient, what="recipient").spec,
            number=number,
            sentence=source.opt_out_sentence,
        )
    return compose(
        mail,
        from_email=source.from_email,
        from_name=source.from_name,
        reply_to_email=source.reply_to_email,
        reply_to_name=source.reply_to_name,
        envelope_from=envelope_from,
        number=number,
        opting_out=opting_out,
    )


def _filled(given: str, values: Mapping[str, str]) -> str:
    value = values.get(given, given)
    if given in values and is_token(value):
        raise InvalidMessage("a token stands for a token")
    return value


def _address(value: str) -> str:
    """Return the one address that a token stands for, and nothing beside it: no name, no comment, no list."""
    address = parse_address(value, what="recipient")
    if address.name or "@" not in address.spec:
        raise InvalidMessage("no address")
    return address.spec
