"""Autodiscover, asked: a password goes to the address's own domain or where a person said, and the search ends whatever is answered.

No second client asks this server: exchangelib speaks Autodiscover by SOAP only since it left the plain XML of [MS-OXDSCLI] behind.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from mailconfig.transports.contract import Surroundings
from mailconfig.transports.discovery import Autodiscovered, Ending, Login, find_exchange_service
from mailconfig.transports.discovery.autodiscover import MOST_BYTES, MOST_HOPS
from mailconfig.transports.network.deadline import Deadline
from mailconfig.transports.network.dns import NameServers
from mailconfig.values import NetworkPolicy, Secret, Timeouts
from tests.servers.autodiscover import PATH, Discovered, account, protocols, to_address, to_url
from tests.servers.certificates import Certificates
from tests.servers.ews import FakeEWS
from tests.servers.name_server import NameServer

BOB = "bob@localhost"
PASSWORD = "not-a-real-password"
SERVICE = "https://mail.localhost/EWS/Exchange.asmx"
LOGIN = Login(username=BOB, password=Secret(PASSWORD))


@dataclass
class Exchange:
    """A server at localhost, which is the address's domain, and at 127.0.0.1, which is not; and the domain's records."""

    fake: FakeEWS
    names: NameServer
    policy: NetworkPolicy

    def answers(self, path: str, answer: Discovered | bytes) -> str:
        """Have it answered there; returns the path's URL outside the domain."""
        self.fake.autodiscover.answers[path] = (
            answer if isinstance(answer, Discovered) else Discovered(answer)
        )
        return f"https://127.0.0.1:{self.fake.port}{path}"

    def own(self, path: str) -> str:
        return f"https://localhost:{self.fake.port}{path}"

    def search(
        self, *paths: str, seconds: float = 20.0, login: Login | None = LOGIN, confirmed: str = ""
    ) -> Autodiscovered:
        deadline = Deadline(seconds)
        return find_exchange_service(
            BOB,
            Surroundings(policy=self.policy, timeouts=Timeouts(total=20.0)),
            ask=NameServers([("127.0.0.1", self.names.port)], deadline=deadline),
            deadline=deadline,
            login=login,
            confirmed=confirmed,
            urls=tuple(f"https://{{domain}}:{self.fake.port}{path}" for path in paths or ("/first", PATH)),
        )

    @property
    def asked(self) -> list[tuple[str, bool]]:
        """Paths, and whether the password came along."""
        return [(path, with_login) for path, _, with_login in self.fake.autodiscover.asked]


@pytest.fixture
def exchange(certificates: Certificates, policy: NetworkPolicy) -> Iterator[Exchange]:
    with (
        FakeEWS(tls=certificates.good, credentials={BOB: PASSWORD}) as fake,
        NameServer() as names,
    ):
        yield Exchange(fake, names, policy)


def test_the_service_is_found_with_a_login_where_the_server_asks_for_one(exchange: Exchange) -> None:
    exchange.answers(PATH, protocols(EXCH="https://inside.localhost/EWS/Exchange.asmx", EXPR=SERVICE))

    assert exchange.search() == Autodiscovered(ending=Ending.FOUND, url=SERVICE)
    assert exchange.asked == [(PATH, False), (PATH, True)]


def test_a_server_that_wants_no_login_gets_none(exchange: Exchange) -> None:
    exchange.answers(PATH, Discovered(protocols(EXCH=SERVICE), wants_login=False))

    assert exchange.search().url == SERVICE
    assert exchange.asked == [(PATH, False)]


def test_the_record_of_the_domain_leads_to_a_server_within_it(exchange: Exchange) -> None:
    exchange.names.records["_autodiscover._tcp.localhost", "SRV"] = [f"0 0 {exchange.fake.port} localhost."]
    exchange.answers(PATH, protocols(EXPR=SERVICE))

    assert exchange.search("/first").url == SERVICE


def test_a_record_that_leads_out_of_the_domain_is_told_and_not_asked(exchange: Exchange) -> None:
    exchange.names.records["_autodiscover._tcp.localhost", "SRV"] = ["0 0 443 mail.test."]

    found = exchange.search("/first")

    assert found == Autodiscovered(ending=Ending.LEADS_AWAY, url=f"https://mail.test{PATH}")
    assert exchange.asked == []


@pytest.mark.parametrize("how", ["url", "http"])
def test_a_redirect_out_of_the_domain_is_told_and_asked_once_a_person_named_it(
    exchange: Exchange, how: str
) -> None:
    away = exchange.answers(f"/away{PATH}", protocols(EXPR=SERVICE))
    leads = Discovered(status=302, headers={"Location": away}, wants_login=False)
    exchange.answers(PATH, to_url(away) if how == "url" else leads)

    assert exchange.search() == Autodiscovered(ending=Ending.LEADS_AWAY, url=away)
    assert f"/away{PATH}" not in {path for path, _ in exchange.asked}
    assert exchange.search(confirmed=away) == Autodiscovered(ending=Ending.FOUND, url=SERVICE)


def test_a_site_that_moved_as_a_whole_is_not_proposed(exchange: Exchange) -> None:
    headers = {"Location": f"https://127.0.0.1:{exchange.fake.port}/welcome"}
    exchange.answers("/first", Discovered(status=301, headers=headers, wants_login=False))
    exchange.answers(PATH, protocols(EXPR=SERVICE))

    assert exchange.search().url == SERVICE


def test_another_address_of_the_domain_is_asked_for_and_one_of_another_domain_is_told(
    exchange: Exchange,
) -> None:
    exchange.answers(PATH, to_address("bob@example.net"))
    away = exchange.search()
    exchange.answers(PATH, to_address("robert@localhost"))
    endless = exchange.search()

    assert away == Autodiscovered(ending=Ending.LEADS_AWAY, url=f"https://autodiscover.example.net{PATH}")
    assert endless.ending is Ending.ENDLESS
    assert {address for _, address, _ in exchange.fake.autodiscover.asked} == {BOB, "robert@localhost"}


def test_a_chain_ends_however_long_it_is(exchange: Exchange) -> None:
    for number in range(MOST_HOPS + 5):
        exchange.answers(f"/{number}", to_url(exchange.own(f"/{number + 1}")))

    assert exchange.search("/0").ending is Ending.ENDLESS
    assert len({path for path, _ in exchange.asked}) == MOST_HOPS


def test_a_refused_login_is_tried_nowhere_else(exchange: Exchange) -> None:
    exchange.answers("/first", protocols(EXPR=SERVICE))
    exchange.answers(PATH, protocols(EXPR=SERVICE))

    found = exchange.search(login=replace(LOGIN, password=Secret("wrong")))

    assert found.ending is Ending.LOGIN_REFUSED
    assert exchange.asked == [("/first", False), ("/first", True)]


def test_no_password_goes_where_only_unknown_logins_are_offered(exchange: Exchange) -> None:
    exchange.answers(PATH, protocols(EXPR=SERVICE))
    exchange.fake.offers = ("NTLM", "Negotiate")

    assert exchange.search().ending is Ending.NO_BASIC
    assert exchange.search(login=None).ending is Ending.NEEDS_PASSWORD
    assert not any(with_login for _, with_login in exchange.asked)


def test_a_server_that_hangs_is_left_in_time(exchange: Exchange) -> None:
    exchange.answers("/first", Discovered(hangs=True))

    assert exchange.search(seconds=0.5).ending is Ending.LATE


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00\xff",
        b"<html><body>Welcome</body></html>",
        b'<!DOCTYPE a [<!ENTITY b "c">]>' + protocols(EXPR=SERVICE).partition(b"?>")[2],
        protocols(EXPR=SERVICE) + b" " * MOST_BYTES,
        protocols(EXPR="http://mail.localhost/EWS/Exchange.asmx"),
        protocols(EXPR="https://bob:word@mail.localhost/EWS/Exchange.asmx"),
        protocols(EXPR="https://mail.localhost/" + "a" * 300),
        to_url("http://localhost/autodiscover/autodiscover.xml"),
        to_url(""),
        to_address("bob"),
        to_address("bob@"),
        account("<Action>settings</Action>"),
    ],
    ids=range(13),
)
def test_what_is_no_answer_finds_nothing(exchange: Exchange, body: bytes) -> None:
    exchange.answers(PATH, Discovered(body))

    assert exchange.search().ending is Ending.NOTHING
    assert (PATH, True) in exchange.asked


def test_a_certificate_for_another_name_sees_no_password(
    certificates: Certificates, policy: NetworkPolicy
) -> None:
    with FakeEWS(tls=certificates.wrong_name, credentials={BOB: PASSWORD}) as fake, NameServer() as names:
        exchange = Exchange(fake, names, replace(policy, verify_tls=False, allow_unverified_tls=True))
        exchange.answers(PATH, protocols(EXPR=SERVICE))

        assert exchange.search().ending is Ending.NOTHING
        assert exchange.asked == []


def test_the_gate_lets_nobody_ask_private_addresses(exchange: Exchange) -> None:
    exchange.answers(PATH, protocols(EXPR=SERVICE))
    exchange.policy = replace(exchange.policy, allowed_networks=())

    assert exchange.search().ending is Ending.NOTHING
    assert exchange.asked == []
