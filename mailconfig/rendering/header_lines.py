"""Header fields as lines: encoded, folded, never longer than RFC 5322 §2.1.1 allows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

from django.core.mail.message import BadHeaderError

from mailconfig.exceptions import InvalidMessage

MAX_LINE = 998
"""Characters of a line without its end (RFC 5322 §2.1.1)."""
_WISHED_LINE = 78
_WORD = 75
"""The most one encoded word may hold (RFC 2047 §2)."""

CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
FORBIDDEN = re.compile("[\x00\r\n\ud800-\udfff]")
"""In no header at all: what ends a line, what ends a string in many a program, and what is no character."""
_NAME = re.compile(r"[!-9;-~]{1,200}")
_TOKENS = re.compile(r" *[^ ]+")
# What RFC 2047 §5 (3) lets stand for itself even in a display name.
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!*+-/")
_QUOTED = [chr(byte) if byte in _PLAIN else "_" if byte == 32 else f"={byte:02X}" for byte in range(256)]
_NEVER_ENCODED = frozenset({"message-id", "in-reply-to", "references", "date", "dkim-signature"})


class InvalidHeader(InvalidMessage, BadHeaderError):
    """Something does not belong into a header. Whoever catches what Django raises for it catches this."""


def is_printable(text: str) -> bool:
    """Return whether it is printable ASCII, which may stand in a header as it is."""
    return text.isascii() and text.isprintable()


def shortened(text: str) -> str:
    """The text as it may stand in an error or a log."""
    return ascii(text if len(text) <= 80 else f"{text[:77]}...")


def checked_name(name: object) -> str:
    """A header's name (RFC 5322 §2.2).

    Raises:
        InvalidMessage: it is none.
    """
    text = str(name)
    if not _NAME.fullmatch(text):
        msg = f"{ascii(text)[:80]} is not the name of a header"
        raise InvalidHeader(msg)
    return text


def checked_value(name: str, value: object) -> str:
    """A header's value as one line of text; what is not printable in it will be encoded.

    Raises:
        InvalidHeader: a line break, a NUL or a lone surrogate is in it.
    """
    text = str(value)
    if FORBIDDEN.search(text):
        msg = f"the header {name} has a line break, a NUL or a lone surrogate in it: {shortened(text)}"
        raise InvalidHeader(msg)
    return text.strip()


def text_line(name: str, text: str) -> str:
    """An unstructured field (RFC 5322 §3.2.5) from a checked name and value.

    Raises:
        InvalidMessage: it can neither be folded nor encoded.
    """
    is_structured = name.lower() in _NEVER_ENCODED or name.lower().startswith("list-")
    if is_structured:
        text = text.replace("\t", " ")
    line = f"{name}: {text}"
    if is_printable(text):
        if len(line) <= _WISHED_LINE:
            return line
        line = _fold(line)
        if max(map(len, line.split("\r\n"))) <= MAX_LINE:
            return line
        if is_structured:
            msg = f"the header {name} has a word that is too long for a line"
            raise InvalidMessage(msg)
    elif is_structured and text.isascii():
        msg = f"the header {name} has a control character in it: {shortened(text)}"
        raise InvalidHeader(msg)
    room = _WISHED_LINE - 4 - len(name)
    start, room = (f"{name}: ", room) if room >= 40 else (f"{name}:\r\n ", _WORD)
    return start + "\r\n ".join(encoded_words(text, room=room))


def list_line(name: str, items: Iterable[object]) -> str:
    """A field of items between commas; ``str`` of each is folded already."""
    lines = f"{name}: "
    room = _WISHED_LINE - len(lines)
    for number, item in enumerate(items):
        text = str(item)
        if number:
            lines += ", " if len(text) + 3 <= room else ",\r\n "
            room = room - 2 if len(text) + 3 <= room else _WISHED_LINE - 1
        lines += text
        room = room - len(text) if "\r\n" not in text else 0
    return lines


def encoded_words(text: str, *, room: int = _WORD) -> list[str]:
    """``text`` as encoded words (RFC 2047), the first at most ``room`` characters long, the others 75."""
    data = text.encode()
    quoted = sum(map(len, map(_QUOTED.__getitem__, data)))
    if quoted <= (len(data) + 2) // 3 * 4:
        return [
            "=?utf-8?q?{}?=".format("".join(_QUOTED[byte] for byte in piece))
            for piece in _pieces(text, room, q=True)
        ]
    return [f"=?utf-8?b?{_base64(piece)}?=" for piece in _pieces(text, room, q=False)]


def _pieces(text: str, room: int, *, q: bool) -> Iterable[bytes]:
    """UTF-8 of whole characters: an encoded word may not end within one (RFC 2047 §5)."""
    piece = bytearray()
    length, room = 0, room - 12
    for char in text:
        raw = char.encode()
        cost = sum(len(_QUOTED[byte]) for byte in raw) if q else len(raw)
        if piece and length + cost > (room if q else room // 4 * 3):
            yield bytes(piece)
            piece.clear()
            length, room = 0, _WORD - 12
        piece += raw
        length += cost
    yield bytes(piece)


def _base64(data: bytes) -> str:
    import binascii

    return binascii.b2a_base64(data, newline=False).decode("ascii")


def _fold(line: str) -> str:
    """``line`` broken before spaces, so that no line but one long word exceeds what is wished."""
    lines, current = [], ""
    for token in _TOKENS.findall(line):
        if current and len(current) + len(token) > _WISHED_LINE:
            lines.append(current)
            current = token
        else:
            current += token
    return "\r\n".join([*lines, current])


def parameter(name: str, value: str) -> str:
    """``; name="value"`` on a line of its own; RFC 2231 where it is long or not ASCII."""
    if is_printable(value) and len(value) <= _WORD:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f';\r\n {name}="{escaped}"'
    coded = re.findall(r"(?:%..|[^%]){1,20}", "utf-8''" + quote(value, safe=""))
    if len(coded) == 1:
        return f";\r\n {name}*={coded[0]}"
    return "".join(f";\r\n {name}*{number}*={piece}" for number, piece in enumerate(coded))
