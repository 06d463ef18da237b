"""Names of folders: modified UTF-7 (RFC 3501 §5.1.3), or UTF-8 where that was agreed on (RFC 6855)."""

from __future__ import annotations

import base64
import binascii
import re

_SHIFTED = re.compile(rb"&([A-Za-z0-9+,]*)-")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BEYOND = re.compile(r"[^\x20-\x7e]+")


def encode(name: str, *, utf8: bool) -> bytes:
    """Return the name as the server has it.

    Raises:
        ValueError: it is empty, no text, or has a character that no name can have.
    """
    if not name or _CONTROL.search(name):
        raise ValueError("a name of a folder has no control characters, and at least one other")
    if utf8:
        return name.encode()
    plain = name.replace("&", "&-")
    return _BEYOND.sub(lambda found: _shifted(found[0]), plain).encode("ascii")


def decode(raw: bytes, *, utf8: bool) -> str:
    """Return the name for a person, without control characters.

    What is no proper UTF-7 is read as UTF-8, which some servers send unasked.
    """
    if not utf8 and raw.isascii():
        try:
            name = _SHIFTED.sub(_unshifted, raw).decode()
        except ValueError:  # binascii.Error and UnicodeError are
            name = ""
        if name and not _CONTROL.search(name):
            return name
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", raw.decode("utf-8", "replace"))


def _shifted(text: str) -> str:
    encoded = base64.b64encode(text.encode("utf-16-be")).decode().rstrip("=")
    return f"&{encoded.replace('/', ',')}-"


def _unshifted(found: re.Match[bytes]) -> bytes:
    encoded = found[1].replace(b",", b"/")
    if not encoded:
        return b"&"
    try:
        decoded = base64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)
    except binascii.Error:
        raise ValueError from None
    return decoded.decode("utf-16-be").encode()
