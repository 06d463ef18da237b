"""SPF (RFC 7208) of a domain: its record, how many look-ups it takes, and whether a server falls under it.

pyspf would evaluate a record too, but asks DNS by itself, without a deadline over all questions, and names neither look-ups nor includes.
All that DNS says is somebody's word: names that go round, records without end and wrong syntax are outcomes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from mailconfig.transports.network.dns import NameServers, Outcome

MOST_LOOKUPS = 10
"""RFC 7208 §4.6.4: a record that takes more is an error, and receivers take it for none."""
MOST_EXCHANGES = 10
"""The same section: so many hosts of an MX mechanism are looked at."""
LONGEST = 2000

Address = IPv4Address | IPv6Address


class SpfOutcome(StrEnum):
    """Outcomes for the server that sends."""

    PASSES = "passes"
    NOT_LISTED = "not_listed"
    UNSURE = "unsure"
    """The record has what cannot be judged from here, or nothing is known of the server."""
    NO_RECORD = "no_record"
    SEVERAL = "several"
    """RFC 7208 §4.5: more than one record counts as an error."""
    BROKEN = "broken"
    TOO_MANY = "too_many"
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spf:
    """Findings. ``lookups`` counts the whole record, with all that it includes."""

    domain: str
    outcome: SpfOutcome
    record: str = ""
    lookups: int = 0


@dataclass(frozen=True, slots=True)
class Term:
    """A mechanism (§5) or redirect (§6.1) of a record."""

    qualifier: str
    name: str
    value: str
    four: int = 32
    six: int = 128


class Broken(Exception):
    """A receiver would find an error in it."""

    def __init__(self, outcome: SpfOutcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class Unsure(Exception):
    """It cannot be said from here."""


LOOKING_UP = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})
MECHANISMS = LOOKING_UP | {"all", "ip4", "ip6"}


def parse(record: str) -> list[Term]:
    """Return the terms of a record, in their order; modifiers other than ``redirect`` are left out.

    Raises:
        Broken: it has what no record has.
    """
    found: list[Term] = []
    redirects: list[Term] = []
    for word in record.split()[1:]:
        text = word.lower()
        head = text.partition(":")[0].partition("/")[0]
        if "=" in head:
            name, _equals, value = text.partition("=")
            if name == "redirect":
                redirects.append(Term("+", name, value))
            continue
        qualifier = text[0] if text[0] in "+-~?" else "+"
        found.append(_mechanism(qualifier, text.removeprefix(qualifier)))
    if len(redirects) > 1:
        raise Broken(SpfOutcome.BROKEN)
    has_all = any(term.name == "all" for term in found)
    return found if has_all else [*found, *redirects]


def _mechanism(qualifier: str, text: str) -> Term:
    name, colon, value = text.partition(":")
    four, six = "", ""
    if name not in {"ip4", "ip6"}:
        name, slash, length = name.partition("/") if not colon else (name, "", "")
        if colon:
            value, slash, length = value.partition("/")
        if slash:
            four, _slashes, six = (
                length.partition("//") if not length.startswith("/") else ("", "", length[1:])
            )
    is_given = bool(value)
    if (
        name not in MECHANISMS
        or name == "redirect"
        or (name in {"include", "exists", "ip4", "ip6"}) > is_given
    ):
        raise Broken(SpfOutcome.BROKEN)
    return Term(qualifier, name, value.rstrip("."), _length(four, 32), _length(six, 128))


def _length(text: str, most: int) -> int:
    if not text:
        return most
    if not text.isascii() or not text.isdecimal() or int(text[:4]) > most:
        raise Broken(SpfOutcome.BROKEN)
    return int(text)


@dataclass(slots=True)
class Records:
    """The records of a domain and of all that it includes, read once."""

    ask: NameServers
    terms: dict[str, list[Term]] = field(default_factory=dict)
    lookups: int = 0

    def read(self, domain: str, depth: int = 0) -> str:
        """Read the record of a domain, and those that it leads to.

        Raises:
            Broken: there is none, or a receiver would find an error somewhere.
        """
        record = self._record_of(domain)
        self.terms[domain] = terms = parse(record)
        for term in terms:
            if term.name not in LOOKING_UP:
                continue
            self.lookups += 1
            if self.lookups > MOST_LOOKUPS:
                raise Broken(SpfOutcome.TOO_MANY)
            leads_on = term.name in {"include", "redirect"} and "%" not in term.value
            if leads_on and term.value not in self.terms:
                try:
                    self.read(term.value, depth + 1)
                except Broken as error:
                    # §5.2: what is included has to have a record.
                    missing = error.outcome is SpfOutcome.NO_RECORD
                    raise Broken(SpfOutcome.BROKEN if missing else error.outcome) from None
        return record

    def _record_of(self, domain: str) -> str:
        answer = self.ask.texts(domain)
        if answer.outcome in {Outcome.FAILED, Outcome.MISSING}:
            raise Broken(SpfOutcome.UNANSWERED)
        found = [
            text for text in answer.records if text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")
        ]
        if not found:
            raise Broken(SpfOutcome.NO_RECORD)
        if len(found) > 1:
            raise Broken(SpfOutcome.SEVERAL)
        return found[0][:LONGEST]

    def judge(self, domain: str, address: Address, above: tuple[str, ...] = ()) -> str:
        """Return the qualifier of the first mechanism that an address falls under (§4.6.2); ``"?"``: none.

        Raises:
            Unsure: it depends on what cannot be judged from here, or nobody answered.
        """
        if domain in above:
            raise Unsure
        unsure = False
        for term in self.terms.get(domain, []):
            try:
                if term.name == "redirect":
                    return self.judge(term.value, address, (*above, domain))
                matches = self._matches(term, domain, address, above)
            except Unsure:
                unsure = True
                continue
            if matches and not (unsure and term.qualifier != "+"):
                return term.qualifier
        if unsure:
            raise Unsure
        return "?"

    def _matches(self, term: Term, domain: str, address: Address, above: tuple[str, ...]) -> bool:
        if "%" in term.value or term.name in {"ptr", "exists"}:
            raise Unsure
        if term.name == "all":
            return True
        if term.name == "include":
            return self.judge(term.value, address, (*above, domain)) == "+"
        if term.name in {"ip4", "ip6"}:
            return _is_in(address, term.value)
        hosts: Iterable[str] = [term.value or domain]
        if term.name == "mx":
            answer = self.ask.exchanges(term.value or domain)
            if not answer.is_certain:
                raise Unsure
            hosts = [exchange.host for exchange in answer.records[:MOST_EXCHANGES] if exchange.host]
        length = term.four if address.version == 4 else term.six
        return any(
            _is_in(address, f"{one}/{length}") for host in hosts for one in self._addresses(host, address)
        )

    def _addresses(self, host: str, like: Address) -> list[Address]:
        answer = self.ask.addresses(host)
        if not answer.is_certain:
            raise Unsure
        return [found for found in answer.records if found.version == like.version]


def _is_in(address: Address, text: str) -> bool:
    try:
        network: IPv4Network | IPv6Network = ip_network(text, strict=False)
    except ValueError:
        return False
    return address.version == network.version and address in network


def look_at_spf(ask: NameServers, domain: str, *, include: str, host: str) -> Spf:
    """Find whether a server may send for a domain.

    Args:
        ask: all questions go there.
        domain: of the envelope sender.
        include: what the service of that server has its customers include; ``""``: nothing is known.
        host: the server, whose addresses are judged if nothing is known; ``""``: it is not known either.
    """
    records = Records(ask)
    try:
        record = records.read(domain)
    except Broken as error:
        text = "" if error.outcome in {SpfOutcome.NO_RECORD, SpfOutcome.UNANSWERED} else _text(ask, domain)
        return Spf(domain=domain, outcome=error.outcome, record=text, lookups=records.lookups)
    if include and (include in records.terms or domain == include):
        outcome = SpfOutcome.PASSES
    elif not host:
        outcome = SpfOutcome.NOT_LISTED if include else SpfOutcome.UNSURE
    else:
        outcome = _judge_host(records, domain, host)
    return Spf(domain=domain, outcome=outcome, record=record, lookups=records.lookups)


def _text(ask: NameServers, domain: str) -> str:
    found = [text for text in ask.texts(domain).records if text.lower().startswith("v=spf1")]
    return found[0][:LONGEST] if len(found) == 1 else ""


def _judge_host(records: Records, domain: str, host: str) -> SpfOutcome:
    answer = records.ask.addresses(host)
    if not answer.records:
        return SpfOutcome.UNSURE
    try:
        results = [records.judge(domain, address) for address in answer.records[:4]]
    except Unsure:
        return SpfOutcome.UNSURE
    return SpfOutcome.PASSES if "+" in results else SpfOutcome.NOT_LISTED
