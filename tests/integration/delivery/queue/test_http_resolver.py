"""The resolver that asks a service: one request, and anything but a proper answer means that nobody can say for now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest

from mailconfig.delivery.queue.resolving import resolve
from mailconfig.exceptions import ResolverAway, TokenInvalid
from mailconfig.resolvers.http import MOST_BYTES
from tests.servers.http import Asked, Script, ScriptedHttpServer, answer

TOKEN = "NS-EU-A-1"


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedHttpServer]:
    with ScriptedHttpServer() as server:
        yield server


@pytest.fixture
def service(server: ScriptedHttpServer, settings: Any) -> ScriptedHttpServer:
    server.forget()
    settings.MAILCONFIG = {
        **settings.MAILCONFIG,
        "PII_RESOLVER": "mailconfig.resolvers.http.HttpResolver",
        "PII_RESOLVER_URL": server.url("/resolve"),
        "PII_RESOLVER_HEADERS": {"Authorization": "Bearer secret"},
        "WEB_PORTS": None,
        "ALLOW_PLAIN_HTTP": True,
    }
    return server


def values(found: object, **rest: Any) -> bytes:
    return answer(json.dumps({"values": found}).encode(), **rest)


def test_it_asks_once_for_all_tokens_of_a_mail(service: ScriptedHttpServer) -> None:
    known = {TOKEN: "anna@example.net", "NS-EU-B-2": "Grüße", "NS-EU-C-3": "not asked for"}
    service.scripts["/resolve"] = values(known)

    found = resolve("acme", (TOKEN, "NS-EU-B-2"), seconds=5)

    assert found == {TOKEN: "anna@example.net", "NS-EU-B-2": "Grüße"}
    (asked,) = service.asked
    assert (asked.method, asked.headers["authorization"]) == ("POST", "Bearer secret")
    assert asked.headers["content-type"] == "application/json"
    assert json.loads(asked.body) == {"tenant": "acme", "tokens": [TOKEN, "NS-EU-B-2"]}


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ({}, "token_unknown"),
        ({TOKEN: None}, "token_unknown"),
        ({TOKEN: 5}, "token_invalid"),
        ({TOKEN: ["a@b.example"]}, "token_invalid"),
        ({TOKEN: "x" * (256 * 1024 + 1)}, "token_invalid"),
        ({TOKEN: "x" * (MOST_BYTES + 1)}, "token_invalid"),
    ],
    ids=["unknown", "null", "number", "list", "long", "longer than an answer"],
)
def test_what_it_does_not_know_or_cannot_be_is_said_for_good(
    service: ScriptedHttpServer, found: object, code: str
) -> None:
    service.scripts["/resolve"] = values(found)
    with pytest.raises(TokenInvalid) as caught:
        resolve("acme", (TOKEN,), seconds=5)
    assert caught.value.code == code


def moved(_asked: Asked) -> bytes:
    return answer(status="302 Found", fields="Location: http://127.0.0.1/\r\n")


AWAY: dict[str, Script] = {
    "404": answer(b"no", status="404 Not Found"),
    "401": answer(b"no", status="401 Unauthorized"),
    "503": answer(b"no", status="503 Service Unavailable"),
    "redirect": moved,
    "no JSON": answer(b"<html>anna@example.net"),
    "another form": answer(b'{"anna@example.net": 1}'),
    "a list": answer(b'{"values": ["anna@example.net"]}'),
    "nested": answer(b"[" * 100_000),
    "cut off": answer(b'{"values"', length=500),
    "no HTTP": b"220 smtp.example.net ESMTP\r\n",
    "compressed": values({TOKEN: "anna@example.net"}, fields="Content-Encoding: gzip\r\n"),
}


@pytest.mark.parametrize("name", AWAY)
def test_any_other_answer_means_that_nobody_can_say(
    service: ScriptedHttpServer, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    service.scripts["/resolve"] = AWAY[name]
    with pytest.raises(ResolverAway) as caught:
        resolve("acme", (TOKEN,), seconds=5)
    assert caught.value.__cause__ is None
    assert "anna" not in caplog.text
    assert "secret" not in caplog.text


def test_a_slow_service_is_waited_for_no_longer_than_its_time(service: ScriptedHttpServer) -> None:
    def trickle(_asked: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n"
        while True:
            yield b" "

    service.scripts["/resolve"] = trickle
    began = monotonic()
    with pytest.raises((ResolverAway, TokenInvalid)):
        resolve("acme", (TOKEN,), seconds=0.3)
    assert monotonic() - began < 5


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://10.255.255.1/", "ftp://x.example/", ""])
def test_a_service_that_may_not_be_asked_is_away(
    service: ScriptedHttpServer, settings: Any, url: str
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "PII_RESOLVER_URL": url}
    with pytest.raises(ResolverAway):
        resolve("acme", (TOKEN,), seconds=2)
    assert service.asked == []


def test_a_tenant_that_is_gone_has_no_tokens(service: ScriptedHttpServer) -> None:
    with pytest.raises(TokenInvalid) as caught:
        resolve("", (TOKEN,), seconds=2)
    assert caught.value.code == "token_unknown"
    assert service.asked == []
