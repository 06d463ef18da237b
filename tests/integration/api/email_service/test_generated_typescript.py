"""A client in TypeScript, made of the document that is served by a generator from npm: a second one beside that in Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from mailconfig.models import Message, MessageState, TenantMailConfig
from tests.bearer import PREFIX as BEARER
from tests.integration.api.email_service.calls import LOGIN, PASSWORD, PREFIX
from tests.servers.chaos import ChaosServer
from tests.servers.real import NPM

PROGRAMS = NPM / "node_modules/.bin"
STRICT = ("--strict", "--target", "es2022", "--module", "commonjs", "--lib", "es2022,dom")

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.system("node"),
    pytest.mark.skipif(
        not (PROGRAMS / "openapi").exists() or not (PROGRAMS / "tsc").exists(),
        reason="needs what make server-packages installs by npm",
    ),
]


def run(folder: Path, *command: str | Path) -> str:
    """What a program of node printed; it went well."""
    ran = subprocess.run(
        ["node", *map(str, command)],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "NO_PROXY": "127.0.0.1,localhost"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that uses the generated client; the compiler, being strict, has nothing to say against either."""
    folder = tmp_path_factory.mktemp("typescript")
    (folder / "openapi.json").write_bytes(Client().get(f"{PREFIX}/openapi.json").content)
    run(
        folder,
        PROGRAMS / "openapi",
        "--input",
        "openapi.json",
        "--output",
        "client",
        "--client",
        "fetch",
        "--useOptions",
    )
    shutil.copy(NPM / "email-service.ts", folder)
    run(folder, PROGRAMS / "tsc", *STRICT, "--outDir", "compiled", "email-service.ts")
    return folder / "compiled/email-service.js"


def test_a_generated_client_does_what_the_email_service_offers(
    program: Path,
    live_server: LiveServer,
    config: TenantMailConfig,
    server: ChaosServer,
    alice: User,
    settings: Settings,
) -> None:
    given = {
        "root": f"{live_server.url}{PREFIX}",
        "token": f"{BEARER}{alice.get_username()}",
        "tenant": "acme",
        "login": {"smtp_host": "127.0.0.1", "smtp_port": str(server.port), "smtp_user": LOGIN},
        "passwords": [PASSWORD, "wrong"],
    }

    seen = json.loads(run(program.parent, program, json.dumps(given)))

    assert seen == {
        "messages": 1,
        "places": 1,
        "other": 409,
        "id": True,
        "waiting": True,
        "cancelled": True,
        "gone": 404,
        "malformed": 400,
        "tried": [True, False],
        "hosts": [urlsplit(live_server.url).netloc],
    }
    assert [message.state for message in Message.objects.all()] == [MessageState.CANCELLED]
    assert server.messages == []
