"""Servers, accounts and people for the tests of probes and test mails."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from mailconfig.models import Account, AccountKind, CheckKind, CheckState, ConnectionCheck, Mailbox
from mailconfig.values import Secret
from tests.servers.certificates import Certificates
from tests.servers.chaos import ChaosServer
from tests.servers.imap import FakeIMAP

USERNAME = "me@mail.test"
PASSWORD = "not-a-real-password"


@pytest.fixture(scope="session")
def certificates() -> Iterator[Certificates]:
    """An authority of our own."""
    found = Certificates()
    yield found
    found.close()


@pytest.fixture(autouse=True)
def deployment(settings: Settings, certificates: Certificates) -> None:
    """Loopback is allowed, our authority trusted, a plain login not."""
    settings.MAILCONFIG = {
        "ALLOWED_NETWORKS": ["127.0.0.0/8"],
        "ALLOWED_PORTS": None,
        "CA_FILE": certificates.ca_file,
        "PROBE_SECONDS": 5.0,
    }


@pytest.fixture
def starttls(certificates: Certificates) -> Iterator[ChaosServer]:
    """A server as providers run it on port 587."""
    with ChaosServer(tls=certificates.good, starttls=True, credentials={USERNAME: PASSWORD}) as server:
        yield server


@pytest.fixture
def plain() -> Iterator[ChaosServer]:
    """A server without TLS or login."""
    with ChaosServer() as server:
        yield server


@pytest.fixture
def staff() -> User:
    """Staff: told everything, and at once."""
    return User.objects.create_user("alice", "alice@example.com", is_staff=True)


@pytest.fixture
def bob() -> User:
    """Anybody else."""
    return User.objects.create_user("bob", "bob@example.com")


def new_account(server: ChaosServer | None, **values: Any) -> Account:
    """An account for ``server`` that is not stored; without login if the server offers none."""
    logs_in = server is not None and server.credentials is not None
    secured = server is not None and server.starttls
    return Account(
        **{
            "kind": AccountKind.OUTBOUND_EMAIL,
            "name": "Me",
            "from_email": "me@mail.test",
            "host": "127.0.0.1",
            "port": server.port if server else 25,
            "security": "starttls" if secured else "none",
            "authentication": "password" if logs_in else "none",
            "username": USERNAME if logs_in else "",
            "secret": Secret(PASSWORD) if logs_in else None,
            **values,
        }
    )


def stored_account(server: ChaosServer | None, **values: Any) -> Account:
    """The same, stored and read again."""
    account = new_account(server, **values)
    account.save()
    return Account.objects.get(pk=account.pk)


def note_checks(count: int, *, seconds_ago: float = 1.0, **values: object) -> None:
    """So many checks of the past, the oldest ``seconds_ago``."""
    rows = ConnectionCheck.objects.bulk_create(
        ConnectionCheck(**{"kind": CheckKind.CONNECTION, "state": CheckState.PASSED, "host": "h", **values})
        for _ in range(count)
    )
    at = timezone.now() - timedelta(seconds=seconds_ago)
    ConnectionCheck.objects.filter(pk__in=[row.pk for row in rows]).update(created_at=at)


def imap_mailbox(server: FakeIMAP | None, *, stored: bool = False, **values: Any) -> Mailbox:
    """A mailbox that is synced from ``server`` and sends nothing."""
    mailbox = Mailbox(
        **{
            "from_email": USERNAME,
            "send_method": "none",
            "host": "127.0.0.1",
            "authentication": "password",
            "username": USERNAME,
            "secret": Secret(PASSWORD),
            "sync_method": "imap",
            "imap_host": "127.0.0.1",
            "imap_port": server.port if server else 143,
            "imap_ssl": True,
            "imap_secret": Secret(PASSWORD),
            **values,
        }
    )
    if not stored:
        return mailbox
    mailbox.save()
    return Mailbox.objects.get(pk=mailbox.pk)
