"""Messages and parts made of the standard library's classes, by others: checked, mended, written."""

from __future__ import annotations

import copy
import email.message
import re
from email import encoders, generator, message_from_bytes
from email.errors import MessageError
from io import BytesIO

from mailconfig.delivery.rendering.header_lines import CONTROLS, MAX_LINE, checked_name
from mailconfig.delivery.rendering.parts import utf8
from mailconfig.exceptions import InvalidMessage

_BARE_BREAKS = re.compile(rb"\r\n?|\n")
_LONG_LINE = re.compile(rb"[^\r\n]{%d}" % (MAX_LINE + 1))
_FOLD = re.compile(r"\r?\n[ \t]|\t")


def parsed(content: object) -> email.message.Message:
    """A mail given as text or bytes.

    Raises:
        InvalidMessage: it is neither.
    """
    if isinstance(content, str):
        content = utf8(content)
    if not isinstance(content, (bytes, bytearray, memoryview)):
        msg = f"an enclosed mail is a message, text or bytes, not {type(content).__name__}"
        raise InvalidMessage(msg)
    return message_from_bytes(bytes(content))


def flattened(message: email.message.Message, *, keep: bool) -> bytes:
    """A message of the standard library's classes as bytes with CRLF.

    Args:
        keep: change nothing that need not be, since somebody may have signed it; else parts with octets above
            127 are encoded. Lines over 998 octets always are.

    Raises:
        InvalidMessage: it cannot be written as bytes.
    """
    try:
        for part in message.walk():
            _refuse_bad_headers(part)
        data = _written(message)
        if _LONG_LINE.search(data) or not (keep or data.isascii()):
            message = copy.deepcopy(message)
            for part in message.walk():
                _recode(part, keep=keep)
            data = _written(message)
    except InvalidMessage:
        raise
    except (
        UnicodeError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        KeyError,
        MessageError,
    ) as error:
        msg = f"the message cannot be written: {ascii(str(error))[:200]}"
        raise InvalidMessage(msg) from error
    return data


def _written(message: email.message.Message) -> bytes:
    buffer = BytesIO()
    policy = message.policy.clone(linesep="\r\n")
    generator.BytesGenerator(buffer, mangle_from_=False, policy=policy).flatten(message)
    data = buffer.getvalue()
    pairs = data.count(b"\r\n")
    if data.count(b"\n") != pairs or data.count(b"\r") != pairs:
        data = _BARE_BREAKS.sub(b"\r\n", data)
    return data


def _recode(part: email.message.Message, *, keep: bool) -> None:
    """Encode a leaf that has long lines (or, unless ``keep``, octets above 127) in base64."""
    if part.is_multipart() or str(part.get("Content-Transfer-Encoding", "")).lower() in {
        "base64",
        "quoted-printable",
    }:
        return
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return
    if _LONG_LINE.search(data) or not (keep or data.isascii()):
        del part["Content-Transfer-Encoding"]
        # Past whatever a subclass does to a payload: these are the bytes of the part, encoded already or not text.
        email.message.Message.set_payload(part, data)
        encoders.encode_base64(part)


def _refuse_bad_headers(part: email.message.Message) -> None:
    """Lines that were folded are fine, anything else that ends one is an injection."""
    for name, value in part.items():
        checked_name(name)
        if CONTROLS.search(_FOLD.sub(" ", str(value))):
            msg = f"the header {name} has a control character in it: {ascii(str(value))[:80]}"
            raise InvalidMessage(msg)
