"""Web servers that a module shares, in the clear and by TLS."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from mailconfig.transports.contract import Surroundings
from mailconfig.values import NetworkPolicy, Timeouts
from tests.servers.certificates import Certificates
from tests.servers.http import ScriptedHttpServer


@pytest.fixture(scope="package")
def plain_server() -> Iterator[ScriptedHttpServer]:
    with ScriptedHttpServer() as server:
        yield server


@pytest.fixture(scope="package")
def tls_server(certificates: Certificates) -> Iterator[ScriptedHttpServer]:
    with ScriptedHttpServer(tls=certificates.good) as server:
        yield server


@pytest.fixture
def server(plain_server: ScriptedHttpServer) -> ScriptedHttpServer:
    plain_server.forget()
    return plain_server


@pytest.fixture
def secure_server(tls_server: ScriptedHttpServer) -> ScriptedHttpServer:
    tls_server.forget()
    return tls_server


@pytest.fixture
def surroundings(policy: NetworkPolicy) -> Surroundings:
    return Surroundings(policy=replace(policy, allow_plain_http=True), timeouts=Timeouts(total=30))
