"""Two tenants, people of both, and a mail server that knows one login."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from mailconfig.models import Tenant, TenantMailConfig
from tests.factories import make_tenant, make_user
from tests.integration.api.email_service.calls import LOGIN, PASSWORD, configure
from tests.servers.certificates import Certificates
from tests.servers.chaos import ChaosServer


@pytest.fixture(autouse=True)
def deployment(settings: Settings, certificates: Certificates) -> None:
    """Loopback is allowed, our authority trusted, a plain login not."""
    settings.MAILCONFIG = {
        "ALLOWED_NETWORKS": ["127.0.0.0/8"],
        "ALLOWED_PORTS": None,
        "CA_FILE": certificates.ca_file,
        "PROBE_SECONDS": 5.0,
        "PII_RESOLVER": "tests.resolver.Resolver",
    }


@pytest.fixture
def acme(db: None) -> Tenant:
    """The tenant that most tests are about."""
    return make_tenant(slug="acme", name="Acme")


@pytest.fixture
def alice(acme: Tenant) -> User:
    """A member who has no permission."""
    user = make_user("alice")
    acme.members.add(user)
    return user


@pytest.fixture
def bob(acme: Tenant) -> User:
    """Another one."""
    user = make_user("bob")
    acme.members.add(user)
    return user


@pytest.fixture
def charlie(db: None) -> User:
    """Of another tenant."""
    user = make_user("charlie")
    make_tenant(slug="globex", name="Globex").members.add(user)
    return user


@pytest.fixture
def server(certificates: Certificates) -> Iterator[ChaosServer]:
    """A server as providers run it on port 587."""
    with ChaosServer(tls=certificates.good, starttls=True, credentials={LOGIN: PASSWORD}) as server:
        yield server


@pytest.fixture
def config(acme: Tenant, server: ChaosServer) -> TenantMailConfig:
    """The tenant's configuration for that server."""
    return configure(acme, server)
