"""Texts in one case and width, without what cannot be seen, and the stretches of a text that are something once it is squeezed."""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

Squeeze = Callable[[str], str]

ENCODED_WORD = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
"""May be base64."""
_JOINS_LINES = "|"
"""Stands between the lines of a greeting as we show it."""
_ESCAPES = "\\"
"""Stands before quotes in what is quoted (RFC 5321 §4.1.2, JSON)."""
_DROPPED = {code: None for code in range(128) if not 0x20 < code < 0x7F} | dict.fromkeys(
    map(ord, (_JOINS_LINES, _ESCAPES))
)


def squeezed(text: str) -> str:
    """``text`` in one case and width, without what cannot be seen."""
    if text.isascii():
        return text.translate(_DROPPED).lower()
    return "".join(map(_seen, text))


def squeezed_ascii(text: str) -> str:
    """``text`` as :func:`squeezed` without anything beyond ASCII, which servers garble in many ways."""
    return (text if text.isascii() else text.encode("ascii", "ignore").decode()).translate(_DROPPED).lower()


def with_mask(text: str, needle: str, squeeze: Squeeze, mask: str) -> str:
    """``text`` with ``mask`` for each stretch that is ``needle`` once it is squeezed."""
    places = positions_of(text, squeeze)
    plain = "".join(map(squeeze, text))
    spans = []
    at = plain.find(needle)
    while at >= 0:
        spans.append((places[at], places[at + len(needle) - 1] + 1))
        at = plain.find(needle, at + len(needle))
    kept, done = [], 0
    for start, end in spans:
        kept += [text[done:start], mask]
        done = end
    return "".join([*kept, text[done:]])


def positions_of(text: str, squeeze: Squeeze) -> list[int]:
    """Return for each character of the squeezed text where it stands in ``text``."""
    return [place for place, character in enumerate(text) for _ in squeeze(character)]


def decoded_word(word: str) -> str:
    """Decode a word as base64, of either alphabet and with or without its end; ``""`` if it is none."""
    bare = word.rstrip("=").translate({ord("-"): "+", ord("_"): "/"})
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4)).decode("utf-8", "replace")
    except binascii.Error:
        return ""


@lru_cache(maxsize=4096)
def _seen(character: str) -> str:
    if character.isspace() or not character.isprintable():
        return ""
    plain = unicodedata.normalize("NFKD", character.casefold())
    return plain.replace(_JOINS_LINES, "").replace(_ESCAPES, "").replace(" ", "")
