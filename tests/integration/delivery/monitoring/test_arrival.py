"""SPF, DKIM and DMARC of domains that a name server on loopback knows, good and hostile."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from mailconfig.delivery.monitoring.arrival.known import known_sender
from mailconfig.delivery.monitoring.arrival.signed import look_at_dkim, look_at_dmarc, tags_of
from mailconfig.delivery.monitoring.arrival.spf import Broken, Records, Spf, look_at_spf, parse
from mailconfig.models import Account
from mailconfig.transports.network.deadline import Deadline
from mailconfig.transports.network.dns import NameServers
from tests.servers.name_server import NameServer

HOST = "mail.example.net"


@pytest.fixture
def server() -> Iterator[NameServer]:
    with NameServer() as running:
        running.records[HOST, "A"] = ["192.0.2.25"]
        running.records[HOST, "AAAA"] = ["2001:db8::25"]
        yield running


@pytest.fixture
def ask(server: NameServer) -> NameServers:
    return NameServers([("127.0.0.1", server.port)], deadline=Deadline(20))


def spf(ask: NameServers, *, include: str = "", host: str = HOST) -> Spf:
    return look_at_spf(ask, "example.com", include=include, host=host)


@pytest.mark.parametrize(
    ("record", "outcome"),
    [
        ("v=spf1 ip4:192.0.2.0/24 -all", "passes"),
        ("V=SPF1 IP6:2001:db8::/32 -ALL", "passes"),
        ("v=spf1 a:mail.example.net ~all", "passes"),
        ("v=spf1 a:other.example.net/24 -all", "passes"),
        ("v=spf1 mx -all", "passes"),
        ("v=spf1 include:inner.example.com -all", "passes"),
        ("v=spf1 redirect=inner.example.com", "passes"),
        ("v=spf1 +all", "passes"),
        ("v=spf1 -ip4:192.0.2.25 -ip6:2001:db8::25 +all", "not_listed"),
        ("v=spf1 ip4:198.51.100.0/24 -all", "not_listed"),
        ("v=spf1 include:strict.example.com -all", "not_listed"),
        ("v=spf1 exists:%{i}.spf.example.com -all", "unsure"),
        ("v=spf1 ptr -all", "unsure"),
        ("v=spf1", "not_listed"),
        ("v=spf1 ipv4:192.0.2.25 -all", "broken"),
        ("v=spf1 include: -all", "broken"),
        ("v=spf1 a/33 -all", "broken"),
        ("v=spf1 a: -all", "broken"),
        ("v=spf1 ip4:192.0.2.25 ip4:mail.example.net -all", "broken"),
        ("v=spf1 ip4:192.0.2.25 ip4:2001:db8::/32 -all", "broken"),
        ("v=spf1 +all include:gone.example.com nonsense=1", "passes"),
        ("v=spf1 -all ip4:192.0.2.25 include:gone.example.com", "not_listed"),
        ("v=spf1 a:1.example.com a:2.example.com ip4:192.0.2.25 -all", "passes"),
        ("v=spf1 a:1.example.com a:2.example.com a:3.example.com ip4:192.0.2.25 -all", "broken"),
        ("v=spf1 exists:%{l1r/}.example.com -all", "unsure"),
        ("v=spf1 include:gone.example.com -all", "broken"),
        ("v=spf10 +all", "no_record"),
    ],
)
def test_a_server_is_judged_by_its_addresses(
    server: NameServer, ask: NameServers, record: str, outcome: str
) -> None:
    server.records["other.example.net", "A"] = ["192.0.2.99"]
    server.records["example.com", "MX"] = [f"10 {HOST}."]
    server.text("inner.example.com", "v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all")
    server.text("strict.example.com", "v=spf1 -all")
    server.text("example.com", "unrelated", record)

    assert spf(ask).outcome == outcome


def test_the_include_of_a_service_is_found_at_any_depth(server: NameServer, ask: NameServers) -> None:
    server.text("example.com", "v=spf1 include:all.example.com -all")
    server.text("all.example.com", "v=spf1 include:_spf.google.com ~all")
    server.text("_spf.google.com", "v=spf1 ip4:198.51.100.0/24 ~all")

    found = spf(ask, include="_spf.google.com", host="")
    assert (found.outcome, found.lookups) == ("passes", 2)
    assert spf(ask, include="sendgrid.net", host="").outcome == "not_listed"
    for record in ("v=spf1 -all include:_spf.google.com", "v=spf1 ?include:_spf.google.com -all"):
        server.text("example.com", record)
        assert spf(ask, include="_spf.google.com", host="").outcome == "not_listed"


def test_a_record_may_take_ten_look_ups(server: NameServer, ask: NameServers) -> None:
    for number in range(12):
        server.text(f"{number}.example.com", f"v=spf1 include:{number + 1}.example.com ~all")
    server.text("12.example.com", "v=spf1 -all")
    server.text("example.com", "v=spf1 include:3.example.com -all")
    assert (spf(ask).outcome, spf(ask).lookups) == ("not_listed", 10)

    server.text("example.com", "v=spf1 include:2.example.com -all")
    assert spf(ask).outcome == "too_many"


def test_what_is_included_twice_counts_twice(server: NameServer, ask: NameServers) -> None:
    server.text("example.com", "v=spf1 include:a.example.com include:b.example.com -all")
    for name in ("a", "b"):
        server.text(f"{name}.example.com", "v=spf1 include:both.example.com ~all")
    server.text("both.example.com", "v=spf1 a mx ~all")

    assert (spf(ask).outcome, spf(ask).lookups) == ("not_listed", 8)
    assert server.asked.count(("both.example.com", "TXT")) == 2


def test_more_than_ten_mail_servers_are_an_error(server: NameServer, ask: NameServers) -> None:
    server.text("example.com", "v=spf1 mx -all")
    server.records["example.com", "MX"] = [f"10 {number}.example.com." for number in range(11)]
    assert spf(ask).outcome == "too_many"


def test_a_name_is_asked_for_once_however_many_addresses_are_judged(
    server: NameServer, ask: NameServers
) -> None:
    server.text("example.com", "v=spf1 mx a:one.example.com include:b.example.com -all")
    server.text("b.example.com", "v=spf1 mx:example.com a:one.example.com -all")
    server.records["example.com", "MX"] = [f"10 {number}.example.com." for number in range(10)]
    for name in (*map(str, range(10)), "one"):
        server.records[f"{name}.example.com", "A"] = ["198.51.100.1"]
    assert spf(ask).outcome == "not_listed"
    assert len(server.asked) == len(set(server.asked))


def test_names_that_go_round_come_to_an_end(server: NameServer, ask: NameServers) -> None:
    server.text("example.com", "v=spf1 include:b.example.com -all")
    server.text("b.example.com", "v=spf1 include:example.com redirect=b.example.com")

    assert spf(ask).outcome == "broken"
    assert len(server.asked) < 20


def test_more_than_one_record_and_no_answer_are_told_apart(server: NameServer, ask: NameServers) -> None:
    assert spf(ask).outcome == "no_record"
    server.text("example.com", "v=spf1 -all", "v=spf1 +all")
    assert (spf(ask).outcome, spf(ask).record) == ("several", "")
    server.text("example.com", "v=spf1 include:silent.example.com -all")
    server.failing.add("silent.example.com")
    assert spf(ask).outcome == "unanswered"


@pytest.mark.parametrize(
    "record", ["v=spf1 a:" + "x" * 300, "v=spf1 /24", "v=spf1 a//129", "v=spf1 ip4: all", "v=spf1 -"]
)
def test_nonsense_is_an_outcome(server: NameServer, ask: NameServers, record: str) -> None:
    server.text("example.com", record)
    assert spf(ask).outcome in {"broken", "unsure", "not_listed"}
    with pytest.raises(Broken):
        parse("v=spf1 nonsense:x")
    assert Records(ask).judge("nowhere.example", ip_address("192.0.2.1")) == "?"


def test_a_key_is_looked_for_under_known_selectors(server: NameServer, ask: NameServers) -> None:
    def look(*selectors: str) -> tuple[str, str]:
        found = look_at_dkim(ask, "example.com", selectors)
        return found.outcome, found.selector

    server.text("google._domainkey.example.com", "v=DKIM1; k=rsa; p=MIIB IjAN")
    server.text("old._domainkey.example.com", "v=DKIM1; p=")
    server.text("other._domainkey.example.com", "v=spf1 -all")

    assert look("other", "old", "google") == ("found", "google")
    assert look("other", "old") == ("revoked", "old")
    assert look("other", "none") == ("not_found", "")
    server.failing.add("none._domainkey.example.com")
    assert look("none") == ("unanswered", "")
    assert len(look_at_dkim(ask, "example.com", map(str, range(100))).tried) == 8


@pytest.mark.parametrize(
    ("record", "envelope", "policy", "aligned"),
    [
        ("v=DMARC1; p=reject; rua=mailto:a@example.com", "bounces.example.com", "reject", True),
        ("v=DMARC1;p=quarantine;aspf=s", "bounces.example.com", "quarantine", False),
        ("v=DMARC1; p=none", "other.example", "none", False),
        ("v=DMARC1; p=nonsense", "example.com", "", True),
    ],
)
def test_a_policy_is_read_with_its_alignment(
    server: NameServer, ask: NameServers, record: str, envelope: str, policy: str, aligned: bool
) -> None:
    server.text("_dmarc.example.com", record)

    found = look_at_dmarc(ask, "example.com", envelope_domain=envelope)

    assert (found.policy, found.is_aligned) == (policy, aligned)
    assert found.outcome == ("found" if policy else "broken")


def test_a_domain_has_the_policy_of_the_one_above(server: NameServer, ask: NameServers) -> None:
    assert look_at_dmarc(ask, "a.example.com", envelope_domain="x.y").outcome == "no_record"
    server.text("_dmarc.example.com", "v=DMARC1; p=reject; sp=none")

    found = look_at_dmarc(ask, "news.shop.example.com", envelope_domain="mail.example.com")

    assert (found.found_at, found.policy, found.is_aligned) == ("example.com", "none", True)
    server.text("_dmarc.example.com", "v=DMARC1; p=reject", "v=DMARC1; p=none")
    assert look_at_dmarc(ask, "example.com", envelope_domain="example.com").outcome == "several"
    assert ("_dmarc.com", "TXT") not in server.asked


def test_alignment_is_a_matter_of_the_organisation(server: NameServer, ask: NameServers) -> None:
    server.text("_dmarc.news.example.com", "v=DMARC1; p=reject")
    server.text("_dmarc.example.com", "v=DMARC1; p=none")
    found = look_at_dmarc(ask, "news.example.com", envelope_domain="bounces.example.com")
    assert (found.found_at, found.policy, found.is_aligned) == ("news.example.com", "reject", True)

    server.text("_dmarc.gov.example", "v=DMARC1; p=reject; psd=y")
    found = look_at_dmarc(ask, "one.gov.example", envelope_domain="two.gov.example")
    assert (found.found_at, found.is_aligned) == ("gov.example", False)
    assert look_at_dmarc(ask, "one.gov.example", envelope_domain="a.one.gov.example").is_aligned


def test_long_names_are_asked_up_to_the_organisation(server: NameServer, ask: NameServers) -> None:
    server.text("_dmarc.example.com", "v=DMARC1; p=reject")
    server.text("_dmarc.a.example.com", "v=DMARC12; p=none", "v=spf1 -all")
    for labels in (1, 6, 40):
        domain = "a." * labels + "example.com"
        assert look_at_dmarc(ask, domain, envelope_domain=domain).found_at == "example.com"
    assert len(server.asked) < 20


def test_tags_are_read_once_and_without_blanks() -> None:
    assert tags_of("v=DMARC1; p = none ;p=reject; nothing; x=a b") == {"v": "DMARC1", "p": "none", "x": "ab"}


def test_a_service_is_known_by_its_preset_or_its_server() -> None:
    gmail = known_sender(Account(preset="gmail"), "smtp.gmail.com")
    assert gmail is not None
    assert (
        gmail
        == known_sender(Account(), "smtp.gmail.com")
        == known_sender(Account(send_method="gmail_api"), "")
    )
    assert known_sender(Account(), "gmail.com.example.com") is None


def test_a_record_is_found_among_hundreds(server: NameServer, ask: NameServers) -> None:
    others = [f"some-verification={number}" for number in range(400)]
    server.text("example.com", *others, "v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all")
    server.text("_dmarc.example.com", *others, "v=DMARC1; p=reject")

    assert spf(ask).outcome == "passes"
    assert look_at_dmarc(ask, "example.com", envelope_domain="example.com").policy == "reject"
