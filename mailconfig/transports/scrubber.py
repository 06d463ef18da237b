"""Takes our own secrets, and values that nobody may keep, out of what a server says, however it writes them."""

from __future__ import annotations

import base64
import html
import json
import re
from collections import deque
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from .masks import Mask, with_masks
from .squeezing import ENCODED_WORD, Squeeze, decoded_word, squeezed, squeezed_ascii, with_mask

MAX_TEXT = 500
MOST_MASKS = 32
MOST_MASKED = 4096
"""Characters of a text that are searched for what a mask hides; the others are cut."""
MASK = "***"
LEAST_OF_NAME = 8
"""Characters of a user name from which on it may be a password typed into the wrong field."""
_LEAST_IN_ASCII = 4
_LEAST_ENCODED = 6
"""What is shorter stands in ordinary words."""


class Scrubber:
    """Knows the secrets of one session. Does not show itself.

    A secret is found whatever stands between its characters that cannot be seen (blanks, tabs, ends of lines, what
    has no width), in any case and width, and with its letters beyond ASCII garbled.
    """

    __slots__ = ("_masks", "_needles", "_secrets")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        found = {needle for secret in secrets for needle in _needles(secret)}
        self._needles = tuple(sorted(found, key=lambda found: len(found[0]), reverse=True))
        self._secrets: tuple[str, ...] = ()
        self._masks: deque[Mask] = deque(maxlen=MOST_MASKS)

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

    def mask(self, masks: Iterable[tuple[str, str]]) -> None:
        """From now on write for each value what stands in its place. The last :data:`MOST_MASKS` are known."""
        known = {(mask.value, mask.name) for mask in self._masks}
        self._masks.extend(Mask(*pair) for pair in masks if pair not in known)

    def clean(self, text: str) -> str:
        """Printable, without a secret, cut to :data:`MAX_TEXT` characters."""
        if self._masks:
            text = with_masks(text[:MOST_MASKED], list(self._masks))
        seen = {squeeze: squeeze(text) for squeeze in {squeeze for _needle, squeeze in self._needles}}
        for needle, squeeze in self._needles:
            if needle in seen[squeeze]:  # as it came: what is masked on the way only makes fewer of them
                text = with_mask(text, needle, squeeze, MASK)
        if self._secrets:
            text = ENCODED_WORD.sub(self._without_encoded, text)
        if not text.isprintable():
            text = "".join(character for character in text if character.isprintable())
        return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"

    def _without_encoded(self, found: re.Match[str]) -> str:
        """``MASK`` for base64 of something with a secret in it."""
        inside = squeezed(decoded_word(found[0]))
        return MASK if any(secret in inside for secret in self._secrets) else found[0]

    def __repr__(self) -> str:
        return f"Scrubber({MASK})"


def _needles(secret: str) -> Iterable[tuple[str, Squeeze]]:
    """The texts to look for, each with the form of a text in which it is found."""
    whole, in_ascii = squeezed(secret), squeezed_ascii(secret)
    if whole:
        yield whole, squeezed
    elif secret:
        yield secret, str
    if len(in_ascii) >= _LEAST_IN_ASCII and in_ascii != whole:
        yield in_ascii, squeezed_ascii


def _escaped(text: str) -> str:
    return text.encode("unicode_escape").decode()


def _in_json(text: str) -> str:
    return json.dumps(text)[1:-1]
