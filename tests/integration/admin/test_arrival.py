"""“Will it arrive?”: asked by a button, explained in sentences, with what is to be added to DNS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from django.test import Client
from pytest_django import Settings

from mailconfig.delivery.accounts.running_checks import running_check
from mailconfig.exceptions import Throttled
from tests.factories import make_mailbox, make_user
from tests.servers.name_server import NameServer

from .conftest import permitted
from .pages import admin_url

pytestmark = pytest.mark.one_database


@pytest.fixture
def dns(settings: Settings) -> Iterator[NameServer]:
    with NameServer() as running:
        settings.MAILCONFIG = settings.MAILCONFIG | {"DNS_SERVERS": [running.address]}
        yield running


def test_what_is_missing_is_shown_as_records_to_add(client: Client, dns: NameServer) -> None:
    mailbox = make_mailbox(from_email="info@example.com", preset="gmail", host="smtp.gmail.com")
    dns.text("example.com", "v=spf1 ip4:192.0.2.1 <script>-all")
    shown = client.get(admin_url("mailbox", "change", mailbox.pk)).content.decode()
    assert "Will it arrive?" in shown
    assert dns.asked == [], "nothing is looked up with a page"

    dns.text("example.com", "v=spf1 ip4:192.0.2.1 -all")
    page = client.post(admin_url("mailbox", "arrival", mailbox.pk)).content.decode()

    assert "v=spf1 include:_spf.google.com ip4:192.0.2.1 -all" in page
    assert "this server is not among them" in page
    assert "we looked under google, default" in page
    assert "TXT record for _dmarc.example.com:" in page
    assert "v=DMARC1; p=none; rua=mailto:postmaster@example.com" in page


def test_what_dns_says_is_text(client: Client, dns: NameServer) -> None:
    mailbox = make_mailbox(from_email="info@example.com", envelope_from="b@bounces.example.org")
    dns.text("bounces.example.org", "v=spf1 include:_spf.google.com -all")
    dns.text("_spf.google.com", "v=spf1 -all")
    dns.text("_dmarc.example.com", "v=DMARC1; p=reject; rua=<script>alert(1)</script>")
    dns.text("default._domainkey.example.com", "v=DKIM1; p=AAAA")

    page = client.post(admin_url("mailbox", "arrival", mailbox.pk)).content.decode()

    assert "<script>alert" not in page
    assert "rua=&lt;script&gt;" in page
    assert "Mail that fails SPF and DKIM is refused." in page
    assert "so SPF does not count here" in page
    assert "(selector default)" in page


def test_a_name_server_that_is_silent_keeps_nobody_waiting(
    client: Client, dns: NameServer, settings: Settings
) -> None:
    settings.MAILCONFIG = settings.MAILCONFIG | {"DNS_SECONDS": 0.3}
    dns.silent.update({"example.com", "_dmarc.example.com"})
    mailbox = make_mailbox(from_email="info@example.com")

    page = client.post(admin_url("mailbox", "arrival", mailbox.pk)).content.decode()

    assert page.count("gave no answer about example.com") == 3


def test_it_is_one_of_the_checks_that_a_process_makes_at_once(client: Client, dns: NameServer) -> None:
    mailbox = make_mailbox(from_email="info@example.com")
    with ExitStack() as stack:
        for name in ("anna", "berta", "carla", "doris", "emma", "frida"):
            with suppress(Throttled):
                stack.enter_context(running_check(make_user(name)))
        answer = client.post(admin_url("mailbox", "arrival", mailbox.pk), follow=True)
        assert "Other checks are being made just now" in answer.content.decode()
        assert not dns.asked
    assert client.post(admin_url("mailbox", "arrival", mailbox.pk)).status_code == 200


def test_an_account_without_a_domain_is_told_so(client: Client, dns: NameServer) -> None:
    mailbox = make_mailbox(from_email="", username="")
    page = client.post(admin_url("mailbox", "arrival", mailbox.pk)).content.decode()
    assert "no from address whose domain could be looked up" in page
    assert dns.asked == []


def test_who_may_not_test_has_nothing_looked_up(client: Client, dns: NameServer) -> None:
    mailbox = make_mailbox(from_email="info@example.com")
    url = admin_url("mailbox", "arrival", mailbox.pk)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    assert strict.post(url).status_code == 403
    assert client.get(url).status_code == 405
    assert client.post(admin_url("mailbox", "arrival", 10**9)).status_code == 404
    for name, rights in (("dave", ["change_mailbox"]), ("erin", ["view_mailbox", "send_test_mail"])):
        assert permitted(name, *rights).post(url).status_code == 403
    assert dns.asked == []
