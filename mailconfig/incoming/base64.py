"""Base64 as it comes (RFC 2045 §6.8): broken, unpadded, cut off."""

from __future__ import annotations

from binascii import a2b_base64
from typing import Final

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_ELSE: Final = bytes(octet for octet in range(256) if octet not in _ALPHABET)


def decode_base64(raw: bytes) -> bytes:
    """Return what can be decoded; what is not of the alphabet is skipped."""
    plain = raw.translate(None, _ELSE)
    if len(plain) % 4 == 1:  # six bits make no octet
        plain = plain[:-1]
    return a2b_base64(plain + b"=" * (-len(plain) % 4))
