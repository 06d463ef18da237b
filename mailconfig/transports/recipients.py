"""Recipients, for services that send to whom the header of a mail names, and to those whom they are told of besides.

So a mail may have recipients that its header does not name, but none can be left out.
"""

from __future__ import annotations

import contextlib
import re
from email.utils import getaddresses

import idna

from mailconfig.values import Envelope

_FIELD = re.compile(r"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
"""With blanks before the colon, which no mail should have and servers take (RFC 5322 §4.5)."""
_HIDDEN = frozenset({"bcc", "resent-bcc"})
_NAMING = ("to", "cc")
_RESENT = frozenset({"resent-to", "resent-cc"})
"""Of a mail that was sent on (RFC 5322 §3.6.6): some servers send to these, others to To and Cc all the same."""


def besides(envelope: Envelope, octets: bytes) -> tuple[str, ...] | None:
    """Return those of the envelope that the header does not name.

    Returns:
        ``None``: it names somebody who is not to get the mail, or nobody can tell whom it names.
    """
    named = in_header(octets)
    wanted = {_plain(address): address for address in envelope.recipients}
    if named is None or not named <= wanted.keys():
        return None
    return tuple(address for plain, address in wanted.items() if plain not in named)


def in_header(octets: bytes) -> frozenset[str] | None:
    """Return the addresses that a mail names as recipients, each in one spelling.

    Returns:
        ``None``: servers may read them in different ways, or take out what is hidden or not.
    """
    fields = _fields(octets)
    if fields is None or any(name in _HIDDEN for name, _ in fields):
        return None
    by_name = {wanted: [value for name, value in fields if name == wanted] for wanted in (*_NAMING, *_RESENT)}
    if any(len(values) > 1 for values in by_name.values()):
        return None
    read = {name: _addresses(values[0]) if values else frozenset() for name, values in by_name.items()}
    if any(addresses is None for addresses in read.values()):
        return None
    named: frozenset[str] = frozenset().union(*(read[name] or () for name in _NAMING))
    resent: frozenset[str] = frozenset().union(*(read[name] or () for name in _RESENT))
    # Whoever stands in one of them only may get it, or may not.
    return named if not resent or resent == named else None


def _addresses(value: str) -> frozenset[str] | None:
    """Return the addresses of a field, each in one spelling; ``None``: it may be read in different ways."""
    addresses = [address for _name, address in getaddresses([value.strip(", \t\r\n")])]
    if "@" in value and not (addresses and all(addresses)):
        return None
    return frozenset(_plain(address) for address in addresses if address)


def _fields(octets: bytes) -> list[tuple[str, str]] | None:
    """Return name and value of the fields of a header; ``None``: some line is of no field."""
    found: list[tuple[str, str]] = []
    for line in octets.split(b"\n"):
        text = line.removesuffix(b"\r").decode("utf-8", "replace")
        if not text:
            break
        if "\r" in text or "\0" in text:
            return None
        if text[0] in " \t" and found:
            name, value = found[-1]
            found[-1] = (name, f"{value}\r\n{text}")
        elif field := _FIELD.fullmatch(text):
            found.append((field[1].lower(), field[2]))
        else:
            return None
    return found


def _plain(address: str) -> str:
    """Return an address as it is compared: domains may be written in ASCII or not, and all of it in either case."""
    name, at, domain = address.strip().rpartition("@")
    if not domain.isascii():
        with contextlib.suppress(ValueError):
            domain = idna.encode(domain, uts46=True).decode("ascii")
    return (name.lower() if name.isascii() else name) + at + domain.lower()
