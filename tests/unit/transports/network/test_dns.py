"""Questions to name servers: every answer is a value, within one deadline, from the servers that were named."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from time import monotonic

import pytest

from mailconfig.transports.network.deadline import Deadline
from mailconfig.transports.network.dns import MOST_RECORDS, Exchange, NameServers, Outcome, Service
from tests.servers.name_server import NameServer


@pytest.fixture
def server() -> Iterator[NameServer]:
    with NameServer() as running:
        yield running


@pytest.fixture
def ask(server: NameServer) -> NameServers:
    return NameServers([("127.0.0.1", server.port)], deadline=Deadline(20))


def test_texts_are_joined_and_printable(server: NameServer, ask: NameServers) -> None:
    long = "v=DKIM1; p=" + "A" * 400
    server.text("example.com", "v=spf1 -all", long)
    server.records["example.com", "TXT"].append('"gr\\252n"')

    answer = ask.texts("Example.com")

    assert answer.outcome is Outcome.FOUND
    assert set(answer.records) == {"v=spf1 -all", long, "gr\\xfcn"}


def test_an_answer_that_is_cut_off_is_asked_for_again_over_tcp(server: NameServer, ask: NameServers) -> None:
    server.text("example.com", *(f"{number:04}" * 60 for number in range(80)))

    answer = ask.texts("example.com")

    assert len(answer.records) == 80
    assert server.asked == [("example.com", "TXT")] * 2


def test_of_exchanges_and_services_no_more_are_looked_at_than_anybody_needs(
    server: NameServer, ask: NameServers
) -> None:
    hosts = range(MOST_RECORDS + 1)
    server.records["example.com", "MX"] = [f"10 mx{number}.example.com." for number in hosts]
    server.records["_imaps._tcp.example.com", "SRV"] = [f"0 1 993 m{number}.example.com." for number in hosts]

    assert len(ask.exchanges("example.com").records) == MOST_RECORDS
    assert len(ask.services("_imaps._tcp.example.com").records) == MOST_RECORDS


def test_exchanges_and_services_name_hosts_only(server: NameServer, ask: NameServers) -> None:
    server.records["example.com", "MX"] = ["10 MX.example.com.", "20 127.1.", "5 -bad-.example.com."]
    server.records["_submissions._tcp.example.com", "SRV"] = ["0 1 465 mail.example.com."]
    server.records["_imaps._tcp.example.com", "SRV"] = ["0 0 0 ."]
    server.records["none.example", "MX"] = ["0 ."]

    assert ask.exchanges("example.com").records == (Exchange(preference=10, host="mx.example.com"),)
    assert ask.services("_submissions._tcp.example.com").records == (
        Service(priority=0, weight=1, port=465, host="mail.example.com"),
    )
    assert [found.host for found in ask.services("_imaps._tcp.example.com").records] == [""]
    assert ask.exchanges("none.example").records == (Exchange(preference=0, host=""),)


def test_addresses_are_of_both_families(server: NameServer, ask: NameServers) -> None:
    server.records["mail.example.com", "A"] = ["192.0.2.1"]
    server.records["mail.example.com", "AAAA"] = ["2001:db8::1"]
    server.records["six.example.com", "AAAA"] = ["2001:db8::2"]

    assert set(ask.addresses("mail.example.com").records) == {
        ip_address("192.0.2.1"),
        ip_address("2001:db8::1"),
    }
    assert ask.addresses("six.example.com").records == (ip_address("2001:db8::2"),)
    assert ask.addresses("example.com").outcome is Outcome.NOTHING


def test_what_is_not_there_is_told_from_what_cannot_be_said(server: NameServer, ask: NameServers) -> None:
    server.records["example.com", "A"] = ["192.0.2.1"]
    server.failing.add("broken.example.com")

    assert ask.texts("example.com").outcome is Outcome.NOTHING
    assert ask.texts("gone.example.org").outcome is Outcome.NO_NAME
    assert ask.texts("broken.example.com").outcome is Outcome.FAILED
    assert not ask.texts("broken.example.com").is_certain


@pytest.mark.parametrize("name", ["", ".", "a..b", "x" * 64 + ".example", "straße.example", "x." * 200])
def test_what_cannot_be_a_name_is_not_asked_for(server: NameServer, ask: NameServers, name: str) -> None:
    assert ask.texts(name).outcome is Outcome.NO_NAME
    assert server.asked == []


def test_a_server_that_keeps_silent_costs_no_more_than_the_deadline(server: NameServer) -> None:
    server.silent.add("example.com")
    ask = NameServers([("127.0.0.1", server.port)], deadline=Deadline(0.3))
    began = monotonic()

    outcomes = [ask.texts("example.com").outcome, ask.exchanges("example.com").outcome]

    assert outcomes == [Outcome.FAILED, Outcome.FAILED]
    assert monotonic() - began < 5
