"""Text of unstructured header fields: encoded words (RFC 2047), and octets that nobody encoded."""

from __future__ import annotations

import re
from binascii import a2b_qp
from typing import Final

from mailconfig.incoming.base64 import decode_base64
from mailconfig.incoming.charsets import decoded, one_line, storable

_MOST_OCTETS: Final = 16_384
"""998 characters of the longest encoding are less."""
# No part of it may hold a question mark, so that what begins and never ends is looked at once.
_WORD = re.compile(r"=\?([!->@-~]{1,100})\?([bBqQ])\?([^?]*)\?=")


def decode_text(raw: bytes) -> str:
    """Return a field's text in one line, storable, its encoded words read; what cannot be read stays as it is."""
    return decode_words(decoded(raw[:_MOST_OCTETS]))


def decode_words(text: str) -> str:
    """Return the text with its encoded words read, in one line and storable."""
    if "=?" not in text:
        return one_line(text)
    pieces: list[str] = []
    run: list[tuple[str, bytes]] = []
    done = 0
    for found in _WORD.finditer(text):
        between = text[done : found.start()]
        # Blanks between two encoded words are not part of the text (RFC 2047 §6.2).
        if between.strip(" \t\r\n") or not run:
            pieces += [_flushed(run), between]
            run = []
        run.append((found[1].lower(), _octets(found[2], found[3])))
        done = found.end()
    pieces += [_flushed(run), text[done:]]
    return one_line("".join(pieces))


def _octets(encoding: str, text: str) -> bytes:
    raw = text.encode("utf-8", "surrogatepass")
    return decode_base64(raw) if encoding in "bB" else a2b_qp(raw, header=True)


def _flushed(run: list[tuple[str, bytes]]) -> str:
    """Return the text of encoded words that follow each other: many mailers break them within a character."""
    text: list[str] = []
    at = 0
    while at < len(run):
        charset = run[at][0]
        end = at
        while end < len(run) and run[end][0] == charset:
            end += 1
        text.append(decoded(b"".join(octets for _charset, octets in run[at:end]), charset))
        at = end
    return storable("".join(text))
