"""Messages and parts made of the standard library's classes, by others: checked, mended where needed, written.

A mail that is forwarded, and one that somebody signed, keep their bytes: nothing but their line ends is changed, and
lines that no server has to take.
"""

from __future__ import annotations

import copy
import email.message
import re
from collections.abc import Callable, Iterator
from email import encoders, generator, message_from_bytes
from email.errors import MessageError
from io import BytesIO
from typing import Any

from mailconfig.exceptions import InvalidMessage
from mailconfig.rendering.header_lines import FORBIDDEN, MAX_LINE, InvalidHeader, checked_name
from mailconfig.rendering.parts import utf8

_BARE_BREAKS = re.compile(rb"\r\n?|\n")
_LONG_LINE = re.compile(rb"[^\r\n]{%d,}" % (MAX_LINE + 1))
_FOLD = re.compile(r"\r?\n[ \t]")
_HARD_BREAK = 900


def original(content: object) -> bytes:
    """A mail that is forwarded as it is, given as text, bytes or a message.

    Raises:
        InvalidMessage: it is none of them, or cannot be written.
    """
    if isinstance(content, email.message.Message):
        message = content
        return _translated(lambda: _with_short_lines(message, _written(message, as_read=True)))
    if isinstance(content, str):
        content = utf8(content)
    if not isinstance(content, (bytes, bytearray, memoryview)):
        msg = f"an enclosed mail is a message, text or bytes, not {type(content).__name__}"
        raise InvalidMessage(msg)
    data = _with_crlf(bytes(content))
    if not _LONG_LINE.search(data):
        return data
    return _translated(lambda: _with_short_lines(message_from_bytes(data), data))


def flattened(message: email.message.Message, *, keep: bool) -> bytes:
    """A message of the standard library's classes as bytes with CRLF.

    Args:
        keep: change nothing that need not be, since somebody may have signed it; else parts with octets above
            127 are encoded, but not what is signed or forwarded in it. Lines over 998 octets always are.

    Raises:
        InvalidMessage: it cannot be written as bytes.
    """

    def write() -> bytes:
        nonlocal message
        for part in _made_parts(message, signed=True):
            _refuse_bad_headers(part)
        as_read = any(map(_was_read, message.walk()))
        data = _written(message, as_read=as_read)
        if not (keep or data.isascii()):
            message = copy.deepcopy(message)
            for part in _made_parts(message, signed=False):
                _encode(part, lambda raw: not raw.isascii())
            data = _written(message, as_read=as_read)
        return _with_short_lines(message, data)

    return _translated(write)


def _translated(write: Callable[[], bytes]) -> bytes:
    try:
        return write()
    except InvalidMessage:
        raise
    except (
        UnicodeError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        MessageError,
    ) as error:
        msg = f"the message cannot be written: {ascii(str(error))[:200]}"
        raise InvalidMessage(msg) from error


def _made_parts(part: email.message.Message, *, signed: bool) -> Iterator[email.message.Message]:
    """The part and those in it, but nothing of a mail that it encloses, and only if wanted what is signed."""
    if part.get_content_type() == "multipart/signed" and not signed:
        return
    yield part
    if part.get_content_maintype() == "multipart" and part.is_multipart():
        for inner in part.get_payload():
            if isinstance(inner, email.message.Message):
                yield from _made_parts(inner, signed=signed)


def _was_read(part: email.message.Message) -> bool:
    """Return whether a parser made this, as it gives an epilogue to a multipart, or it holds a mail to be forwarded.

    Then headers are folded as they came, and stay so. What a program put together is folded as the standard library
    does it, since that is what was signed.
    """
    return part.get_content_type() == "message/rfc822" or (part.is_multipart() and part.epilogue is not None)


def _written(message: email.message.Message, *, as_read: bool) -> bytes:
    buffer = BytesIO()
    policy = message.policy.clone(linesep="\r\n")
    if as_read:
        own: dict[str, Any] = {"refold_source": "none"} if hasattr(policy, "refold_source") else {}
        policy = policy.clone(max_line_length=MAX_LINE, **own)
    generator.BytesGenerator(buffer, mangle_from_=False, policy=policy).flatten(message)
    return _with_crlf(buffer.getvalue())


def _with_crlf(data: bytes) -> bytes:
    pairs = data.count(b"\r\n")
    if data.count(b"\n") != pairs or data.count(b"\r") != pairs:
        data = _BARE_BREAKS.sub(b"\r\n", data)
    return data


def _with_short_lines(message: email.message.Message, data: bytes) -> bytes:
    """``data``, unless there are lines in it over 998 octets: contents with such are encoded, headers folded."""
    if not _LONG_LINE.search(data):
        return data
    message = copy.deepcopy(message)
    for part in message.walk():
        _encode(part, lambda raw: _LONG_LINE.search(raw) is not None)
    return _LONG_LINE.sub(lambda found: _folded(found[0]), _written(message, as_read=True))


def _folded(line: bytes) -> bytes:
    """A header line in pieces: before a space where there is one, else anywhere, as mail servers do it."""
    pieces = []
    while len(line) > MAX_LINE:
        cut = line.rfind(b" ", 1, MAX_LINE)
        cut = cut if line[:cut].strip() and cut > 0 else _HARD_BREAK
        pieces.append(line[:cut])
        line = line[cut:] if line[cut : cut + 1] == b" " else b" " + line[cut:]
    return b"\r\n".join([*pieces, line])


def _encode(part: email.message.Message, is_wanted: Callable[[bytes], bool]) -> None:
    """Encode a leaf in base64 if its content, as it would be written, is so."""
    payload = part.get_payload()
    if part.is_multipart() or not isinstance(payload, str):
        return
    data = part.get_payload(decode=True)
    if isinstance(data, bytes) and is_wanted(payload.encode("utf-8", "surrogateescape")):
        del part["Content-Transfer-Encoding"]
        # Past whatever a subclass does to a payload: these are the bytes of the part, encoded already or not text.
        email.message.Message.set_payload(part, data)
        encoders.encode_base64(part)


def _refuse_bad_headers(part: email.message.Message) -> None:
    """Lines that were folded are fine, anything else that ends one is an injection."""
    for name, value in part.items():
        checked_name(name)
        if FORBIDDEN.search(_FOLD.sub(" ", str(value))):
            msg = f"the header {name} has a line break or a NUL in it: {ascii(str(value))[:80]}"
            raise InvalidHeader(msg)
