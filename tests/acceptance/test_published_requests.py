"""The requests that the surfaces' own documentation publishes, sent to a running demo as they stand there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers.demo import Demo, running

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One of its own: a demo lets a person test ten connections in a minute, and tests four itself."""
    with running(tmp_path_factory.mktemp("demo") / "var") as started:
        yield started


def provider(demo: Demo, encryption: str) -> dict[str, Any]:
    smtp = demo.said["smtp"]
    return {
        "driver": "smtp",
        "host": smtp["host"],
        "port": smtp["port"],
        "username": smtp["username"],
        "password": smtp["password"],
        "sendFrom": "user@example.com",
        "sendFromName": "Company name",
        "encryption": encryption,
        "isEnabled": 1,
        "caption": "My SMTP connection",
    }


@pytest.mark.parametrize("encryption", ["ssl", "tls"])
def test_a_provider_is_configured_listed_validated_updated_and_deleted(demo: Demo, encryption: str) -> None:
    made = demo.call("POST", "/api/v2/mail/providers", provider(demo, encryption))
    assert made.status == 201, made.body
    shown = json.loads(made.body)
    assert (shown["isEnabled"], shown["hasPassword"], shown["encryption"]) == (True, True, encryption)
    place = f"/api/v2/mail/providers/{shown['id']}"

    listed = demo.call("GET", "/api/v2/mail/providers?limit=10&offset=0", **{"accept-language": "ja"})
    assert (listed.status, listed.headers["Content-Language"]) == (200, "ja")
    assert [one["id"] for one in json.loads(listed.body)] == [shown["id"]]
    assert json.loads(demo.call("GET", place).body) == shown

    status = demo.call("GET", f"{place}/status")
    assert (status.status, status.body) == (204, b"")

    changed = demo.call("PATCH", place, provider(demo, encryption) | {"caption": "Another"})
    assert (changed.status, json.loads(changed.body)["caption"]) == (200, "Another")
    deleted = demo.call("DELETE", place)
    assert (deleted.status, deleted.body) == (204, b"")


def test_a_provider_with_a_wrong_password_is_told_at_the_password(demo: Demo) -> None:
    wrong = provider(demo, "tls") | {"password": "wrong"}
    place = (
        f"/api/v2/mail/providers/{json.loads(demo.call('POST', '/api/v2/mail/providers', wrong).body)['id']}"
    )
    status = demo.call("GET", f"{place}/status")
    said = json.loads(status.body)
    assert (status.status, said["code"], said["stage"]) == (422, "auth_failed", "login")
    assert set(said["errors"]) == {"password"}
    assert demo.call("DELETE", place).status == 204


@pytest.mark.parametrize("by_host", [True, False])
def test_a_tenant_configures_its_mail_and_gets_a_test_mail(demo: Demo, by_host: bool) -> None:
    smtp, tenant = demo.said["smtp"], demo.said["tenant"]
    body = {
        "replyToDisplayName": "Receiver",
        "starttls": "true",
        "port": str(smtp["port"]),
        "host": smtp["host"],
        "replyTo": "reply@acme.example",
        "from": "from@acme.example",
        "fromDisplayName": "From KC Test team",
        "envelopeFrom": "",
        "ssl": "false",
        "user": smtp["username"],
        "password": smtp["password"],
    }
    host = f"{tenant}.localhost" if by_host else ""
    prefix, save = ("/digitanium/v4/mail", "config") if by_host else (f"/auth/realms/{tenant}/mail", "setup")
    saved = demo.call("POST", f"{prefix}/{save}", body, host=host)
    assert saved.status == 200, saved.body
    assert json.loads(saved.body) == {
        "message": "Successfully updated SMTP Details",
        "status": "OK",
        "subSystem": 8,
    }
    before = len(demo.inbox())
    tested = demo.call("POST", f"{prefix}/test", {"mailType": "TEST"}, host=host)
    assert (tested.status, json.loads(tested.body)) == (
        200,
        {"message": "Mail Sent Successfully to the user", "status": "OK", "subSystem": 8},
    )
    arrived = [mail for mail in demo.inbox()[before:] if mail["recipients"] == ["admin@acme.example"]]
    assert [mail["mail_from"] for mail in arrived] == ["from@acme.example"]
    assert "From KC Test team" in arrived[0]["headers"]["From"]
    assert arrived[0]["headers"]["Reply-To"] == "Receiver <reply@acme.example>"


def test_a_tenants_configuration_needs_host_and_from(demo: Demo) -> None:
    answer = demo.call("POST", f"/auth/realms/{demo.said['tenant']}/mail/setup", {"host": "", "from": ""})
    assert (answer.status, json.loads(answer.body)) == (
        400,
        {
            "message": "Host and From is mandatory to update Email Configuration.",
            "status": "BAD_REQUEST",
            "subSystem": 8,
        },
    )
    nobody = demo.request("POST", f"/auth/realms/{demo.said['tenant']}/mail/setup", {})
    assert (nobody.status, json.loads(nobody.body)) == (
        401,
        {"message": "HTTP 401 Unauthorized", "status": "Unauthorized", "subSystem": 8},
    )
