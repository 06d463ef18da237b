"""The integrators' pages: each call that they show is made by curl, and answered as they say."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from mailconfig.models import OutboundEmail, Scope
from project.inbox.server import MailServer
from tests.documents import document
from tests.factories import make_tenant, make_user
from tests.servers.certificates import Certificates
from tests.servers.web import WebServer

USERNAME, PASSWORD = "foo@example.com", "not-a-real-password"
BLOCK = re.compile(
    r"^```sh\n(?P<call>.*?)^```\n(?:\n```json\n(?P<answer>.*?)^```)?", re.MULTILINE | re.DOTALL
)
ANEW = {
    "id",
    "user_id",
    "createTime",
    "created_at",
    "location",
    "updateTime",
    "mail_smtpserver",
    "mail_smtpport",
    "mail_smtpuser",
    "smtpHost",
    "links",
}
"""What is another one each time."""

pytestmark = [pytest.mark.system("curl"), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def variables(settings: Settings) -> Iterator[dict[str, str]]:
    """What the pages call by name: our web server, Alice's token, and a mail server that takes all encryption."""
    certificates = Certificates()
    settings.MAILCONFIG = {
        **settings.MAILCONFIG,
        "ALLOW_PLAIN_LOGIN": False,
        "CA_FILE": certificates.ca_file,
        "REQUIRE_HTTPS": False,
    }
    alice = make_user("alice", email="alice@acme.example", is_superuser=True)
    make_tenant(slug="acme").members.add(alice)
    listener = socket.create_server(("127.0.0.1", 0))
    server = MailServer(lambda *_: 1, [listener], username=USERNAME, password=PASSWORD, tls=certificates.good)
    server.start()
    port = listener.getsockname()[1]
    OutboundEmail.objects.create(
        scope=Scope.SYSTEM,
        host="127.0.0.1",
        port=port,
        security="tls",
        authentication="password",
        username="system",
    )
    with WebServer() as web:
        yield {
            "URL": f"http://acme.localhost:{web.port}",
            "TOKEN": "token-of-alice",
            "TENANT": "acme",
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(port),
            "SMTP_USER": USERNAME,
            "SMTP_PASSWORD": PASSWORD,
        }
    server.stop()
    listener.close()
    certificates.close()


@pytest.mark.parametrize(
    "page",
    [
        "docs/outbound-email.md",
        "docs/providers.md",
        "docs/tenant-configuration.md",
        "docs/mailboxes.md",
        "docs/mailings.md",
        "docs/email-service.md",
        "docs/opting-out.md",
    ],
)
def test_every_call_of_a_page_is_answered_as_it_says(page: str, variables: dict[str, str]) -> None:
    text = document(page).text
    calls = list(BLOCK.finditer(text))
    assert len(calls) == text.count("```sh") > 2
    for found in calls:
        result = subprocess.run(
            ["bash", "-c", found["call"]],
            env=os.environ | variables | {"no_proxy": "*"},
            capture_output=True,
            text=True,
            check=True,
        )
        if found["answer"] is None:
            assert result.stdout == "", found["call"]
            continue
        answered = json.loads(result.stdout)
        assert comparable(answered) == comparable(json.loads(found["answer"])), found["call"]
        if isinstance(answered, dict) and {"driver", "_module", "created_by"} & set(answered):
            variables["ID"] = str(answered["id"])
        if isinstance(answered, dict) and "location" in answered:
            variables["MAIL"] = answered["location"]
        data = answered.get("data") if isinstance(answered, dict) else None
        if isinstance(data, dict) and data["type"] == "mailbox":
            variables["ID"] = str(data["id"])
        if isinstance(data, dict) and data["type"] == "mailing":
            variables["MAILING"] = str(data["id"])


def comparable(value: Any) -> Any:
    """Without what is another one each time."""
    if isinstance(value, list):
        return [comparable(inner) for inner in value]
    if isinstance(value, dict):
        return {name: None if name in ANEW else comparable(inner) for name, inner in value.items()}
    return value
