"""Reports that a message did not arrive: by RFC 3464, or in the words of a mail system that knows nothing of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from mailconfig.incoming.addresses import LONGEST, normalised
from mailconfig.incoming.charsets import decoded, one_line
from mailconfig.incoming.head import is_from_mail_system, is_report
from mailconfig.incoming.header import Header, read_header
from mailconfig.incoming.message_ids import read_message_ids
from mailconfig.incoming.mime import Leaf, leaves
from mailconfig.incoming.old_reports import ids_in_text, read_old_report
from mailconfig.transports.scrubber import Scrubber

MOST_OCTETS: Final = 1_048_576
"""Of a report; what it returns of the original may be longer, and is not needed."""
MOST_RECIPIENTS: Final = 1_000
MOST_ORIGINALS: Final = 10
_MOST_WORDS: Final = 4_000
_STATUS: Final = {"message/delivery-status", "message/global-delivery-status"}
_ORIGINALS: Final = {
    "message/rfc822",
    "message/global",
    "text/rfc822-headers",
    "message/rfc822-headers",
    "message/global-headers",
}
_FIELDS_OF_RECIPIENTS: Final = {"final-recipient", "original-recipient", "action"}
_OF_MESSAGE: Final = ("5.1.7", "5.1.8", "5.2.2", "5.2.3", "5.3.", "5.5.", "5.6.", "5.7.")
"""Beginnings of permanent codes that say nothing about the address: sender, room, size, system, protocol, content, policy."""
_FAILED: Final = ("fail", "error")
"""Beginnings of what Action says; OpenSMTPD has the second."""
_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
_REPLY = re.compile(r"(?<![\w.])([45])[0-5]\d(?=[ -])")
_ESCAPED = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A recipient at whom a message did not arrive."""

    original_message_ids: tuple[str, ...]
    """Of the message that it is about, as far as the report says; the likeliest first."""
    address: str
    """As it was sent to (Original-Recipient), if the report says so, else as it was tried."""
    tried_address: str
    """As it was tried (Final-Recipient): another one where mail is passed on."""
    is_permanent: bool
    """Whether it says that trying again is of no use: its status is of class 5 (RFC 3463 §3.1)."""
    enhanced_code: str
    """RFC 3463; empty: it says none."""
    text: str
    """The words of the server that refused it, cleaned and cut; may be empty."""

    @property
    def is_about_address(self) -> bool:
        """Tell whether the address itself is refused for good, and any other message to it would be, too.

        A permanent refusal of a sender, a full mailbox, a size, a content or by a policy is one of this message (RFC 3463 §3).
        """
        return self.is_permanent and is_about_address(self.enhanced_code)


def is_about_address(enhanced_code: str) -> bool:
    """Return whether a permanent refusal with this code (RFC 3463; empty: with none) may be about the address itself."""
    return not enhanced_code.startswith(_OF_MESSAGE)


def read_report(octets: bytes) -> tuple[Report, ...]:
    """Return what a message reports as not delivered; nothing, if it is no report, or one of delay or success.

    Only what says that it is a report of delivery, or comes from a mail system, is taken for one; anybody may write
    either. Whom to believe it about, whoever knows the original has to say.
    """
    octets = octets[:MOST_OCTETS]
    header, _body = read_header(octets)
    if not is_report(header) and not is_from_mail_system(header):
        return ()
    parts = list(leaves(octets))
    blocks = [
        block for part in parts if part.content_type in _STATUS for block in _blocks(part.decoded_body())
    ]
    # Some have the form, and say in the text alone whom they are about.
    if any(_FIELDS_OF_RECIPIENTS & block.fields.keys() for block in blocks):
        found = _by_status(header, parts, blocks)
    else:
        found = _by_words(header, parts)
    return tuple({normalised(report.address): report for report in reversed(found)}.values())[::-1]


def _by_status(header: Header, parts: list[Leaf], blocks: list[Header]) -> list[Report]:
    originals = _originals(header, parts, blocks)
    found = [_of_recipient(block, originals) for block in blocks[: MOST_RECIPIENTS + 1]]
    return [report for report in found if report is not None]


def _blocks(body: bytes) -> Iterator[Header]:
    """Yield the groups of fields that empty lines part: of the message first, then of each recipient (RFC 3464 §2.1)."""
    at = 0
    for _number in range(2 * MOST_RECIPIENTS):
        if at >= len(body):
            return
        block, at = read_header(body, at)
        if block.fields:
            yield block


def _of_recipient(block: Header, originals: tuple[str, ...]) -> Report | None:
    if not _is_failure(block):
        return None
    tried, sent_to = _recipient(block, "final-recipient"), _recipient(block, "original-recipient")
    if not (sent_to or tried):
        return None
    words = _said(block.first("diagnostic-code"))
    code = _enhanced_code(one_line(decoded(block.first("status")[:200])), words)
    return Report(
        original_message_ids=originals,
        address=sent_to or tried,
        tried_address=tried or sent_to,
        is_permanent=_is_permanent(code, words),
        enhanced_code=code,
        text=Scrubber().clean(words),
    )


def _is_failure(block: Header) -> bool:
    action = block.word("action")
    if action:
        return action.startswith(_FAILED)
    return block.word("status").startswith("5.")  # Action must be there, and some leave it out


def _recipient(block: Header, name: str) -> str:
    """Return the address of a field (RFC 3464 §2.3.1, RFC 6533 §3), ``""`` if it has none."""
    text = one_line(decoded(block.first(name)[:_MOST_WORDS]))
    kind, semicolon, address = text.partition(";")
    if not semicolon:
        kind, address = "rfc822", text
    if kind.strip().lower() not in {"rfc822", "utf-8", "smtp", "internet"}:
        return ""
    address = _ESCAPED.sub(_unescaped, address).strip(" <>\"'")
    return address if "@" in address and len(address) <= LONGEST and address.isprintable() else ""


def _unescaped(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    return chr(code) if code < 0xD800 or 0xDFFF < code <= 0x10FFFF else ""


def _said(raw: bytes) -> str:
    """Return the words of a Diagnostic-Code without the kind of its code."""
    text = one_line(decoded(raw[:_MOST_WORDS]))
    kind, semicolon, words = text.partition(";")
    return words.strip() if semicolon and " " not in kind.strip() else text


def _enhanced_code(status: str, words: str) -> str:
    """Return the code of Status, or of the words where those are of the same class and say more than "other" (X.0.0)."""
    stated, said = _ENHANCED.search(status), _ENHANCED.search(words)
    if stated is None:
        return said[1] if said else ""
    if said and stated[1].endswith(".0.0") and said[1][0] == stated[1][0]:
        return said[1]
    return stated[1]


def _is_permanent(code: str, words: str) -> bool:
    """Return whether the class of the code is 5, or, without one, that of the reply; nobody is given up for what nobody said."""
    if code:
        return code.startswith("5")
    reply = _REPLY.search(words)
    return reply is not None and reply[1] == "5"


def _by_words(header: Header, parts: list[Leaf]) -> list[Report]:
    originals = _originals(header, parts, []) or ids_in_text(parts)[:MOST_ORIGINALS]
    reports = []
    for old in read_old_report(header, parts):
        code = _enhanced_code("", old.words)
        report = Report(
            original_message_ids=originals,
            address=old.address,
            tried_address=old.address,
            is_permanent=_is_permanent(code, old.words),
            enhanced_code=code,
            text=Scrubber().clean(old.words),
        )
        reports.append(report)
    return reports


def _originals(header: Header, parts: list[Leaf], blocks: Iterable[Header]) -> tuple[str, ...]:
    """Return the ids of the message reported on: of what is enclosed of it (RFC 6522 §3), else of what refers to it."""
    enclosed = (
        read_header(part.decoded_body())[0].first("message-id")
        for part in parts
        if part.content_type in _ORIGINALS
    )
    named = (block.first("x-original-message-id") for block in blocks)
    for raws in (enclosed, named, header.every("in-reply-to"), header.every("references")):
        ids = dict.fromkeys(each for raw in raws for each in read_message_ids(raw))
        if ids:
            return tuple(ids)[-MOST_ORIGINALS:][::-1]
    return ()
