"""The world of each surface, and the mail servers in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.canary import CANARY, LOGIN
from tests.contract.surface import Surface
from tests.contract.surfaces import SURFACES
from tests.contract.world import World
from tests.servers.certificates import Certificates
from tests.servers.chaos import ChaosServer


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


@pytest.fixture(params=SURFACES, ids=str)
def surface(request: pytest.FixtureRequest) -> Surface:
    """Each one."""
    found: Surface = request.param
    return found


@pytest.fixture
def server(certificates: Certificates) -> Iterator[ChaosServer]:
    """What the rows name: a STARTTLS server that takes the canary."""
    with ChaosServer(tls=certificates.good, starttls=True, credentials={LOGIN: CANARY}) as server:
        yield server


@pytest.fixture
def thief(certificates: Certificates) -> Iterator[ChaosServer]:
    """Where a secret must not go: takes any connection, and writes down every login."""
    with ChaosServer(tls=certificates.good, starttls=True, credentials={}) as server:
        yield server


@pytest.fixture
def world(db: None, surface: Surface, server: ChaosServer) -> World:
    """Rows, people and a server."""
    return World(surface, server.port)
