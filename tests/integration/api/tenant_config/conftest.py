"""Two tenants, and people who may do more and less."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from mailconfig.models import Tenant
from tests.factories import make_tenant
from tests.integration.api.tenant_config.calls import BY_HOST, BY_PATH, Route, permitted
from tests.servers.certificates import Certificates
from tests.servers.chaos import ChaosServer

USERNAME = "mailer@acme.example"
PASSWORD = "not-a-real-password"


@pytest.fixture(scope="session")
def certificates() -> Iterator[Certificates]:
    """An authority of our own."""
    found = Certificates()
    yield found
    found.close()


@pytest.fixture(autouse=True)
def deployment(settings: Settings, certificates: Certificates) -> None:
    """Loopback is allowed, our authority trusted; a plain login and plain http are not."""
    settings.MAILCONFIG = {
        "ALLOWED_NETWORKS": ["127.0.0.0/8"],
        "ALLOWED_PORTS": None,
        "CA_FILE": certificates.ca_file,
        "PROBE_SECONDS": 5.0,
    }


@pytest.fixture(params=[BY_HOST, BY_PATH], ids=["host", "path"])
def route(request: pytest.FixtureRequest) -> Route:
    """Both ways in, one after the other."""
    found: Route = request.param
    return found


@pytest.fixture
def acme(db: None) -> Tenant:
    """The tenant that most tests are about."""
    return make_tenant(slug="acme", name="Acme")


@pytest.fixture
def alice(acme: Tenant) -> User:
    """A member who may write the configuration."""
    user = permitted("alice", "add", "change")
    acme.members.add(user)
    return user


@pytest.fixture
def bob(acme: Tenant) -> User:
    """A member who may nothing."""
    user = permitted("bob")
    acme.members.add(user)
    return user


@pytest.fixture
def charlie(db: None) -> User:
    """Has the permissions, and belongs to another tenant."""
    user = permitted("charlie", "add", "change", "test_account")
    make_tenant(slug="other", name="Other").members.add(user)
    return user


@pytest.fixture
def root(db: None) -> User:
    """The superuser."""
    return permitted("root", is_superuser=True, is_staff=True)


@pytest.fixture
def plain() -> Iterator[ChaosServer]:
    """A server without TLS or login."""
    with ChaosServer() as server:
        yield server


@pytest.fixture
def starttls(certificates: Certificates) -> Iterator[ChaosServer]:
    """A server as providers run it on port 587."""
    with ChaosServer(tls=certificates.good, starttls=True, credentials={USERNAME: PASSWORD}) as server:
        yield server
