"""Exchange on loopback, in TLS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.certificates import Certificates
from tests.servers.ews import FakeEWS

from .sessions import PASSWORD, USER


@pytest.fixture
def server(certificates: Certificates) -> Iterator[FakeEWS]:
    """A server with one login and an empty inbox."""
    with FakeEWS(tls=certificates.good, credentials={USER: PASSWORD}, tokens={"good-token"}) as found:
        yield found
