"""Commands as they are written: strings in quotes or as literals (RFC 3501 §4.3, RFC 7888)."""

from __future__ import annotations

import re

_QUOTABLE = re.compile(rb"[\x20-\x7e]{0,1000}")
_QUOTABLE_UTF8 = re.compile(rb"[\x20-\x7e\x80-\xff]{0,1000}")
MOST_UNASKED = 4096
"""Bytes of a literal that LITERAL- lets us send without waiting."""


class Command:
    """A command in pieces: behind each but the last, the server is waited for.

    Args:
        capabilities: of the server.
        utf8: whether UTF-8 in quotes was agreed on.
    """

    def __init__(self, text: str, capabilities: frozenset[str] = frozenset(), *, utf8: bool = False) -> None:
        self._unasked = not capabilities.isdisjoint({"LITERAL+", "LITERAL-", "IMAP4REV2"})
        self._quotable = _QUOTABLE_UTF8 if utf8 else _QUOTABLE
        self._pieces = [bytearray(text.encode("ascii"))]

    def text(self, text: str) -> Command:
        """Add words of the protocol."""
        self._pieces[-1] += text.encode("ascii")
        return self

    def string(self, value: bytes) -> Command:
        """Add a string, whatever is in it but NUL."""
        if self._quotable.fullmatch(value):
            self._pieces[-1] += b'"' + re.sub(rb'(["\\])', rb"\\\1", value) + b'"'
        elif self._unasked and len(value) <= MOST_UNASKED:
            self._pieces[-1] += b"{%d+}\r\n" % len(value) + value
        else:
            self._pieces[-1] += b"{%d}\r\n" % len(value)
            self._pieces.append(bytearray(value))
        return self

    def pieces(self) -> list[bytes]:
        """Return what is to be written, with line ends, in its order."""
        *first, last = self._pieces
        return [*map(bytes, first), bytes(last + b"\r\n")]
