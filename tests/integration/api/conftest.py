"""People who call the surfaces, and a mail server that knows one login."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from pytest_django import Settings
from rest_framework.test import APIClient

from tests.bearer import client_of
from tests.factories import make_user
from tests.servers.certificates import Certificates
from tests.servers.chaos import ChaosServer

LOGIN = "shop@mail.test"
PASSWORD = "not-a-real-password"
VERBS = ("view", "add", "change", "delete")


def permit(user: User, *codenames: str) -> User:
    """Give ``user`` permissions of the app."""
    permissions = Permission.objects.filter(content_type__app_label="mailconfig", codename__in=codenames)
    assert permissions.count() == len(codenames)
    user.user_permissions.add(*permissions)
    return user


@pytest.fixture(scope="session")
def certificates() -> Iterator[Certificates]:
    """An authority of our own."""
    found = Certificates()
    yield found
    found.close()


@pytest.fixture
def trusted(settings: Settings, certificates: Certificates) -> None:
    """Our authority is trusted, and a check takes five seconds at most."""
    settings.MAILCONFIG = {
        **settings.MAILCONFIG,
        "CA_FILE": certificates.ca_file,
        "PROBE_SECONDS": 5.0,
    }


@pytest.fixture
def server(certificates: Certificates, trusted: None) -> Iterator[ChaosServer]:
    """A server as providers run it on port 587."""
    with ChaosServer(tls=certificates.good, starttls=True, credentials={LOGIN: PASSWORD}) as server:
        yield server


@pytest.fixture
def alice(db: Any) -> User:
    """Keeps the providers of the back office; no staff."""
    return permit(make_user("alice"), *(f"{verb}_smtpprovider" for verb in VERBS))


@pytest.fixture
def staff(db: Any) -> User:
    """The same, on the staff."""
    return permit(make_user("sam", is_staff=True), *(f"{verb}_smtpprovider" for verb in VERBS))


@pytest.fixture
def bob(db: Any) -> User:
    """Anybody else."""
    return make_user("bob")


@pytest.fixture
def api(alice: User) -> APIClient:
    """Alice's client."""
    return client_of(alice)
