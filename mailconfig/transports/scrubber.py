"""Takes our own secrets out of what a server says, however it writes them."""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from urllib.parse import quote, quote_plus

MAX_TEXT = 500
MASK = "***"
LEAST_OF_NAME = 8
"""Characters of a user name from which on it may be a password typed into the wrong field."""
_LEAST_IN_ASCII = 4
_LEAST_ENCODED = 6
"""What is shorter stands in ordinary words."""
_JOINS_LINES = "|"
"""Stands between the lines of a greeting as we show it."""
_ESCAPES = "\\"
"""Stands before quotes in what is quoted (RFC 5321 §4.1.2, JSON)."""
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
_DROPPED = {code: None for code in range(128) if not 0x20 < code < 0x7F} | dict.fromkeys(
    map(ord, (_JOINS_LINES, _ESCAPES))
)


class Scrubber:
    """Knows the secrets of one session. Does not show itself.

    A secret is found whatever stands between its characters that cannot be seen (blanks, tabs, ends of lines, what
    has no width), in any case and width, and with its letters beyond ASCII garbled.
    """

    __slots__ = ("_needles", "_secrets")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        found = {needle for secret in secrets for needle in _needles(secret)}
        self._needles = tuple(sorted(found, key=lambda found: len(found[0]), reverse=True))
        self._secrets: tuple[str, ...] = ()

    @classmethod
    def for_login(cls, username: str, secret: str) -> Scrubber:
        """Knows the secret plain, as texts write it, in base64, and inside the responses of PLAIN and XOAUTH2.

        A user name that is no address may be a secret as well.
        """
        plain = [secret]
        if "@" not in username and len(username) >= LEAST_OF_NAME:
            plain.append(username)
        forms = [
            *plain,
            f"\0{username}\0{secret}",
            f"{username}\0{username}\0{secret}",
            f"{username}:{secret}",
            f"user={username}\x01auth=Bearer {secret}\x01\x01",
        ]
        encoded = [base64.b64encode(form.encode()).decode().rstrip("=") for form in forms]
        written = [
            write(secret)
            for secret in plain
            for write in (
                quote,
                quote_plus,
                html.escape,
                _escaped,
                _in_json,
                lambda text: text.encode().hex(),
            )
        ]
        scrubber = cls([*plain, *(form for form in (*written, *encoded) if len(form) >= _LEAST_ENCODED)])
        scrubber._secrets = tuple(filter(None, map(squeezed, plain)))
        return scrubber

    def clean(self, text: str) -> str:
        """Printable, without a secret, cut to :data:`MAX_TEXT` characters."""
        seen = {squeeze: squeeze(text) for squeeze in {squeeze for _needle, squeeze in self._needles}}
        for needle, squeeze in self._needles:
            if needle in seen[squeeze]:  # as it came: what is masked on the way only makes fewer of them
                text = _masked(text, needle, squeeze)
        if self._secrets:
            text = _ENCODED.sub(self._without_encoded, text)
        if not text.isprintable():
            text = "".join(character for character in text if character.isprintable())
        return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"

    def _without_encoded(self, found: re.Match[str]) -> str:
        """``MASK`` for base64 of something with a secret in it."""
        bare = found[0].rstrip("=").translate({ord("-"): "+", ord("_"): "/"})
        try:
            decoded = base64.b64decode(bare + "=" * (-len(bare) % 4))
        except binascii.Error:
            return found[0]
        inside = squeezed(decoded.decode("utf-8", "replace"))
        return MASK if any(secret in inside for secret in self._secrets) else found[0]

    def __repr__(self) -> str:
        return f"Scrubber({MASK})"


def squeezed(text: str) -> str:
    """``text`` in one case and width, without what cannot be seen."""
    if text.isascii():
        return text.translate(_DROPPED).lower()
    return "".join(map(_seen, text))


def _squeezed_ascii(text: str) -> str:
    """``text`` as :func:`squeezed` without anything beyond ASCII, which servers garble in many ways."""
    return (text if text.isascii() else text.encode("ascii", "ignore").decode()).translate(_DROPPED).lower()


_Squeeze = Callable[[str], str]


def _needles(secret: str) -> Iterable[tuple[str, _Squeeze]]:
    """The texts to look for, each with the form of a text in which it is found."""
    whole, in_ascii = squeezed(secret), _squeezed_ascii(secret)
    if whole:
        yield whole, squeezed
    elif secret:
        yield secret, str
    if len(in_ascii) >= _LEAST_IN_ASCII and in_ascii != whole:
        yield in_ascii, _squeezed_ascii


def _masked(text: str, needle: str, squeeze: _Squeeze) -> str:
    """``text`` with :data:`MASK` for each stretch that is ``needle`` once it is squeezed."""
    places = [place for place, character in enumerate(text) for _ in squeeze(character)]
    plain = "".join(map(squeeze, text))
    kept, done = [], 0
    at = plain.find(needle)
    while at >= 0:
        kept += [text[done : places[at]], MASK]
        done = places[at + len(needle) - 1] + 1
        at = plain.find(needle, at + len(needle))
    return "".join([*kept, text[done:]])


@lru_cache(maxsize=4096)
def _seen(character: str) -> str:
    if character.isspace() or not character.isprintable():
        return ""
    plain = unicodedata.normalize("NFKD", character.casefold())
    return plain.replace(_JOINS_LINES, "").replace(_ESCAPES, "").replace(" ", "")


def _escaped(text: str) -> str:
    return text.encode("unicode_escape").decode()


def _in_json(text: str) -> str:
    return json.dumps(text)[1:-1]
