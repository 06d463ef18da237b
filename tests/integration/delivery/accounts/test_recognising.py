"""Addresses whose mail servers are found: by what is known, else by DNS, which is believed no further than it may be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mailconfig.delivery import FoundBy, recognise_address
from mailconfig.values import Security
from tests.servers.name_server import NameServer

pytestmark = pytest.mark.one_database


@pytest.fixture
def names(settings: Any) -> Iterator[NameServer]:
    """A name server that is asked."""
    with NameServer() as server:
        settings.MAILCONFIG = {**settings.MAILCONFIG, "DNS_SERVERS": [server.address]}
        yield server


@pytest.mark.parametrize(
    ("address", "preset", "host", "port"),
    [
        ("bob@gmail.com", "gmail", "smtp.gmail.com", 587),
        ("bob@GoogleMail.com", "gmail", "smtp.gmail.com", 587),
        ("bob@yahoo.com", "yahoo", "smtp.mail.yahoo.com", 465),
        ("bob@contoso.onmicrosoft.com", "exchange_online", "smtp.office365.com", 587),
    ],
)
def test_an_address_of_a_mail_service_tells_the_service_and_nobody_is_asked(
    names: NameServer, address: str, preset: str, host: str, port: int
) -> None:
    found = recognise_address(address=address, requested_by=None)

    assert found is not None
    assert (found.preset, found.sending.host, found.sending.port) == (preset, host, port)
    assert found.sending.username == address
    assert found.reading is not None
    assert found.is_sure
    assert names.asked == []


def test_a_domain_is_known_by_where_its_mail_goes(names: NameServer) -> None:
    names.records["example.com", "MX"] = ["1 ASPMX.L.GOOGLE.COM.", "5 alt1.aspmx.l.google.com."]

    found = recognise_address(address="bob@example.com", requested_by=None)

    assert found is not None
    assert (found.found_by, found.preset, found.is_sure) == (FoundBy.EXCHANGE, "gmail", True)
    assert found.sending.host == "smtp.gmail.com"


def test_a_service_that_only_stands_in_for_others_gets_no_password(names: NameServer) -> None:
    names.records["example.com", "MX"] = ["20 aspmx.l.google.com.", "10 mx.example.com."]
    names.records["_submissions._tcp.example.com", "SRV"] = ["0 0 465 mail.example.com."]

    found = recognise_address(address="bob@example.com", requested_by=None)

    assert found is not None
    assert (found.preset, found.sending.host) == ("", "mail.example.com")


def test_a_host_that_only_ends_alike_is_no_mail_service(names: NameServer) -> None:
    names.records["example.com", "MX"] = ["1 mx.notgoogle.com."]
    names.records["_submissions._tcp.example.com", "SRV"] = ["0 0 465 mail.example.com."]

    found = recognise_address(address="bob@example.com", requested_by=None)

    assert found is not None
    assert found.preset == ""


@pytest.mark.parametrize(
    ("host", "is_sure"),
    [
        ("mail.example.com", True),
        ("example.com", True),
        ("mail.example.net", False),
        ("mail-example.com", False),
        ("example.com.evil.test", False),
    ],
)
def test_a_server_outside_the_domain_is_looked_at_first(names: NameServer, host: str, is_sure: bool) -> None:
    names.records["_submissions._tcp.example.com", "SRV"] = [
        "20 0 465 later.example.com.",
        f"10 5 2465 {host}.",
    ]

    found = recognise_address(address="bob@example.com", requested_by=None)

    assert found is not None
    assert (found.sending.host, found.sending.port) == (host, 2465)
    assert found.sending.security == Security.TLS
    assert found.sending.username == "bob@example.com"
    assert found.is_sure is is_sure


def test_one_server_outside_is_enough_to_be_looked_at(names: NameServer) -> None:
    names.records["_submission._tcp.example.com", "SRV"] = ["0 0 587 mail.example.com."]
    names.records["_imaps._tcp.example.com", "SRV"] = ["0 0 993 imap.example.net."]

    found = recognise_address(address="bob@example.com", requested_by=None)

    assert found is not None
    assert found.sending.security == Security.STARTTLS
    assert found.reading is not None
    assert not found.is_sure


def test_a_service_that_is_not_offered_is_none(names: NameServer) -> None:
    names.records["example.com", "TXT"] = ['"v=spf1 -all"']
    names.records["_submissions._tcp.example.com", "SRV"] = ["0 0 0 ."]
    names.failing.add("example.com")

    assert recognise_address(address="bob@example.com", requested_by=None) is None


@pytest.mark.parametrize(
    "address", ["", "bob", "@example.com", "bob@", "bob@[192.0.2.1]", "bob@127.0.0.1", "bob@::1"]
)
def test_what_has_no_domain_asks_nobody(names: NameServer, address: str) -> None:
    assert recognise_address(address=address, requested_by=None) is None
    assert names.asked == []


def test_where_only_workers_connect_web_processes_ask_nobody(names: NameServer, settings: Any) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "CHECKS_AT_ONCE": 0}
    names.records["example.com", "MX"] = ["1 aspmx.l.google.com."]

    assert recognise_address(address="bob@example.com", requested_by=None) is None
    found = recognise_address(address="bob@icloud.com", requested_by=None)
    assert found is not None
    assert found.preset == "icloud"
    assert names.asked == []
