"""Connections that are kept over several requests, and the adapter by which the requests library uses them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import requests

from mailconfig.exceptions import (
    AnswerEncoded,
    AnswerTooLarge,
    ProtocolError,
    SessionLost,
    TLSFailed,
    UrlNotAllowed,
)
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.http import HttpRequest, send_request
from mailconfig.transports.http.adapter import GateAdapter
from mailconfig.transports.http.kept import KeptConnection
from mailconfig.transports.network.deadline import Deadline
from tests.servers.certificates import Certificates
from tests.servers.http import ScriptedHttpServer, answer

MOST = 1000
LYING = b"HTTP/1.1 202 Accepted\r\nContent-Length: 50\r\n\r\nshort"


@contextmanager
def session(surroundings: Surroundings, **rest: Any) -> Iterator[tuple[requests.Session, GateAdapter]]:
    adapter = GateAdapter(surroundings, most_bytes=MOST, **rest)
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        yield session, adapter


@pytest.mark.parametrize(
    ("fields", "connections"),
    [("", 1), ("Connection: close\r\n", 3), ("Keep-Alive: timeout=5\r\n", 1)],
    ids=["kept", "closed", "hint"],
)
def test_a_connection_is_kept_if_the_server_keeps_it(
    server: ScriptedHttpServer, surroundings: Surroundings, fields: str, connections: int
) -> None:
    server.keeps = "close" not in fields
    server.scripts["/"] = answer(b"hello", fields=fields)

    with session(surroundings) as (web, adapter):
        found = [web.post(server.url(), json={"number": number}, timeout=1) for number in range(3)]

    assert [(each.status_code, each.text) for each in found] == [(200, "hello")] * 3
    assert [asked.body for asked in server.asked] == [b'{"number": 0}', b'{"number": 1}', b'{"number": 2}']
    assert (server.connections, adapter.requests_sent) == (connections, 3)
    assert "connection" not in server.asked[0].headers
    assert server.asked[0].headers["accept-encoding"] == "identity"


def test_what_the_server_closed_or_says_unasked_is_not_used_again(
    server: ScriptedHttpServer, surroundings: Surroundings
) -> None:
    server.scripts["/unasked"] = answer(b"hello") + answer(b"of another")
    server.scripts["/closes"] = answer(b"hello")  # and does not say so
    connection = KeptConnection(surroundings, most_bytes=MOST)

    bodies = []
    for path in ("/unasked", "/closes", "/closes"):
        bodies.append(connection.send(HttpRequest(url=server.url(path))).body)
        wait_until_closed(connection)

    connection.close()
    assert bodies == [b"hello"] * 3
    assert server.connections == 3


def test_a_connection_that_ends_before_the_first_byte_is_opened_anew_and_nothing_is_in_doubt(
    server: ScriptedHttpServer, surroundings: Surroundings
) -> None:
    server.keeps = True
    server.scripts["/"] = answer(b"hello")
    connection = KeptConnection(surroundings, most_bytes=MOST)
    connection.send(HttpRequest(url=server.url()))
    assert connection._stream is not None
    connection._stream._buffer += b"\r\n"  # came unasked: not even an empty line is part of the next answer
    connection.send(HttpRequest(url=server.url()))

    def server_closes() -> None:
        for sock in list(server._open):
            sock.shutdown(socket.SHUT_RDWR)
        wait_until_closed(connection)

    wanted = HttpRequest(method="POST", url=server.url(), body=b"mail")
    found = connection.send(wanted, before_sending=server_closes)

    connection.close()
    assert (found.body, [asked.body for asked in server.asked]) == (b"hello", [b"", b"", b"mail"])
    assert server.connections == 3


def wait_until_closed(connection: KeptConnection) -> None:
    """What the server said last, its end, has come: as a look at the socket shows without taking it."""
    if connection._stream is not None:
        sock = connection._stream.sock
        sock.settimeout(20)
        assert sock.recv(1, socket.MSG_PEEK) == b""


def test_another_server_is_another_connection_and_nothing_is_taken_along(
    server: ScriptedHttpServer, surroundings: Surroundings
) -> None:
    server.keeps = True
    server.scripts["/"] = answer(fields="Set-Cookie: a=b; Path=/\r\n")
    with ScriptedHttpServer() as other, session(surroundings) as (web, adapter):
        other.scripts["/"] = answer()
        for url in (server.url(), other.url(), server.url()):
            web.get(url, timeout=1)
        assert adapter.requests_sent == 3

    assert (server.connections, other.connections) == (2, 1)
    assert not any("cookie" in asked.headers for asked in (*server.asked, *other.asked))


def test_no_redirect_no_proxy_no_password_file_and_no_switch_of_certificates_is_followed(
    server: ScriptedHttpServer,
    secure_server: ScriptedHttpServer,
    surroundings: Surroundings,
    monkeypatch: pytest.MonkeyPatch,
    certificates: Certificates,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1/")
    server.scripts["/"] = answer(status="302 Found", fields="Location: /elsewhere\r\n")
    with session(surroundings) as (web, _adapter):
        found = web.get(server.url(), proxies={"http": "http://127.0.0.1:1/"}, timeout=1)
        assert (found.status_code, found.headers["location"], found.is_redirect) == (302, "/elsewhere", False)
        assert [asked.target for asked in server.asked] == ["/"]

        untrusting = replace(surroundings, policy=replace(surroundings.policy, ca_file=None))
    with session(untrusting) as (web, _adapter), pytest.raises(TLSFailed):
        web.get(secure_server.url(), verify=False, timeout=1)
    secure_only = replace(surroundings, policy=replace(surroundings.policy, allow_plain_http=False))
    with session(secure_only) as (web, _adapter), pytest.raises(UrlNotAllowed):
        web.get(server.url(), timeout=1)


def broken_off(asked: object) -> bytes:
    return b""


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (broken_off, SessionLost),
        (LYING, SessionLost),
        (b"SSH-2.0-nonsense\r\n\r\n", ProtocolError),
        (answer(b"x" * (MOST + 1), status="202 Accepted"), AnswerTooLarge),
        (answer(b"x", status="202 Accepted", fields="Content-Encoding: gzip\r\n"), AnswerEncoded),
    ],
    ids=["no answer", "lying length", "no HTTP", "too large", "compressed"],
)
def test_what_breaks_once_the_body_began_is_in_doubt_unless_nothing_was_to_change(
    server: ScriptedHttpServer, surroundings: Surroundings, script: Any, error: type[Exception]
) -> None:
    server.scripts["/"] = script
    with session(surroundings) as (web, _adapter):
        for ask, in_doubt in ((web.post, True), (web.get, False)):
            with pytest.raises(error) as caught:
                ask(server.url(), data=b"body", timeout=1)
            assert caught.value.ambiguous is in_doubt  # type: ignore[attr-defined]


def test_a_refusal_whose_body_breaks_is_not_in_doubt(
    server: ScriptedHttpServer, surroundings: Surroundings
) -> None:
    server.scripts["/"] = LYING.replace(b"202 Accepted", b"401 Unauthorized")

    with pytest.raises(SessionLost) as caught:
        send_request(HttpRequest(method="POST", url=server.url(), body=b"x"), surroundings, most_bytes=MOST)

    assert not caught.value.ambiguous


def test_what_ends_before_the_body_is_not_in_doubt(
    server: ScriptedHttpServer, surroundings: Surroundings
) -> None:
    class Forbidden(Exception):
        pass

    def forbid() -> None:
        raise Forbidden

    with session(surroundings, before_sending=forbid) as (web, adapter):
        with pytest.raises(Forbidden):
            web.post(server.url(), data=b"body", timeout=1)
        assert (server.asked, adapter.requests_sent) == ([], 0)

        adapter.before_sending, adapter.deadline = None, Deadline(0)
        with pytest.raises(SessionLost) as caught:
            web.post(server.url(), data=b"body", timeout=1)
    assert not caught.value.ambiguous
    assert server.asked == []


def test_a_body_that_cannot_be_written_is_refused(
    server: ScriptedHttpServer, surroundings: Surroundings
) -> None:
    with session(surroundings) as (web, _adapter):
        with pytest.raises(ValueError, match="only bytes and text"):
            web.post(server.url(), data=iter([b"a", b"b"]), timeout=1)
        web.post(server.url(), data="grüße".encode(), headers={"X-Bytes": b"a"}, timeout=1)
    assert (server.asked[0].body.decode(), server.asked[0].headers["x-bytes"]) == ("grüße", "a")
