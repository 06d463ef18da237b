"""People who use the admin, and a mail server that knows one login."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from tests.factories import make_user
from tests.servers.certificates import Certificates
from tests.servers.chaos import ChaosServer

from .pages import LOGIN, SECRET


@pytest.fixture
def server() -> Iterator[ChaosServer]:
    """A mail server that takes LOGIN with SECRET, without encryption."""
    with ChaosServer(credentials={LOGIN: SECRET}, auth_in_clear=True) as server:
        yield server


@pytest.fixture(scope="session")
def certificates() -> Iterator[Certificates]:
    """An authority of our own."""
    found = Certificates()
    yield found
    found.close()


@pytest.fixture
def alice(db: None) -> User:
    """May do everything."""
    return make_user("alice", is_staff=True, is_superuser=True)


@pytest.fixture
def client(alice: User) -> Client:
    """Alice's browser; what the server gets wrong is an answer, not an exception of the test's."""
    browser = Client()
    browser.force_login(alice)
    return browser


def permitted(name: str, *codenames: str) -> Client:
    """The browser of somebody on the staff with just these permissions."""
    user = make_user(name, is_staff=True)
    permissions = Permission.objects.filter(content_type__app_label="mailconfig", codename__in=codenames)
    assert permissions.count() == len(codenames)
    user.user_permissions.set(permissions)
    browser = Client()
    browser.force_login(user)
    return browser
