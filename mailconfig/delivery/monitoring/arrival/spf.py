"""SPF (RFC 7208) of a domain: its record, how many look-ups it takes, and whether a server falls under it.

pyspf would evaluate a record too, but asks DNS by itself, without a deadline over all questions, and names neither look-ups nor includes.
All that DNS says is somebody's word: names that go round, records without end and wrong syntax are outcomes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from mailconfig.transports.network.dns import Answer as DnsAnswer
from mailconfig.transports.network.dns import Exchange, NameServers, Outcome

MOST_LOOKUPS = 10
"""RFC 7208 §4.6.4: a record that takes more is an error, and receivers take it for none."""
MOST_EXCHANGES = 10
"""The same section: a domain whose mail servers are more is an error in an MX mechanism."""
MOST_VOID = 2
"""The same section: a record that leads to more names without an address is an error for most receivers."""
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
MECHANISMS = LOOKING_UP - {"redirect"} | {"all", "ip4", "ip6"}
WITH_VALUE = frozenset({"include", "exists", "ip4", "ip6"})


def parse(record: str) -> list[Term]:
    """Return the terms of a record that count, in their order: none behind ``all`` (§5.1), and ``redirect`` only without it (§6.1).

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
                redirects.append(Term("+", name, value.rstrip(".")))
            continue
        qualifier = text[0] if text[0] in "+-~?" else "+"
        found.append(_mechanism(qualifier, text.removeprefix(qualifier)))
    if len(redirects) > 1:
        raise Broken(SpfOutcome.BROKEN)
    for number, term in enumerate(found):
        if term.name == "all":
            return found[: number + 1]
    return [*found, *redirects]


def _mechanism(qualifier: str, text: str) -> Term:
    four, six = "", ""
    if text.partition(":")[0].partition("/")[0] in {"a", "mx"}:
        text, _slash, length = text.partition("/")
        four, _slashes, six = (
            ("", "", length.removeprefix("/")) if length.startswith("/") else length.partition("//")
        )
    name, colon, value = text.partition(":")
    lacks_value = not value and (colon or name in WITH_VALUE)
    if name not in MECHANISMS or lacks_value or (name == "all" and colon):
        raise Broken(SpfOutcome.BROKEN)
    if name in {"ip4", "ip6"}:
        _require_network(value, version=int(name[-1]))
    return Term(qualifier, name, value.rstrip("."), _length(four, 32), _length(six, 128))


def _require_network(text: str, *, version: int) -> None:
    """Refuse what is no address, such as a host's name: the whole record does not count then (§4.6)."""
    try:
        is_one = ip_network(text, strict=False).version == version
    except ValueError:
        is_one = False
    if not is_one:
        raise Broken(SpfOutcome.BROKEN)


def _length(text: str, most: int) -> int:
    if not text:
        return most
    if not text.isascii() or not text.isdecimal() or int(text[:4]) > most:
        raise Broken(SpfOutcome.BROKEN)
    return int(text)


@dataclass(slots=True)
class Records:
    """The records of a domain and of all that it includes. Each name is asked for once, however many addresses are judged."""

    ask: NameServers
    texts: dict[str, str] = field(default_factory=dict)
    terms: dict[str, list[Term]] = field(default_factory=dict)
    lookups: int = 0
    void: set[str] = field(default_factory=set)
    exchanges: dict[str, DnsAnswer[Exchange]] = field(default_factory=dict)
    addresses: dict[str, DnsAnswer[Address]] = field(default_factory=dict)

    def read(self, domain: str, above: tuple[str, ...] = ()) -> str:
        """Read the record of a domain, and those that it leads to. What is included twice counts twice, as for receivers.

        Raises:
            Broken: there is none, or a receiver would find an error somewhere.
        """
        if domain in above:  # receivers go round until they have had enough
            raise Broken(SpfOutcome.BROKEN)
        record = self._record_of(domain)
        self.terms[domain] = terms = parse(record)
        for term in terms:
            if term.name not in LOOKING_UP:
                continue
            self.lookups += 1
            if self.lookups > MOST_LOOKUPS:
                raise Broken(SpfOutcome.TOO_MANY)
            if term.name in {"include", "redirect"} and "%" not in term.value:
                try:
                    self.read(term.value, (*above, domain))
                except Broken as error:
                    # §5.2: what is included has to have a record.
                    missing = error.outcome is SpfOutcome.NO_RECORD
                    raise Broken(SpfOutcome.BROKEN if missing else error.outcome) from None
        return record

    def lets_in(self, domain: str, include: str) -> bool:
        """Return whether a record that was read includes another one, at any depth, so that what passes there passes here."""
        ways = [
            term.value
            for term in self.terms.get(domain, [])
            if term.name in {"include", "redirect"} and term.qualifier == "+"
        ]
        return domain == include or any(self.lets_in(value, include) for value in ways)

    def _record_of(self, domain: str) -> str:
        if domain in self.texts:
            return self.texts[domain]
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
        return self.texts.setdefault(domain, found[0])

    def judge(self, domain: str, address: Address, above: tuple[str, ...] = ()) -> str:
        """Return the qualifier of the first mechanism that an address falls under (§4.6.2); ``"?"``: none.

        Raises:
            Unsure: it depends on what cannot be judged from here, or nobody answered.
            Broken: a receiver would find an error on the way.
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
            name = term.value or domain
            answer = self.exchanges.get(name) or self.exchanges.setdefault(name, self.ask.exchanges(name))
            if not answer.is_certain:
                raise Unsure
            if len(answer.records) > MOST_EXCHANGES:
                raise Broken(SpfOutcome.TOO_MANY)
            hosts = [exchange.host for exchange in answer.records if exchange.host]
            self._note_void(f"mx of {answer.name}", is_void=not answer.records)
        length = term.four if address.version == 4 else term.six
        return any(
            _is_in(address, f"{one}/{length}") for host in hosts for one in self._addresses(host, address)
        )

    def _addresses(self, host: str, like: Address) -> list[Address]:
        answer = self.addresses.get(host) or self.addresses.setdefault(host, self.ask.addresses(host))
        if not answer.is_certain:
            raise Unsure
        self._note_void(host, is_void=not answer.records)
        return [found for found in answer.records if found.version == like.version]

    def _note_void(self, name: str, *, is_void: bool) -> None:
        self.void |= {name} if is_void else set()
        if len(self.void) > MOST_VOID:
            raise Broken(SpfOutcome.BROKEN)


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
        text = records.texts.get(domain, "")[:LONGEST]
        return Spf(domain=domain, outcome=error.outcome, record=text, lookups=records.lookups)
    if include and records.lets_in(domain, include):
        outcome = SpfOutcome.PASSES
    elif not host:
        outcome = SpfOutcome.NOT_LISTED if include else SpfOutcome.UNSURE
    else:
        outcome = _judge_host(records, domain, host)
    return Spf(domain=domain, outcome=outcome, record=record[:LONGEST], lookups=records.lookups)


def _judge_host(records: Records, domain: str, host: str) -> SpfOutcome:
    answer = records.ask.addresses(host)
    if not answer.records:
        return SpfOutcome.UNSURE
    try:
        results = [records.judge(domain, address) for address in answer.records[:4]]
    except Unsure:
        return SpfOutcome.UNSURE
    except Broken as error:
        return error.outcome
    return SpfOutcome.PASSES if "+" in results else SpfOutcome.NOT_LISTED
