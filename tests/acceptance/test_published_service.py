"""The requests that the email service's own documentation publishes, sent to a running demo as they stand there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.servers.children import until
from tests.servers.demo import Demo, running

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One of its own: a demo lets a person test ten connections in a minute, and tests four itself."""
    with running(tmp_path_factory.mktemp("demo") / "var") as started:
        yield started


def test_a_program_sends_a_tenants_mail_and_asks_what_became_of_it(demo: Demo) -> None:
    smtp, tenant = demo.said["smtp"], {"Tenant": demo.said["tenant"]}
    service = urlsplit(demo.said["email_service"]).path
    config = {
        "host": smtp["host"],
        "port": str(smtp["port"]),
        "from": "service@acme.example",
        "user": smtp["username"],
        "password": smtp["password"],
    }
    assert demo.call("POST", f"/auth/realms/{demo.said['tenant']}/mail/setup", config).status == 200
    mail = {"recipient": "program@example.net", "subject": "From a program", "message": "Two\nlines"}

    first, again = (
        demo.call("POST", f"{service}/send-email", mail, **tenant, **{"Request-ID": "order-1"})
        for _ in range(2)
    )

    assert (first.status, set(json.loads(first.body))) == (202, {"message"}), first.body
    assert (again.status, again.headers["Location"]) == (202, first.headers["Location"])
    place = urlsplit(first.headers["Location"]).path
    until(
        lambda: json.loads(demo.call("GET", place, **tenant).body)["state"] == "sent", why="it was not sent"
    )
    arrived = [one for one in demo.inbox() if one["recipients"] == ["program@example.net"]]
    assert [(one["mail_from"], one["text"].split()) for one in arrived] == [
        ("service@acme.example", ["Two", "lines"])
    ]
    assert demo.call("DELETE", place, **tenant).status == 409


def test_a_tenants_connection_is_tried_out(demo: Demo) -> None:
    smtp, tenant = demo.said["smtp"], {"Tenant": demo.said["tenant"]}
    service = urlsplit(demo.said["email_service"]).path
    login = {
        "smtp_host": smtp["host"],
        "smtp_port": str(smtp["port"]),
        "smtp_user": smtp["username"],
        "smtp_pass": smtp["password"],
    }

    valid = demo.call("POST", f"{service}/validate-credentials", login, **tenant)
    assert (valid.status, json.loads(valid.body)["success"]) == (200, True), valid.body
    wrong = demo.call("POST", f"{service}/validate-credentials", login | {"smtp_pass": "wrong"}, **tenant)
    assert (wrong.status, json.loads(wrong.body)["success"]) == (200, False), wrong.body

    mail = {"email": "tried@example.net", "from_name": "Acme", "from_address": "tried@acme.example"}
    sent = demo.call("POST", f"{service}/send-test-email", login | mail, **tenant)
    assert (sent.status, set(json.loads(sent.body))) == (200, {"message"}), sent.body
    assert [one["mail_from"] for one in demo.inbox() if one["recipients"] == ["tried@example.net"]] == [
        "tried@acme.example"
    ]
    refused = demo.call("POST", f"{service}/send-test-email", login | mail | {"smtp_pass": "wrong"}, **tenant)
    said = json.loads(refused.body)
    assert (refused.status, said["code"], said["stage"]) == (422, "auth_failed", "login")
