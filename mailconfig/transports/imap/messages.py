"""Messages: what FETCH tells of them (RFC 3501 §7.4.2)."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from .dialogue import Data
from .tokens import Value, as_number, as_words
from .uids import LARGEST
from .wire import BadAnswerError

_DATE = re.compile(
    rb" ?([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})"
)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SECTION_NAME = re.compile(
    r"(?:HEADER|TEXT|[1-9][0-9]{0,3}(?:\.[1-9][0-9]{0,3}){0,30}(?:\.(?:HEADER|TEXT|MIME))?)?"
)
_SECTION = re.compile(rb"BODY\[([^\]]*)\](?:<([0-9]{1,10})>)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFlags:
    """Flags of a message."""

    uid: int
    flags: frozenset[str]
    r"""As the server writes them: ``\Seen``, ``$Forwarded`` …"""
    modseq: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageHead:
    """All of a message but its text."""

    uid: int
    flags: frozenset[str]
    modseq: int | None = None
    size: int
    """Octets of the whole message, as the server counts them."""
    received_at: dt.datetime | None
    """The server's date; ``None``: it has none that can be read."""
    header: bytes
    """The lines of the header, or the beginning of them: see ``is_whole``."""
    is_whole: bool
    """Whether the header is not longer than was asked for."""
    key: str = ""
    """There is none besides the UID."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStart:
    """A message from its beginning on."""

    uid: int
    size: int
    """Octets of the whole message, as the server counts them."""
    received_at: dt.datetime | None
    """The server's date; ``None``: it has none that can be read."""
    octets: bytes
    """All of it, or as much as was asked for."""
    key: str = ""
    """There is none besides the UID."""


def is_section(name: str) -> bool:
    """Return whether a section of a message can have this name (RFC 3501 §6.4.5); ``""`` is all of it."""
    return _SECTION_NAME.fullmatch(name) is not None


def items_of(data: Data) -> dict[bytes, Value]:
    """Return the items of a FETCH response by their names in upper case.

    Raises:
        BadAnswerError: they are no pairs.
    """
    values = data.values()
    if len(values) != 1 or not isinstance(values[0], list) or len(values[0]) % 2:
        raise BadAnswerError("the server's description of a message is none")
    pairs = values[0]
    items: dict[bytes, Value] = {}
    for name, value in zip(pairs[::2], pairs[1::2], strict=True):
        if not isinstance(name, bytes):
            raise BadAnswerError("the server's description of a message is none")
        items[name.upper()] = value
    return items


def uid_of(items: dict[bytes, Value]) -> int | None:
    """Return the UID, which what comes unasked may lack.

    Raises:
        BadAnswerError: it is no number.
    """
    return as_number(items[b"UID"], most=LARGEST) if b"UID" in items else None


def parse_flags(data: Data) -> MessageFlags | None:
    """Return flags; ``None``: the response is of something else.

    Raises:
        BadAnswerError: it is not as it should be.
    """
    items = items_of(data)
    uid = uid_of(items)
    if uid is None or b"FLAGS" not in items:
        return None
    return MessageFlags(uid=uid, flags=as_words(items[b"FLAGS"]), modseq=_modseq(items))


def parse_head(data: Data, *, header_bytes: int) -> MessageHead | None:
    """Return all but the text; ``None``: the response is of something else, such as flags that changed.

    Raises:
        BadAnswerError: it is not as it should be, or the header is longer than was asked for.
    """
    items = items_of(data)
    uid = uid_of(items)
    section = _section(items, b"HEADER", 0)
    if uid is None or section is None or b"FLAGS" not in items or b"RFC822.SIZE" not in items:
        return None
    if len(section) > header_bytes:
        raise BadAnswerError("the server sends more than was asked for")
    return MessageHead(
        uid=uid,
        flags=as_words(items[b"FLAGS"]),
        modseq=_modseq(items),
        size=as_number(items[b"RFC822.SIZE"]),
        received_at=parse_date(items.get(b"INTERNALDATE")),
        header=section,
        is_whole=len(section) < header_bytes,
    )


def parse_part(data: Data, *, uid: int, section: str, start: int, size: int) -> bytes | None:
    """Return a piece of a message; ``None``: the response is of something else.

    Raises:
        BadAnswerError: it is longer than was asked for.
    """
    items = items_of(data)
    if uid_of(items) != uid:
        return None
    part = _section(items, section.encode(), start)
    if part is not None and len(part) > size:
        raise BadAnswerError("the server sends more than was asked for")
    return part


def parse_start(data: Data, *, size: int) -> MessageStart | None:
    """Return a message's first octets with its size and date; ``None``: the response is of something else.

    Raises:
        BadAnswerError: it is not as it should be, or longer than was asked for.
    """
    items = items_of(data)
    uid = uid_of(items)
    octets = _section(items, b"", 0)
    if uid is None or octets is None or b"RFC822.SIZE" not in items:
        return None
    if len(octets) > size:
        raise BadAnswerError("the server sends more than was asked for")
    received_at = parse_date(items.get(b"INTERNALDATE"))
    return MessageStart(
        uid=uid, size=as_number(items[b"RFC822.SIZE"]), received_at=received_at, octets=octets
    )


def parse_text(data: Data, *, start: int, size: int) -> tuple[int, bytes] | None:
    """Return the UID of a message and its bytes from ``start`` on; ``None``: the response is of something else.

    Raises:
        BadAnswerError: it is longer than was asked for.
    """
    items = items_of(data)
    uid = uid_of(items)
    text = _section(items, b"", start)
    if uid is None or text is None:
        return None
    if len(text) > size:
        raise BadAnswerError("the server sends more than was asked for")
    return uid, text


def parse_date(value: Value) -> dt.datetime | None:
    """Return an INTERNALDATE (RFC 3501 §2.3.3) in UTC; ``None`` if it is none, or has no equivalent in another time zone.

    Servers repeat whatever offset a message was appended with, and PostgreSQL takes none of 16 hours or more.
    """
    found = _DATE.fullmatch(value) if isinstance(value, bytes) else None
    if found is None:
        return None
    day, month, year, hour, minute, second, sign, hours, minutes = found.groups()
    if not dt.MINYEAR < int(year) < dt.MAXYEAR:
        return None
    name = month.decode().capitalize()
    offset = dt.timedelta(hours=int(hours), minutes=int(minutes))
    try:
        zone = dt.timezone(-offset if sign == b"-" else offset)
        at = dt.datetime(
            int(year), MONTHS.index(name) + 1, int(day), int(hour), int(minute), int(second), tzinfo=zone
        )
        return at.astimezone(dt.UTC)
    except ValueError:
        return None


def _section(items: dict[bytes, Value], section: bytes, start: int) -> bytes | None:
    """Return the bytes of a section from ``start`` on; NIL, for one that is not there, is empty."""
    usual = items.get(b"BODY[%b]<%d>" % (section, start))
    if isinstance(usual, bytes):
        return usual
    for name, value in items.items():
        found = _SECTION.fullmatch(name)
        # A server that sends all of it may leave out where it begins.
        if found and found[1].upper() == section.upper() and int(found[2] or 0) == start:
            if isinstance(value, list):
                raise BadAnswerError("the server's description of a message is none")
            return value or b""
    return None


def _modseq(items: dict[bytes, Value]) -> int | None:
    value = items.get(b"MODSEQ")
    if not isinstance(value, list) or value == [b"-1"]:  # of a server that counts no changes of this message
        return None
    return as_number(value[0]) if len(value) == 1 else None
