"""Accounts whose mail has files, and a server that has them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages

from mailconfig.delivery.queue.bodies import FOLDER
from mailconfig.models import Account, AccountKind
from tests.factories import make_account, make_tenant
from tests.servers.http import ScriptedHttpServer

LOOPBACK = {"ATTACHMENT_NETWORKS": ["127.0.0.0/8"], "WEB_PORTS": None, "ALLOW_PLAIN_HTTP": True}
"""Settings under which files are fetched from servers of the tests."""


@pytest.fixture(scope="package")
def file_server() -> Iterator[ScriptedHttpServer]:
    with ScriptedHttpServer() as server:
        yield server


@pytest.fixture
def files(file_server: ScriptedHttpServer, settings: Any) -> ScriptedHttpServer:
    settings.MAILCONFIG = {**settings.MAILCONFIG, **LOOPBACK}
    file_server.forget()
    shutil.rmtree(Path(storages["default"].path(FOLDER)), ignore_errors=True)
    return file_server


@pytest.fixture
def account() -> Account:
    return make_account(kind=AccountKind.TENANT_CONFIG, tenant=make_tenant(), from_name="Shop")
