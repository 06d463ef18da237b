"""The requests of the original document, sent by curl as they stand there."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User

from mailconfig.models import SMTPProvider
from tests.integration.api.calls import make_provider
from tests.integration.api.conftest import permit
from tests.servers.chaos import ChaosServer
from tests.servers.web import WebServer

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not shutil.which("curl"), reason="needs curl"),
]

LIST = """curl --location --request GET 'https://host.name/api/v2/mail/providers?limit=10&offset=0' \\
--header 'Authorization: Bearer <token>' \\
--header 'accept-language: ja'"""
READ = """curl --location --request GET 'https://host.name/api/v2/mail/providers/1' \\
--header 'Authorization: Bearer <token>'"""
STATUS = """curl --location --request GET 'https://host.name/api/v2/mail/providers/1/status' \\
--header 'Authorization: Bearer <token>'"""
DATA = """--data-raw '{
  "caption": "My SMTP connection",
  "driver": "smtp",
  "host": "host.example.com",
  "port": 25,
  "username": "User",
  "password": "Password",
  "sendFrom": "user@example.com",
  "sendFromName": "Company name",
  "encryption": "ssl",
  "isEnabled": 1
}'"""
CREATE = f"""curl --location --request POST 'https://host.name/api/v2/mail/providers' \\
--header 'Authorization: Bearer <token>' \\
{DATA}"""
UPDATE = f"""curl --location --request PATCH 'https://host.name/api/v2/mail/providers/1' \\
--header 'Authorization: Bearer <token>' \\
{DATA}"""
DELETE = """curl --location --request DELETE 'https://host.name/api/v2/mail/providers/1' \\
--header 'Authorization: Bearer <token>'"""


@pytest.fixture
def web(alice: User) -> Iterator[WebServer]:
    """The tests' project behind a web server."""
    with WebServer() as server:
        yield server


def send(web: WebServer, command: str, *, key: int = 1) -> tuple[int, str]:
    """The status and body that curl gets; only host, token and number are put in."""
    command = command.replace("https://host.name", f"http://127.0.0.1:{web.port}")
    command = command.replace("<token>", "token-of-alice").replace("providers/1", f"providers/{key}")
    arguments = shlex.split(command.replace("\\\n", " "))
    result = subprocess.run(
        [*arguments, "--silent", "--noproxy", "*", "--max-time", "30", "--write-out", "\n%{http_code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    body, _, status = result.stdout.rpartition("\n")
    return int(status), body


ANSWER = {
    "caption": "My SMTP connection",
    "driver": "smtp",
    "host": "host.example.com",
    "port": 25,
    "username": "User",
    "sendFrom": "user@example.com",
    "sendFromName": "Company name",
    "encryption": "ssl",
    "isEnabled": True,
    "hasPassword": True,
}


def test_a_provider_is_made_though_curl_calls_json_a_form(web: WebServer) -> None:
    status, body = send(web, CREATE)

    assert status == 201
    made = json.loads(body)
    assert {name: made[name] for name in ANSWER} == ANSWER


def test_the_document_asks_by_get_where_it_means_post_and_that_lists(web: WebServer) -> None:
    make_provider()

    status, body = send(web, CREATE.replace("POST", "GET"))

    assert (status, len(json.loads(body))) == (200, 1)
    assert SMTPProvider.objects.count() == 1


def test_a_provider_is_changed(web: WebServer) -> None:
    status, body = send(web, UPDATE, key=make_provider().pk)

    assert status == 200
    assert json.loads(body).items() >= ANSWER.items()


def test_providers_are_listed_and_read(web: WebServer) -> None:
    provider = make_provider()

    status, listed = send(web, LIST)
    assert (status, [item["id"] for item in json.loads(listed)]) == (200, [provider.pk])
    status, read = send(web, READ, key=provider.pk)
    assert (status, json.loads(read)) == (200, json.loads(listed)[0])


def test_a_connection_that_works_has_no_body(web: WebServer, server: ChaosServer) -> None:
    assert send(web, STATUS, key=make_provider(port=server.port).pk) == (204, "")


def test_a_provider_is_deleted_without_a_body(web: WebServer) -> None:
    assert send(web, DELETE, key=make_provider().pk) == (204, "")


def test_a_real_form_is_no_json(web: WebServer, alice: User) -> None:
    status, body = send(
        web, CREATE.split("--data-raw", maxsplit=1)[0] + "--data-urlencode 'host=x' --data 'port=25'"
    )

    assert (status, list(json.loads(body))) == (415, ["message"])


def test_who_reads_only_may_not_write(web: WebServer, bob: User) -> None:
    permit(bob, "view_smtpprovider")

    assert send(web, CREATE.replace("<token>", "token-of-bob"))[0] == 403
