"""The content of a stored mail as plain text, for those who may know it. Nothing of it is ever drawn as HTML."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.errors import MessageError
from email.message import EmailMessage

from mailconfig.delivery.queue import bodies
from mailconfig.incoming.charsets import storable
from mailconfig.incoming.harmless import harmless
from mailconfig.models import Body, Message, MessageSource

MOST_TEXT = 64 * 1024
MOST_BYTES = 30 * 1024 * 1024
BROKEN = (ValueError, LookupError, TypeError, AttributeError, RecursionError, MessageError)
"""What the standard library raises about headers and parts that somebody made up."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """An attachment by name, type and size in octets."""

    name: str
    content_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Content:
    """A message as a person reads it."""

    headers: tuple[tuple[str, str], ...] = ()
    text: str = ""
    is_html: bool = False
    """The text is the source of an HTML part: there was no plain one."""
    is_cut: bool = False
    attachments: tuple[Attachment, ...] = ()
    is_erased: bool = False
    error: str = ""
    has_tokens: bool = False
    """It is as it was given: what its tokens stand for is known when it is sent, and nowhere else."""


def read_content(*, message: Message) -> Content:
    """Read what the stored bytes say. Whoever calls has asked whether the person may see it.

    Returns:
        The content; ``is_erased`` where the bytes are gone, ``error`` where they cannot be read.
    """
    if message.has_tokens:
        return _given(message)
    octets = None if message.stored_as else bodies.inline(message.pk)
    if octets is None and not message.stored_as:
        return Content(is_erased=True)
    try:
        return _read((octets or b"".join(bodies.chunks(message)))[:MOST_BYTES])
    except OSError as error:
        return Content(error=str(error))
    except BROKEN as error:
        return Content(error=type(error).__name__)


def _given(message: Message) -> Content:
    """Return the source of a mail that is rendered when it is sent."""
    source = MessageSource.objects.filter(message_id=message.pk).first()
    if source is None:
        return Content(is_erased=True, has_tokens=True)
    headers = (
        ("From", f"{source.from_name} <{source.from_email}>" if source.from_name else source.from_email),
        ("To", source.recipient),
        ("Subject", source.subject),
        ("Message-ID", message.message_id),
    )
    return Content(
        headers=headers,
        text=source.text[:MOST_TEXT],
        is_cut=len(source.text) > MOST_TEXT,
        has_tokens=True,
    )


def read_preview(*, message: Message) -> str:
    """Return the HTML of a mail without what acts or asks other servers for something; empty: it has none, or it is erased.

    To be shown in a frame that can do nothing all the same. Whoever calls has asked whether the person may see it.
    """
    html = read_texts(messages=[message]).get(message.pk, Texts()).html
    return harmless(html) if html else ""


def read_source(*, message: Message) -> Iterator[bytes] | None:
    """Return the bytes of a mail as they are sent, in pieces; ``None``: they are erased, or made when it is sent.

    Raises:
        OSError: they cannot be read.
    """
    if message.has_tokens or not bodies.is_there(message):
        return None
    return bodies.chunks(message)


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts of a mail; ``None``: it has none in this form."""

    plain: str | None = None
    html: str | None = None


def read_texts(*, messages: Iterable[Message]) -> dict[int, Texts]:
    """Read the texts of messages by primary key, those of the database at once. Whoever calls has asked who may see them.

    What is erased or cannot be read has none. Each is cut at 64 KiB.
    """
    stored = {message.pk: message for message in messages}
    rows = Body.objects.filter(message_id__in=stored).values_list("message_id", "octets")
    found = {key: _texts(bytes(octets)) for key, octets in rows}
    for key, message in stored.items():
        if message.stored_as:
            try:
                found[key] = _texts(b"".join(bodies.chunks(message)))
            except OSError:
                found[key] = Texts()
    return found


def _texts(data: bytes) -> Texts:
    try:
        parsed = email.message_from_bytes(data[:MOST_BYTES], policy=email.policy.default)
        plain, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
        return Texts(_text_of(plain), _text_of(html))
    except BROKEN:
        return Texts()


def _text_of(part: object) -> str | None:
    return _text(part)[:MOST_TEXT].replace("\r\n", "\n") if isinstance(part, EmailMessage) else None


def _read(data: bytes) -> Content:
    parsed = email.message_from_bytes(data, policy=email.policy.default)
    part = parsed.get_body(preferencelist=("plain", "html"))
    text = _text(part) if isinstance(part, EmailMessage) else ""
    return Content(
        headers=tuple((name, _header(parsed, name, raw)) for name, raw in parsed.raw_items()),
        text=text[:MOST_TEXT],
        is_html=isinstance(part, EmailMessage) and part.get_content_type() == "text/html",
        is_cut=len(text) > MOST_TEXT,
        attachments=tuple(_attachment(part) for part in parsed.iter_attachments()),
    )


def _header(parsed: EmailMessage, name: str, raw: str) -> str:
    try:
        value = str(parsed.policy.header_fetch_parse(name, raw))
    except BROKEN:
        value = str(raw)
    return value.encode("utf-8", "replace").decode()


def _text(part: EmailMessage) -> str:
    """The part's text; an unknown or wrong charset costs characters, not the page. Some (UTF-7) may spell lone surrogates."""
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    charset = part.get_content_charset() or "utf-8"
    try:
        return storable(data.decode(charset, "replace"))
    except (LookupError, ValueError):
        return storable(data.decode("utf-8", "replace"))


def _attachment(part: object) -> Attachment:
    if not isinstance(part, EmailMessage):
        return Attachment("", "", 0)
    payload = part.get_payload(decode=True)
    size = len(payload) if isinstance(payload, bytes) else 0
    return Attachment(part.get_filename() or "", part.get_content_type(), size)
