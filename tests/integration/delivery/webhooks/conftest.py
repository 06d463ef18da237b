"""A server that takes events, and tenants whose webhooks it has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mailconfig.delivery import telling
from mailconfig.models import Tenant
from tests.factories import make_tenant
from tests.servers.http import ScriptedHttpServer

LOOPBACK = {"WEBHOOK_NETWORKS": ["127.0.0.0/8"], "WEB_PORTS": None, "ALLOW_PLAIN_HTTP": True}
"""Settings under which events are told to servers of the tests."""


@pytest.fixture(scope="package")
def event_server() -> Iterator[ScriptedHttpServer]:
    with ScriptedHttpServer() as server:
        yield server


@pytest.fixture
def hooks(event_server: ScriptedHttpServer, settings: Any) -> ScriptedHttpServer:
    settings.MAILCONFIG = {**settings.MAILCONFIG, **LOOPBACK, "OUTBOX": True}
    event_server.forget()
    telling.forget()
    return event_server


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant(slug="acme")
