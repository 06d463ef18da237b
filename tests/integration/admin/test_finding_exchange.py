"""A mailbox for which Exchange is chosen and no address typed: it is found, and shown where a person has to look first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from mailconfig.models import ConnectionCheck, Mailbox
from tests.factories import make_mailbox
from tests.servers.autodiscover import PATH, Discovered, protocols, to_url
from tests.servers.certificates import Certificates
from tests.servers.ews import PATH as SERVICE_PATH
from tests.servers.ews import FakeEWS
from tests.servers.name_server import NameServer

from .pages import SECRET, admin_url, entered

pytestmark = pytest.mark.one_database

BOB = "bob@localhost"
ADD = admin_url("mailbox", "add")
SCRIPT = {"accept": "application/json"}


@pytest.fixture
def names(settings: Any) -> Iterator[NameServer]:
    """A name server that is asked."""
    with NameServer() as server:
        settings.MAILCONFIG = {**settings.MAILCONFIG, "DNS_SERVERS": [server.address]}
        yield server


@pytest.fixture
def exchange(names: NameServer, certificates: Certificates, settings: Any) -> Iterator[FakeEWS]:
    """An Exchange at the name localhost, to which the domain of that name leads."""
    reach = {"CA_FILE": certificates.ca_file, "WEB_PORTS": None}
    settings.MAILCONFIG = {**settings.MAILCONFIG, **reach}
    with FakeEWS(tls=certificates.good, credentials={BOB: SECRET}) as server:
        names.records["_autodiscover._tcp.localhost", "SRV"] = [f"0 0 {server.port} localhost."]
        yield server


def test_exchange_is_found_proved_and_stored(client: Client, exchange: FakeEWS) -> None:
    endpoint = f"https://localhost:{exchange.port}{SERVICE_PATH}"
    exchange.autodiscover.answers[PATH] = Discovered(protocols(EXPR=endpoint))

    answer = client.post(
        ADD, entered(client, ADD, from_email=BOB, secret=SECRET, finds_exchange="on"), headers=SCRIPT
    )

    assert "url" in answer.json(), answer.json()
    mailbox = Mailbox.objects.get()
    assert (mailbox.ews_endpoint, mailbox.send_method, mailbox.sync_method) == (endpoint, "ews", "ews")
    assert "GetFolder" in exchange.requests


def test_what_leads_out_of_the_domain_is_seen_first_then_asked(client: Client, exchange: FakeEWS) -> None:
    endpoint = f"https://localhost:{exchange.port}{SERVICE_PATH}"
    away = f"https://127.0.0.1:{exchange.port}/away{PATH}"
    exchange.autodiscover.answers[PATH] = Discovered(to_url(away))
    exchange.autodiscover.answers[f"/away{PATH}"] = Discovered(protocols(EXPR=endpoint))
    typed = entered(client, ADD, from_email=BOB, secret=SECRET, finds_exchange="on")

    first = client.post(ADD, typed, headers=SCRIPT).json()
    asked = {path for path, _, _ in exchange.autodiscover.asked}
    second = client.post(ADD, typed | first["filled"], headers=SCRIPT).json()

    assert first["filled"] == {"autodiscover_url": away}
    assert "127.0.0.1" in first["errors"]["autodiscover_url"][0]
    assert asked == {PATH}
    assert "url" in second, second


def test_a_service_out_of_the_domain_is_seen_first(client: Client, exchange: FakeEWS) -> None:
    endpoint = f"https://127.0.0.1:{exchange.port}{SERVICE_PATH}"
    exchange.autodiscover.answers[PATH] = Discovered(protocols(EXPR=endpoint))
    typed = entered(client, ADD, from_email=BOB, secret=SECRET, finds_exchange="on")

    page = client.post(ADD, typed)

    assert page.context["adminform"].form["ews_endpoint"].value() == endpoint
    assert "127.0.0.1" in page.context["adminform"].form.errors["ews_endpoint"][0]
    assert SECRET not in page.content.decode()
    assert exchange.requests == []
    assert not Mailbox.objects.exists()


@pytest.mark.parametrize("how", ["address", "mx", "srv"])
def test_microsoft_365_is_known_and_asked_nothing(client: Client, names: NameServer, how: str) -> None:
    address = "bob@contoso.onmicrosoft.com" if how == "address" else "bob@example.com"
    if how == "mx":
        names.records["example.com", "MX"] = ["0 example-com.mail.protection.outlook.com."]
    names.records["_autodiscover._tcp.example.com", "SRV"] = ["0 0 443 autodiscover.outlook.com."]
    typed = entered(client, ADD, from_email=address, secret=SECRET, finds_exchange="on", port="no port")

    answer = client.post(ADD, typed, headers=SCRIPT).json()

    assert answer["filled"]["ews_endpoint"] == "https://outlook.office365.com/EWS/Exchange.asmx"
    assert answer["proposal"] == ""


def test_a_search_without_result_says_so_at_the_field(client: Client, exchange: FakeEWS) -> None:
    typed = entered(client, ADD, from_email=BOB, secret=SECRET, finds_exchange="on")

    answer = client.post(ADD, typed, headers=SCRIPT).json()

    assert answer["errors"]["ews_endpoint"] == [
        "No Exchange was found by the mailbox's address: enter the address of its web service."
    ]


def test_refused_logins_of_searches_count_with_those_of_checks_and_end_before_a_server_locks(
    client: Client, exchange: FakeEWS
) -> None:
    endpoint = f"https://localhost:{exchange.port}{SERVICE_PATH}"
    exchange.autodiscover.answers[PATH] = Discovered(protocols(EXPR=endpoint))
    typed = entered(client, ADD, from_email=BOB, secret="not-the-password", finds_exchange="on")

    answers = [client.post(ADD, typed, headers=SCRIPT).json()["errors"] for _ in range(7)]

    shown = [with_login for _, _, with_login in exchange.autodiscover.asked].count(True)
    assert shown == 5
    assert all("refused this user name" in str(errors["secret"]) for errors in answers[:5]), answers
    assert all("refused too often" in str(errors) for errors in answers[5:]), answers
    rows = ConnectionCheck.objects.all()
    assert {(row.state, row.stage, row.code, row.host, row.username) for row in rows} == {
        ("failed", "login", "auth_failed", "localhost", "")
    }
    assert len(rows) == 5
    other = typed | {"secret": SECRET, "ews_endpoint": endpoint, "username": BOB}
    assert "refused too often" in str(client.post(ADD, other, headers=SCRIPT).json()["errors"])


def test_a_search_that_is_not_refused_leaves_no_row(client: Client, exchange: FakeEWS) -> None:
    exchange.autodiscover.answers[PATH] = Discovered(to_url(f"https://127.0.0.1:{exchange.port}{PATH}"))

    client.post(ADD, entered(client, ADD, from_email=BOB, secret=SECRET, finds_exchange="on"), headers=SCRIPT)

    assert exchange.autodiscover.asked
    assert not ConnectionCheck.objects.exists()


def test_the_page_of_a_mailbox_finds_it_with_a_password_that_is_typed_anew(
    client: Client, exchange: FakeEWS
) -> None:
    mailbox = make_mailbox(from_email=BOB)
    url = admin_url("mailbox", "change", mailbox.pk)
    endpoint = f"https://localhost:{exchange.port}{SERVICE_PATH}"
    exchange.autodiscover.answers[PATH] = Discovered(protocols(EXPR=endpoint))
    typed = entered(client, url, finds_exchange="on", host="", imap_host="", username=BOB)

    without = client.post(url, typed)
    was_shown = any(with_login for _, _, with_login in exchange.autodiscover.asked)
    saved = client.post(url, typed | {"secret": SECRET})

    assert "wants a password" in without.context["adminform"].form.errors["secret"][0]
    assert not was_shown
    assert saved.status_code == 302, saved.context["adminform"].form.errors
    mailbox.refresh_from_db()
    assert mailbox.ews_endpoint == endpoint


def test_what_was_filled_in_for_a_mistyped_address_gets_no_password_of_the_right_one(
    client: Client, exchange: FakeEWS
) -> None:
    away = f"https://127.0.0.1:{exchange.port}/away{PATH}"
    exchange.autodiscover.answers[PATH] = Discovered(to_url(away))
    typed = entered(client, ADD, from_email=BOB, secret=SECRET, finds_exchange="on")

    first = client.post(ADD, typed)
    noted = first.context["filled_in"].noted
    other = {"from_email": "bob@example.com", "autodiscover_url": away, "_filled_in": noted}
    second = client.post(ADD, typed | other)

    assert second.context["adminform"].form["autodiscover_url"].value() == ""
    assert all(address == BOB for _, address, _ in exchange.autodiscover.asked)
