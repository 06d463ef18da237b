"""Reports without a form, by the heuristics of flufl.bounce."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from email.message import Message
from typing import Final

from flufl.bounce import all_failures

from mailconfig.incoming.addresses import LONGEST, read_addresses
from mailconfig.incoming.charsets import decoded, one_line
from mailconfig.incoming.head import sender_of
from mailconfig.incoming.header import Header
from mailconfig.incoming.message_ids import read_message_ids
from mailconfig.incoming.mime import Leaf

logger = logging.getLogger("mailconfig.incoming")

MOST_TEXT: Final = 16_384
"""Characters that are searched, with some sixty expressions by the square of a line's length."""
MOST_LINE: Final = 320
_MOST_RECIPIENTS: Final = 100
_MOST_LINES_OF_WORDS: Final = 5
_MOST_PARTS: Final = 50
_MOST_OF_FIELD: Final = 2_000
_TAG = re.compile(r"<(?:/|!|br\b|p\b|font\b|body\b|html\b|div\b|span\b)[^<>]*>", re.IGNORECASE)
"""Addresses stand in angle brackets, too."""
_ID = re.compile(r"^[ \t>]*message-id:[ \t]*(<[^<>\s]{1,500}>)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class OldReport:
    """A recipient that a mail system names as one that it could not reach."""

    address: str
    words: str
    """The lines about it, as one."""


def read_old_report(header: Header, parts: list[Leaf]) -> list[OldReport]:
    """Return whom a mail system says that it did not reach, as far as its format is one that is known; not whom it did not reach yet."""
    texts = _texts(parts)
    try:
        _for_now, failed = all_failures(_rebuilt(header, parts, texts))
    except Exception as error:  # noqa: BLE001 - heuristics of others on the text of anybody: a bug there must not end a sync
        logger.warning("A report could not be read: %s", type(error).__name__)
        return []
    lines = [line for text in texts for line in (*text.split("\n"), "")]
    addresses = sorted(filter(None, map(_address, failed)))[:_MOST_RECIPIENTS]
    return [OldReport(address=address, words=_words_about(address, lines)) for address in addresses]


def ids_in_text(parts: list[Leaf]) -> tuple[str, ...]:
    """Return the Message-IDs in headers of originals that are quoted in the text."""
    return tuple(
        each
        for text in _texts(parts)
        for found in _ID.findall(text)
        for each in read_message_ids(found.encode())
    )


def _texts(parts: list[Leaf]) -> list[str]:
    """Return the texts of the readable parts, in all and by line no longer than what may be searched."""
    texts: list[str] = []
    room = MOST_TEXT
    for part in _readable(parts):
        raw = part.body[: 4 * MOST_TEXT]
        text = decoded(replace(part, body=raw).decoded_body(), part.parameters.get("charset", ""))[:room]
        if part.content_type == "text/html":
            text = _TAG.sub("", text)
        lines = text.replace("\r", "").split("\n")
        texts.append("\n".join(line[:MOST_LINE] for line in lines))
        room -= len(text)
    return texts


def _readable(parts: list[Leaf]) -> list[Leaf]:
    """Return the parts of plain text, or of HTML if there is none."""
    plain = [part for part in parts if part.content_type == "text/plain"]
    return plain or [part for part in parts if part.content_type == "text/html"]


def _rebuilt(header: Header, parts: list[Leaf], texts: list[str]) -> Message:
    """Return the message flat and small: what is nested or endless would lead its reader astray."""
    message = Message()
    # Addresses that are none make it raise.
    message["from"] = sender_of(header).address or "mailer-daemon"
    failed = [
        mailbox.address for raw in header.every("x-failed-recipients") for mailbox in read_addresses(raw)
    ]
    if failed:
        message["x-failed-recipients"] = ", ".join(failed[:_MOST_RECIPIENTS])
    if header.first("x-mailer"):
        message["x-mailer"] = one_line(decoded(header.first("x-mailer")[:_MOST_OF_FIELD]))
    content_type = header.parameters("content-type")[0]
    if not content_type.startswith("multipart/"):
        message["content-type"] = "text/plain"
        message.set_payload("\n".join(texts))
        return message
    message["content-type"] = "multipart/report" if content_type == "multipart/report" else "multipart/mixed"
    texts_of = {id(part): text for part, text in zip(_readable(parts), texts, strict=True)}
    for part in parts[:_MOST_PARTS]:
        flat = Message()
        flat["content-type"] = "text/plain" if id(part) in texts_of else "application/octet-stream"
        if part.header.word("content-description") == "notification":
            flat["content-description"] = "notification"
        flat.set_payload(texts_of.get(id(part), ""))
        message.attach(flat)
    return message


def _address(found: bytes) -> str:
    text = found.decode("ascii", "replace").strip()
    is_one = (
        "@" in text and len(text) <= LONGEST and text.isascii() and text.isprintable() and " " not in text
    )
    return text if is_one else ""


def _words_about(address: str, lines: list[str]) -> str:
    """Return the line that names an address and those below it, up to an empty one."""
    wanted = address.lower()
    at = next((number for number, line in enumerate(lines) if wanted in line.lower()), len(lines))
    words: list[str] = []
    for line in lines[at : at + _MOST_LINES_OF_WORDS]:
        if not line.strip():
            if len(words) > 1:
                break
            continue
        words.append(line.strip())
    return one_line(" ".join(words))
