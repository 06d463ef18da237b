"""The mailbox's form where Exchange's web service sends and is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from mailconfig.models import Mailbox
from mailconfig.models.account_destination import SecretName
from tests.servers.certificates import Certificates
from tests.servers.ews import PATH, FakeEWS

from .pages import LOGIN, SECRET, admin_url, entered, values

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def exchange(settings: Settings) -> Iterator[FakeEWS]:
    certificates = Certificates()
    settings.MAILCONFIG = {**settings.MAILCONFIG, "ALLOWED_PORTS": None, "CA_FILE": certificates.ca_file}
    with FakeEWS(tls=certificates.good, credentials={LOGIN: SECRET}) as found:
        yield found
    certificates.close()


def typed(exchange: FakeEWS, **changes: Any) -> dict[str, Any]:
    """What a person enters of a mailbox that Exchange has."""
    address = f"https://127.0.0.1:{exchange.port}{PATH}"
    return values(587, **{"host": "", "ews_endpoint": address, "imap_ssl": "", **changes})


def save(client: Client, mailbox: Mailbox | None = None, **changes: Any) -> dict[str, list[str]]:
    """Save the form with its proof; returns what it complains of."""
    url = admin_url("mailbox", "change", mailbox.pk) if mailbox else admin_url("mailbox", "add")
    answer = client.post(url, entered(client, url, **changes))
    if answer.status_code == 302:
        return {}
    return {name: list(errors) for name, errors in answer.context["adminform"].form.errors.items()}


def test_an_address_of_exchange_is_proved_for_both_halves_and_stored(
    client: Client, exchange: FakeEWS
) -> None:
    assert save(client, **typed(exchange)) == {}
    mailbox = Mailbox.objects.get()

    assert (mailbox.send_method, mailbox.sync_method, mailbox.ews_saves_copy) == ("ews", "ews", True)
    assert exchange.requests == ["GetFolder"] * 3 + ["SyncFolderItems"]
    sealed: Any = mailbox.ews_secret
    assert sealed.bound_to(mailbox.secret_binding(SecretName.EWS)).reveal() == SECRET
    exchange.requests.clear()
    assert save(client, mailbox, name="Renamed") == {}
    assert exchange.requests == []
    assert save(client, mailbox, exchange_version="Exchange2010", ews_saves_copy=None) == {}
    assert exchange.requests == ["GetFolder"] * 3 + ["SyncFolderItems"]
    mailbox = Mailbox.objects.get()
    assert mailbox.ews_saves_copy is False
    shown = client.get(admin_url("mailbox", "change", mailbox.pk)).content.decode()
    assert SECRET not in shown


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"secret": "wrong"}, "secret"),
        ({"ews_endpoint": "https://127.0.0.1:1/EWS"}, "ews_endpoint"),
        ({"ews_endpoint": "http://mail.example.com/EWS"}, "ews_endpoint"),
        ({"ews_verify_mode": "0"}, "ews_verify_mode"),
    ],
)
def test_what_is_wrong_stands_at_its_field(
    client: Client, exchange: FakeEWS, changes: dict[str, Any], field: str
) -> None:
    assert set(save(client, **typed(exchange, **changes))) == {field}
    assert not Mailbox.objects.exists()


def test_a_stored_password_is_not_taken_to_another_address(client: Client, exchange: FakeEWS) -> None:
    assert save(client, **typed(exchange)) == {}
    mailbox = Mailbox.objects.get()
    exchange.requests.clear()

    assert set(save(client, mailbox, ews_endpoint="https://localhost/EWS")) == {"secret"}
    assert exchange.requests == []
    assert save(client, mailbox, ews_endpoint="", is_enabled=None) != {}
