"""Lists of addresses in header fields (RFC 5322 §3.4), also those that are none by the grammar."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final, NamedTuple

import idna

from mailconfig.incoming.charsets import decoded
from mailconfig.incoming.words import decode_words

LONGEST: Final = 320
"""Characters of an address: 64 before the @, 255 behind it (RFC 5321 §4.5.3.1)."""
MOST_ADDRESSES: Final = 1_000
_MOST_OCTETS: Final = 65_536
_TOKEN = re.compile(r'\\.?|["()<>,;:]|[^"()<>,;:\\]+', re.DOTALL)
_PLAIN = re.compile(
    r"""[ ]*+(?:(?:"([^"\\]*+)"[ ]*+|([^"\\()<>,;:@]*+))<([A-Za-z0-9._+-]++@[A-Za-z0-9.-]++)>"""
    r"""|([A-Za-z0-9._+-]++@[A-Za-z0-9.-]++))[ ]*+(?:,|\Z)"""
)
"""A mailbox as nearly all are written; other lists are taken apart piece by piece."""
_NEVER_IN_ONE: Final = frozenset(" ()<>\ufffd")
_BLANKS = re.compile(r"\s+")
_QUOTED = re.compile(r'\\(.)|"', re.DOTALL)
_DOTS = re.compile("[.\u3002\uff0e\uff61]")
_LONGEST_DOMAIN: Final = 1_012
"""Before letters are put together; encoding takes time by the square of the length."""


class Mailbox(NamedTuple):
    """A display name and an address as they were written."""

    name: str
    address: str


def read_addresses(raw: bytes) -> list[Mailbox]:
    """Return the mailboxes of a field, those of groups among them; what has no address in it is left out."""
    text = decoded(raw[:_MOST_OCTETS])
    plain = _read_plain(text)
    if plain is not None:
        return plain
    found: list[Mailbox] = []
    # A quote or a comment that never ends would swallow everything behind it.
    for quotes, comments in ((True, True), (True, False), (False, False)):
        reading = _Reading(quotes=quotes, comments=comments)
        is_whole, found = reading.read(text), reading.found
        if is_whole:
            break
    return found


def _read_plain(text: str) -> list[Mailbox] | None:
    """Return the mailboxes of a list as nearly all are written; ``None``: something else is in it."""
    found: list[Mailbox] = []
    at = 0
    while at < len(text):
        plain = _PLAIN.match(text, at)
        if plain is None:
            return None
        address = plain[3] or plain[4]
        if len(address) <= LONGEST and len(found) < MOST_ADDRESSES:
            name = plain[1] or plain[2] or ""
            found.append(Mailbox(_plain(name) if name else "", address))
        at = plain.end()
    return found


@lru_cache(maxsize=4096)
def normalised(address: str) -> str:
    """Return the address with which its other spellings are compared: small letters, the domain in A-labels (RFC 5891)."""
    local, at, domain = address.strip().rpartition("@")
    return f"{local.lower()}{at}{normalised_domain(domain)}"


def normalised_domain(domain: str) -> str:
    """Return a domain in small letters and A-labels; what cannot be encoded stays as it is."""
    domain = domain.strip().lower()
    if not domain.isascii() and len(domain) <= _LONGEST_DOMAIN:
        labels = _DOTS.split(unicodedata.normalize("NFC", domain))
        domain = ".".join(map(_a_label, labels))
    return domain.rstrip(".")


def _a_label(label: str) -> str:
    if label.isascii():
        return label
    try:
        return idna.encode(label).decode("ascii")
    except UnicodeError:  # IDNAError is one
        return label


class _Reading:
    """A list as far as it was read, and the entry that is being read."""

    def __init__(self, *, quotes: bool, comments: bool) -> None:
        self.found: list[Mailbox] = []
        self._quote = '"' if quotes else ""
        self._comment = "(" if comments else ""
        self._in_quotes, self._in_angle, self._depth = False, False, 0
        self._begin()

    def _begin(self) -> None:
        self._words: list[str] = []
        self._comments: list[str] = []
        self._angle: list[str] = []

    def read(self, text: str) -> bool:
        """Read a list.

        Returns:
            Whether all quotes and comments in it ended.
        """
        for piece in _TOKEN.findall(text):
            if self._depth:
                self._depth += {"(": 1, ")": -1}.get(piece, 0)
                self._comments.append(piece if self._depth else " ")
            elif piece == self._quote:
                self._in_quotes = not self._in_quotes
                (self._angle if self._in_angle else self._words).append(piece)
            elif self._in_quotes:
                (self._angle if self._in_angle else self._words).append(piece)
            elif self._in_angle:
                self._in_angle = piece != ">"
                self._angle.append(piece)
            else:
                self._take(piece)
        self._end()
        return not self._in_quotes and not self._depth

    def _take(self, piece: str) -> None:
        """Read what is neither quoted nor in brackets."""
        if piece == self._comment:
            self._depth = 1
        elif piece == "<":
            self._in_angle, self._angle = True, [piece]
        elif piece in {",", ";"}:
            self._end()
        elif piece == ":":
            self._begin()  # the name of a group
        elif piece not in {'"', ">"}:
            self._words.append(piece)

    def _end(self) -> None:
        """Note the mailbox that ends here, if there is one."""
        words = "".join(self._words)
        if self._angle:
            address, name = "".join(self._angle).strip("<>"), words
        else:
            address, name = words, "".join(self._comments)
        if address.startswith("@") and ":" in address:  # a source route (RFC 5321 appendix C)
            address = address.rpartition(":")[2]
        address = address.strip()
        if " " in address and '"' not in address:  # a name without brackets, or a comment without an end
            address = next((word for word in address.split(" ") if "@" in word), "").strip(",")
        if address and len(address) <= LONGEST and len(self.found) < MOST_ADDRESSES and _is_address(address):
            self.found.append(Mailbox(_plain(name), address))
        self._begin()


def _is_address(text: str) -> bool:
    return text.isprintable() and _NEVER_IN_ONE.isdisjoint(text)


def _plain(name: str) -> str:
    """Return a display name without its quotes, with its encoded words read."""
    if '"' in name or "\\" in name:
        name = _QUOTED.sub(lambda found: found[1] or "", name)
    return decode_words(name if name.isprintable() else _BLANKS.sub(" ", name))
