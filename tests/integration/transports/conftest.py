"""What the transport tests share: certificates of our own and a policy that allows loopback."""

from collections.abc import Iterator
from ipaddress import ip_network

import pytest

from mailconfig.values import NetworkPolicy
from tests.servers.certificates import Certificates


@pytest.fixture(scope="session")
def certificates() -> Iterator[Certificates]:
    found = Certificates()
    yield found
    found.close()


@pytest.fixture
def policy(certificates: Certificates) -> NetworkPolicy:
    return NetworkPolicy(
        allowed_networks=(ip_network("127.0.0.0/8"),), allowed_ports=None, ca_file=certificates.ca_file
    )
