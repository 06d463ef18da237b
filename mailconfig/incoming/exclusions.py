"""Patterns of addresses whose mail is not to be synced."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from mailconfig.incoming.addresses import LONGEST, normalised, normalised_domain

_ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Patterns, one a line, sorted by how they are looked up: exact ones do not take longer if they are many.

    ``*`` stands for any characters, also none; nothing else is special. A pattern without an @ is one of domains, and
    ``example.com`` is no pattern of its subdomains: ``*.example.com`` is.
    """

    addresses: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    parents: frozenset[str] = frozenset()
    """Domains of which the subdomains are meant."""
    others: tuple[tuple[str, ...], ...] = ()
    """Pieces that have to follow each other in an address: first its beginning, last its end."""

    @classmethod
    def parse(cls, lines: str) -> Self:
        """Read patterns; empty lines, and lines that no address can match, are skipped."""
        addresses, domains, parents = set(), set(), set()
        others: dict[tuple[str, ...], None] = {}
        for line in dict.fromkeys(lines.splitlines()):
            pattern = line.strip()
            if not pattern or len(pattern) > LONGEST * 4:
                continue
            local, _at, domain = pattern.rpartition("@")
            if "@" not in pattern:
                local = _ANY
            local, domain = local.strip().lower() or _ANY, normalised_domain(domain)
            if local.strip(_ANY) or not domain.strip(_ANY):
                if _ANY in local + domain:
                    others[tuple(f"{local}@{domain}".split(_ANY))] = None
                else:
                    addresses.add(f"{local}@{domain}")
            elif _ANY not in domain:
                domains.add(domain)
            elif domain.startswith("*.") and _ANY not in domain[1:]:
                parents.add(domain[2:])
            else:
                others[tuple(f"{_ANY}@{domain}".split(_ANY))] = None
        return cls(frozenset(addresses), frozenset(domains), frozenset(parents), tuple(others))

    def excludes(self, addresses: Iterable[str]) -> bool:
        """Return whether mail with these addresses is excluded: one of them matching is enough.

        Whoever excludes somebody wants nothing of theirs stored, also where others read along. The mailbox's own
        addresses are not to be among them (:meth:`~mailconfig.incoming.head.Head.counterparts`): who excludes the own domain means colleagues.
        """
        return any(map(self._matches, addresses))

    def _matches(self, address: str) -> bool:
        if len(address) > LONGEST:
            return False
        address = normalised(address)
        domain = address.rpartition("@")[2]
        if address in self.addresses or domain in self.domains:
            return True
        labels = domain.split(".")
        if self.parents and any(".".join(labels[at:]) in self.parents for at in range(1, len(labels))):
            return True
        return any(_follow(pieces, address) for pieces in self.others)


def _follow(pieces: tuple[str, ...], text: str) -> bool:
    """Return whether the pieces stand in the text one after another, the first at its beginning, the last at its end.

    Taking the first of several is never wrong, so nothing is tried twice.
    """
    first, *middle, last = pieces
    if len(first) + len(last) > len(text) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in middle:
        at = text.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True
