"""What the tests of IMAP share: a server with a login, and a policy that allows it in the clear."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from mailconfig.values import NetworkPolicy
from tests.servers.imap import FakeIMAP

from .sessions import PASSWORD, USER


@pytest.fixture
def server() -> Iterator[FakeIMAP]:
    with FakeIMAP(credentials={USER: PASSWORD}) as found:
        yield found


@pytest.fixture
def in_clear(policy: NetworkPolicy) -> NetworkPolicy:
    return replace(policy, allow_plain_login=True)
