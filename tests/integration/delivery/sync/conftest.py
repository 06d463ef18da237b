"""Mailboxes, and a server on loopback with mail for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from mailconfig.models import Mailbox
from tests.factories import PASSWORD
from tests.servers.imap import FakeIMAP

from .mail import USER, make_synced


@pytest.fixture(autouse=True)
def _in_clear(settings: Settings) -> None:
    """Logins in the clear, which a server on loopback needs no certificate for."""
    settings.MAILCONFIG = {**settings.MAILCONFIG, "ALLOW_PLAIN_LOGIN": True}


@pytest.fixture
def server() -> Iterator[FakeIMAP]:
    """A server with one login and an empty inbox."""
    with FakeIMAP(credentials={USER: PASSWORD}) as found:
        yield found


@pytest.fixture
def mailbox(server: FakeIMAP) -> Mailbox:
    """A mailbox on that server."""
    return make_synced(server.port)
