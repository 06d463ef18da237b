"""Values that nobody may keep: what stands in their place in the words of a server, however it writes them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from .squeezing import ENCODED_WORD, decoded_word, positions_of, squeezed

RUN = 12
"""So many characters in a row are no chance: a server repeats the value, or a part of it."""
SHORT = 5
"""A value of fewer characters, or a name of an address, stands in ordinary words: it is masked as a word only."""
LEAST_OF_NAME = 3
_WORD = re.compile(r"[^\s<>()\[\]{}\"',;]+")
_LETTERS = re.compile(r"[^\W\d_]*")


class Mask:
    """Mask of one value. Does not show it.

    Found is the whole value in any case and width, whatever stands between its characters that cannot be seen, and as
    URLs, HTML and base64 write it; of an address what stands before its @ as well; of a text each word that is more than
    letters (a number, an address, a link), and each part of :data:`RUN` characters.
    """

    __slots__ = ("_forms", "_is_address", "_plain", "_words", "name", "value")

    def __init__(self, value: str, name: str) -> None:
        """Make a mask.

        Args:
            value: what is hidden.
            name: what is written in its place.
        """
        self.value, self.name = value, name
        self._plain = squeezed(value)
        forms = {squeezed(form) for form in _forms(value)}
        self._forms = sorted((form for form in forms if len(form) >= SHORT), key=len, reverse=True)
        words = [value.strip()] if 0 < len(self._plain) < SHORT else []
        local, at, _domain = value.strip().rpartition("@")
        self._is_address = bool(at) and " " not in value.strip()
        """Then its domain is no part of it: that is many people's."""
        if self._is_address and len(local) >= LEAST_OF_NAME:
            words.append(local)
        self._words = [re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE) for word in words]

    def stretches(self, text: str, plain: str, positions: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Yield each stretch of a text that is the value, or a part of it.

        Args:
            text: as it came.
            plain: the same, squeezed.
            positions: where each character of that stands in the text.
        """
        if not self._plain:
            return
        for start, end in self._in_squeezed(plain):
            yield positions[start], positions[end - 1] + 1
        for found in _WORD.finditer(text):
            word = found[0].rstrip(".:")
            inside = squeezed(word)
            if len(inside) >= SHORT and not _LETTERS.fullmatch(word) and inside in self._plain:
                yield found.start(), found.start() + len(word)
        for name in self._words:
            yield from (found.span() for found in name.finditer(text))
        if len(self._plain) >= SHORT:
            for found in ENCODED_WORD.finditer(text):
                if self._plain in squeezed(decoded_word(found[0])):
                    yield found.span()

    def _in_squeezed(self, plain: str) -> Iterator[tuple[int, int]]:
        for form in self._forms:
            at = plain.find(form)
            while at >= 0:
                yield at, at + len(form)
                at = plain.find(form, at + len(form))
        if len(self._plain) > RUN and not self._is_address:
            for at in range(len(plain) - RUN + 1):
                if plain[at : at + RUN] in self._plain:
                    yield at, at + RUN

    def __repr__(self) -> str:
        return f"Mask({self.name})"


def with_masks(text: str, masks: Sequence[Mask]) -> str:
    """Return the text with the name of a mask wherever it has the value.

    All are looked for in the text as it came: what one of them covers may be a part of another's value.
    """
    plain, positions = "".join(map(squeezed, text)), positions_of(text, squeezed)
    whose = [0] * len(text)
    for number, mask in enumerate(masks, start=1):
        for start, end in mask.stretches(text, plain, positions):
            for at in range(start, end):
                whose[at] = whose[at] or number
    pieces: list[str] = []
    last = 0
    for character, number in zip(text, whose, strict=True):
        if not number:
            pieces.append(character)
        elif number != last:
            pieces.append(masks[number - 1].name)
        last = number
    return "".join(pieces)


def _forms(value: str) -> Iterator[str]:
    """Yield a value as it is, and as others write it: in URLs, in HTML, within another address."""
    yield value
    yield quote(value)
    yield quote(value, safe="")
    yield html.escape(value)
    if "@" in value:
        yield value.replace("@", "=")
        yield value.replace("@", "+40")
