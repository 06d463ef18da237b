"""The one place that asks DNS for records other than the addresses of what we connect to; those are the gate's affair.

An answer is a value, whatever became of the question, and is as trustworthy as whoever is on the way: nothing checks DNSSEC. Needs the
extra ``mailconfig[dns]``; without it every answer is :attr:`Outcome.MISSING`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Generic, TypeVar

from mailconfig.hostnames import check_host

from .deadline import Deadline

IS_INSTALLED = find_spec("dns") is not None
if IS_INSTALLED:
    import dns.exception
    import dns.name
    import dns.nameserver
    import dns.resolver

MOST_RECORDS = 50
"""Records of one answer that are looked at, but for TXT: a domain may have hundreds, in no order, and the one for SPF is any of them."""
TRY_SECONDS = 2.0
"""How long one server is waited for before the next one is asked, or the same again."""

Record = TypeVar("Record")


class Outcome(StrEnum):
    """Outcomes of a question."""

    FOUND = "found"
    NOTHING = "nothing"
    """The name has no record of this kind (RFC 2308 §2.2)."""
    NO_NAME = "no_name"
    """There is no such name (RFC 8020), or it cannot be one."""
    FAILED = "failed"
    """No server answered, or none could say; later one may."""
    MISSING = "missing"
    """dnspython is not installed here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[Record]):
    """An answer. ``records`` are in the server's order and empty unless the outcome is ``FOUND``."""

    name: str
    outcome: Outcome
    records: tuple[Record, ...] = ()

    @property
    def is_certain(self) -> bool:
        """Return whether it says what there is, rather than that nobody could be asked."""
        return self.outcome in {Outcome.FOUND, Outcome.NOTHING, Outcome.NO_NAME}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A mail exchange (RFC 5321 §5.1). ``host`` as :func:`check_host` has it; empty: the domain takes no mail (RFC 7505)."""

    preference: int
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Where a service is (RFC 2782). ``host`` as :func:`check_host` has it; empty: it is not offered."""

    priority: int
    weight: int
    port: int
    host: str


class NameServers:
    """Asks, all questions together within one deadline. Belongs to one thread."""

    def __init__(self, servers: Sequence[tuple[str, int]], *, deadline: Deadline) -> None:
        """Ask ``servers``, address and port each; none: those that the operating system asks."""
        self._servers = servers
        self._deadline = deadline
        self._resolver: Any = None

    def texts(self, name: str) -> Answer[str]:
        """The TXT records, the strings of each joined (RFC 7208 §3.3). What is not ASCII is written with backslashes."""
        return self._ask(name, "TXT", lambda data: b"".join(data.strings).decode("ascii", "backslashreplace"))

    def exchanges(self, name: str) -> Answer[Exchange]:
        """The MX records; those whose host is none are left out."""
        return self._ask(
            name, "MX", lambda data: Exchange(preference=data.preference, host=_host(data.exchange))
        )

    def services(self, name: str) -> Answer[Service]:
        """The SRV records of a name such as ``_submissions._tcp.example.com``; those whose host is none are left out."""
        return self._ask(
            name,
            "SRV",
            lambda data: Service(
                priority=data.priority, weight=data.weight, port=data.port, host=_host(data.target)
            ),
        )

    def addresses(self, name: str) -> Answer[IPv4Address | IPv6Address]:
        """The addresses of both families, to be compared. Nobody connects to them: the gate looks up and vets its own."""
        fours = self._ask(name, "A", lambda data: ip_address(data.address))
        if fours.outcome in {Outcome.NO_NAME, Outcome.MISSING}:
            return fours
        sixes = self._ask(name, "AAAA", lambda data: ip_address(data.address))
        found = fours.records + sixes.records
        if found:
            return Answer(name=name, outcome=Outcome.FOUND, records=found)
        return sixes if fours.is_certain else fours

    def _ask(self, name: str, kind: str, read: Callable[[Any], Record]) -> Answer[Record]:
        if not IS_INSTALLED:
            return Answer(name=name, outcome=Outcome.MISSING)
        try:
            asked = dns.name.from_text(name.encode("ascii").decode(), dns.name.root)
        except (UnicodeError, dns.exception.DNSException):
            return Answer(name=name, outcome=Outcome.NO_NAME)
        if asked == dns.name.root:
            return Answer(name=name, outcome=Outcome.NO_NAME)
        try:
            answer = self._at_hand().resolve(
                asked, kind, search=False, raise_on_no_answer=False, lifetime=self._deadline.seconds(3600)
            )
        except dns.resolver.NXDOMAIN:
            return Answer(name=name, outcome=Outcome.NO_NAME)
        except (dns.exception.DNSException, OSError, ValueError):  # TimeoutError is an OSError
            return Answer(name=name, outcome=Outcome.FAILED)
        records: list[Record] = []
        for data in list(answer.rrset or ())[: None if kind == "TXT" else MOST_RECORDS]:
            try:
                records.append(read(data))
            except ValueError:
                continue
        return Answer(
            name=name, outcome=Outcome.FOUND if records else Outcome.NOTHING, records=tuple(records)
        )

    def _at_hand(self) -> Any:
        """The resolver, made at the first question: reading the system's settings may fail."""
        if self._resolver is None:
            made = dns.resolver.Resolver(configure=not self._servers)
            if self._servers:
                made.nameservers = [
                    dns.nameserver.Do53Nameserver(address, port) for address, port in self._servers
                ]
            made.timeout = TRY_SECONDS
            self._resolver = made
        return self._resolver


def _host(target: Any) -> str:
    """Raises ValueError: it is no host name."""
    text = target.to_text(omit_final_dot=True)
    return "" if text in {".", "@", ""} else check_host(text)
