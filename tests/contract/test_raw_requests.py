"""Requests octet by octet, as no client library writes them, at a real web server."""

from __future__ import annotations

import contextlib
import re
import socket

import pytest
from waitress.adjustments import Adjustments

from tests.bearer import PREFIX
from tests.contract.surface import Surface
from tests.contract.world import World, as_json, digest
from tests.servers.chaos import ChaosServer
from tests.servers.web import WebServer

pytestmark = pytest.mark.django_db(transaction=True)

SECONDS = 60.0
"""After which an answer has not come. A machine may be busy: what must not be waited for is the server's own time-out
of connections that say nothing, and that is longer."""
EIGHT_KB = b"x" * 8192


@pytest.fixture
def world(transactional_db: None, surface: Surface, server: ChaosServer) -> World:
    """Committed, for the web server has a connection of its own."""
    return World(surface, server.port)


@pytest.fixture(autouse=True)
def over_http(settings: object, deployment: None) -> None:
    """The web server has no TLS."""
    settings.MAILCONFIG = {**settings.MAILCONFIG, "REQUIRE_HTTPS": False}  # type: ignore[attr-defined]


class Wire:
    """A connection for each request: its lines, joined, and what came back."""

    def __init__(self, world: World, port: int) -> None:
        self.world, self.port = world, port
        places = world.places()
        self.create = world.surface.create.path(places).encode()
        headers = world.surface.headers_at(places)
        self.host = headers.pop("host").encode()
        self.further = [f"{name}: {text}".encode() for name, text in headers.items()]
        self.login = f"Authorization: Bearer {PREFIX}keeper".encode()
        self.body = as_json(world.surface.document(world.surface.create, world.valid(), places))
        self.type = f"Content-Type: {world.surface.media_type}".encode()

    def post(self, *lines: bytes, body: bytes = b"", target: bytes = b"", plain: bool = True) -> bytes:
        """A POST with these lines and, if ``plain``, with host, token and content type."""
        usual = [b"Host: " + self.host, self.login, self.type] if plain else []
        first = b"POST " + (target or self.create) + b" HTTP/1.1"
        head = [first, *usual, *self.further, *lines, b"Connection: close"]
        return b"\r\n".join([*head, b"", b""]) + body

    def talk(self, *pieces: bytes) -> bytes:
        """Write and read to the end; empty: the server hung up."""
        answer = b""
        client = socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)
        with client, contextlib.suppress(ConnectionError):
            for piece in pieces:
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
            while part := client.recv(65536):
                answer += part
        return answer


def status_of(answer: bytes) -> int:
    """Of the last answer; 0: there is none."""
    found = re.findall(rb"^HTTP/1\.[01] (\d{3})", answer, re.MULTILINE)
    return int(found[-1]) if found else 0


def misframed(wire: Wire) -> dict[str, tuple[bytes, set[int]]]:
    """Bodies whose type, length or end is not what it seems. 0: the connection is closed."""
    body, post = wire.body, wire.post
    length = b"Content-Length: %d" % len(body)
    plain = (b"Host: " + wire.host, wire.login)
    return {
        "gzip": (post(length, b"Content-Encoding: gzip", body=body), {415}),
        "two content types": (post(length, b"Content-Type: text/plain", body=body), {400, 415}),
        "the same content type twice": (
            post(length, wire.type, body=body),
            {400, 415},
        ),
        "a bogus charset": (
            post(*plain, wire.type + b"; charset=bogus", length, body=body, plain=False),
            {400, 415},
        ),
        "a NUL in the charset": (
            post(*plain, wire.type + b"; charset=a\0b", length, body=body, plain=False),
            {0, 400, 415},
        ),
        "no content type": (post(*plain, length, body=body, plain=False), {415}),
        "no length": (post(), {400, 411, 422}),
        "a truncated body": (post(b"Content-Length: %d" % (len(body) + 10), body=body), {0, 400, 408}),
        "a length that is none": (post(b"Content-Length: abc", body=body), {400}),
        "a negative length": (post(b"Content-Length: -1", body=body), {400}),
        "two lengths": (post(length, b"Content-Length: 1", body=body), {400}),
        "chunked and a length": (post(length, b"Transfer-Encoding: chunked", body=body), {0, 400}),
        "a chunk that is none": (post(b"Transfer-Encoding: chunked", body=b"xyz\r\n" + body), {400}),
        "an unknown transfer encoding": (post(b"Transfer-Encoding: gzip", body=body), {400, 411, 501}),
    }


def nonsense(wire: Wire) -> dict[str, tuple[bytes, set[int]]]:
    """What says something else than it seems to, or nothing."""
    body, post = wire.body, wire.post
    length = b"Content-Length: %d" % len(body)
    plain = (b"Host: " + wire.host, wire.login)
    return {
        "a huge header": (
            post(length, *[b"X-%d: %s" % (n, EIGHT_KB) for n in range(40)], body=body),
            {400, 431},
        ),
        "a token of 8 KB": (
            post(
                plain[0],
                b"Authorization: Bearer " + EIGHT_KB,
                wire.type,
                length,
                body=body,
                plain=False,
            ),
            {401},
        ),
        "a token that is no text": (
            post(
                plain[0],
                b"Authorization: Bearer \xff\xfe",
                wire.type,
                length,
                body=body,
                plain=False,
            ),
            {401},
        ),
        "a token with a NUL": (
            post(
                plain[0],
                wire.login + b"\0",
                wire.type,
                length,
                body=body,
                plain=False,
            ),
            {0, 400, 401},
        ),
        "invalid UTF-8 in the path": (post(length, body=body, target=wire.create + b"/%ff%fe"), {404, 405}),
        "octets in the path": (post(length, body=body, target=wire.create + b"/\xff\xfe"), {400, 404, 405}),
        "a NUL in the path": (post(length, body=body, target=wire.create + b"/%00"), {404, 405}),
        "CRLF in the path": (post(length, body=body, target=wire.create + b"/%0d%0aX-Evil:%201"), {404, 405}),
        "a space in the path": (post(length, body=body, target=wire.create + b" /x"), {400, 404}),
        "a host that is none": (
            post(
                b"Host: evil test",
                *plain[1:],
                wire.type,
                length,
                body=body,
                plain=False,
            ),
            {400, 404},
        ),
        "a host that is not ours": (
            post(
                b"Host: evil.test",
                *plain[1:],
                wire.type,
                length,
                body=body,
                plain=False,
            ),
            {400, 404},
        ),
        "half a host": (
            post(b"Host: [::1", *plain[1:], wire.type, length, body=body, plain=False),
            {400, 404},
        ),
        "a line break in a header": (
            post(length, b"X-A: a\nX-B: b\rX-C: c", body=body[:-1]),
            {0, 400, 408, 415, 422},
        ),
        "a folded header": (post(length, b"X-A: a", b" folded", body=body[:-1]), {0, 400, 408, 431}),
        "no colon": (post(length, b"nonsense", body=body[:-1]), {0, 400, 408}),
        "5 MB": (post(b"Content-Length: 5000000", body=b'{"x": "' + b"a" * 4_999_991 + b'"}'), {413}),
        "JSON outside UTF-8": (post(b"Content-Length: 10", body=b'{"x": "\xff"}'[:10]), {400}),
        "no HTTP": (b"nonsense\r\n\r\n", {0, 400, 404}),
        "HTTP/0.9": (b"GET " + wire.create + b"\r\n\r\n", {0, 400, 401, 404, 405}),
        "HTTP/9.9": (post(length, body=body[:-1]).replace(b"HTTP/1.1", b"HTTP/9.9"), {0, 400, 408, 505}),
        "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64, {0, 400}),
        "an override of the method": (
            post(b"X-HTTP-Method-Override: DELETE", b"Content-Length: 2", body=b"{}"),
            {400, 422},
        ),
    }


def test_what_no_client_should_write_is_refused(world: World, server: ChaosServer) -> None:
    failures = []
    before = digest()
    assert Adjustments().channel_timeout > SECONDS
    with WebServer() as web:
        wire = Wire(world, web.port)
        for name, (octets, expected) in {**misframed(wire), **nonsense(wire)}.items():
            answer = wire.talk(octets)
            status = status_of(answer)
            if status not in expected:
                failures.append(f"{name}: {status} {answer[:300]!r}")
            if (
                b"kanarienvogel" in answer
                or b"Traceback" in answer
                or b"X-Evil" in answer.split(b"\r\n\r\n")[0]
            ):
                failures.append(f"{name}: {answer[:600]!r}")
        if digest() != before:
            failures.append("something was stored")
    assert not failures, "\n".join(failures)
    assert not server.sessions


def test_unusual_requests_that_are_right_are_answered(world: World) -> None:
    """In chunks, with Expect, in one piece or octet by octet, with long header fields nobody knows."""
    with WebServer() as web:
        wire = Wire(world, web.port)
        body = wire.body
        length = b"Content-Length: %d" % len(body)
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:])) + b"0\r\n\r\n"
        usual = {
            "chunked": [wire.post(b"Transfer-Encoding: chunked", body=chunks)],
            "Expect": [wire.post(length, b"Expect: 100-continue"), body],
            "8 KB of header": [wire.post(length, b"X-Unknown: " + EIGHT_KB, body=body)],
            "in many pieces": [bytes([octet]) for octet in wire.post(length, body=body)],
        }
        for name, pieces in usual.items():
            status = status_of(wire.talk(*pieces))
            assert status in {200, 201} or (name == "chunked" and status == 411), name
