"""Capabilities of a server: what it offers in its reply to EHLO (RFC 5321 §4.1.1.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_MECHANISM = re.compile(r"[A-Z0-9_-]{1,20}")
"""A SASL mechanism's name (RFC 4422 §3.1)."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Capabilities that the server named after (the last) EHLO."""

    pipelining: bool = False
    size_limit: int | None = None
    eight_bit_mime: bool = False
    smtputf8: bool = False
    starttls: bool = False
    auth: frozenset[str] = frozenset()
    """Upper-case SASL mechanism names."""


def parse_capabilities(lines: Sequence[bytes]) -> Capabilities:
    """Return what the lines of an EHLO reply after the first one offer (RFC 5321 §4.1.1.1)."""
    pipelining = eight_bit_mime = smtputf8 = starttls = False
    size_limit: int | None = None
    auth: set[str] = set()
    for line in lines[1:]:
        words = line.decode("ascii", "replace").upper().replace("AUTH=", "AUTH ").split()
        if not words:
            continue
        keyword, arguments = words[0], words[1:]
        if keyword == "PIPELINING":
            pipelining = True
        elif keyword == "8BITMIME":
            eight_bit_mime = True
        elif keyword == "SMTPUTF8":
            smtputf8 = True
        elif keyword == "STARTTLS":
            starttls = True
        elif keyword == "AUTH":
            auth.update(name for name in arguments if _MECHANISM.fullmatch(name))
        elif keyword == "SIZE" and arguments and re.fullmatch(r"[0-9]{1,20}", arguments[0]):
            size_limit = int(arguments[0]) or None  # RFC 1870 §4: 0 means no fixed limit
    return Capabilities(
        pipelining=pipelining,
        size_limit=size_limit,
        eight_bit_mime=eight_bit_mime,
        smtputf8=smtputf8,
        starttls=starttls,
        auth=frozenset(auth),
    )
