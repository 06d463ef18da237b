"""The HTTP client: requests as they go out, answers as they come, and servers that mean no good."""

from __future__ import annotations

import gzip
import itertools
import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest

from mailconfig.exceptions import (
    AnswerEncoded,
    AnswerTooLarge,
    ConnectionFailed,
    ProtocolError,
    SessionLost,
    TLSFailed,
    TransportError,
    UrlNotAllowed,
)
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.http import HttpAnswer, HttpRequest, open_request, send_request
from mailconfig.transports.network.deadline import Deadline
from mailconfig.values import ErrorCode, NetworkPolicy, Stage, Timeouts
from tests.servers.certificates import Certificates
from tests.servers.http import Script, ScriptedHttpServer, answer

MOST = 1000
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def get(url: str, surroundings: Surroundings, *, most_bytes: int = MOST, **rest: Any) -> HttpAnswer:
    return send_request(HttpRequest(url=url), surroundings, most_bytes=most_bytes, **rest)


def trickled(data: bytes) -> Iterator[bytes]:
    return (data[place : place + 1] for place in range(len(data)))


@pytest.mark.parametrize(
    ("script", "body"),
    [
        (answer(b"hello"), b"hello"),
        (answer(), b""),
        (answer(b"x" * MOST), b"x" * MOST),
        (HEAD + b"\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200\r\n\r\nold", b"old"),
        (CHUNKED + b"5\r\nhello\r\n1;ext=x\r\n!\r\n0\r\nTrailer: x\r\n\r\n", b"hello!"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 8 + answer(b"hello"), b"hello"),
        (answer(b"hello", fields="Content-Encoding: identity\r\n"), b"hello"),
        (answer(b"hello") + b"HTTP/1.1 200 OK\r\n\r\nmore that nobody asked for", b"hello"),
        (list(trickled(answer(b"hello"))), b"hello"),
    ],
    ids=[
        "usual",
        "empty",
        "longest",
        "to the end",
        "1.0",
        "chunks",
        "interim",
        "identity",
        "two",
        "in pieces",
    ],
)
def test_an_answer_is_read_to_its_end(
    server: ScriptedHttpServer, surroundings: Surroundings, script: Script, body: bytes
) -> None:
    server.scripts["/"] = script

    found = get(server.url(), surroundings)

    assert (found.status, found.body) == (200, body)


def test_an_answer_by_tls_is_read_to_its_end(
    secure_server: ScriptedHttpServer, surroundings: Surroundings
) -> None:
    secure_server.scripts["/"] = HEAD + b"\r\nuntil the end"

    assert get(secure_server.url(host="localhost"), surroundings).body == b"until the end"


def test_a_body_that_tls_does_not_end_was_cut(
    secure_server: ScriptedHttpServer, surroundings: Surroundings
) -> None:
    secure_server.scripts["/"] = HEAD + b"\r\nuntil the"
    secure_server.says_goodbye = False

    with pytest.raises(SessionLost):
        get(secure_server.url(), surroundings)


def test_a_request_says_what_it_is_and_asks_for_nothing_compressed(
    server: ScriptedHttpServer, surroundings: Surroundings
) -> None:
    server.scripts["/token"] = answer(
        b"{}", status="400 Bad Request", fields="Retry-After: 7\r\nX: 1\r\nX: 2\r\n"
    )
    request = HttpRequest(
        method="POST",
        url=server.url("/token?a=b"),
        headers=(("Content-Type", "application/json"), ("Authorization", "Bearer canary")),
        body=b'{"secret": "canary"}',
    )

    found = send_request(request, surroundings, most_bytes=MOST)

    assert (found.status, found.headers.get("RETRY-AFTER"), found.headers.get("none")) == (400, "7", "")
    assert found.headers.get_all("x") == ("1", "2")
    (asked,) = server.asked
    assert (asked.method, asked.target, asked.body) == ("POST", "/token?a=b", request.body)
    assert asked.headers.pop("user-agent").startswith("mailconfig/")
    assert asked.headers == {
        "host": f"127.0.0.1:{server.port}",
        "content-type": "application/json",
        "authorization": "Bearer canary",
        "accept": "*/*",
        "accept-encoding": "identity",
        "connection": "close",
        "content-length": "20",
    }
    assert "canary" not in f"{request!r}{found!r}"


@pytest.mark.parametrize(
    "pair",
    [("Host", "evil.test"), ("transfer-encoding", "chunked"), ("X", "canary\r\nY: z"), ("X\n", "canary"), ("X", "canary\u2028")],
)  # fmt: skip
def test_a_field_that_is_not_the_callers_or_cannot_be_written_is_refused_unseen(
    server: ScriptedHttpServer, surroundings: Surroundings, pair: tuple[str, str]
) -> None:
    request = HttpRequest(url=server.url(), headers=(pair,))
    with pytest.raises(ValueError, match="field") as caught:
        send_request(request, surroundings, most_bytes=MOST)
    assert "canary" not in str(caught.value)
    assert server.connections == 0


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "307 Temporary Redirect", "404 Not Found", "503 Away"]
)
def test_no_redirect_is_followed_and_no_status_is_an_error(
    server: ScriptedHttpServer, surroundings: Surroundings, status: str
) -> None:
    server.scripts["/"] = answer(b"", status=status, fields="Location: /elsewhere\r\n")

    found = get(server.url(), surroundings)

    assert f"{found.status}" == status[:3]
    assert found.headers.get("location") == "/elsewhere"
    assert server.connections == 1


def forever(piece: bytes, before: bytes = b"") -> Script:
    return lambda _asked: itertools.chain([before], itertools.repeat(piece))


HOSTILE: dict[str, tuple[Script, type[TransportError]]] = {
    "endless header": (forever(b"X: y\r\n" * 1000, HEAD), ProtocolError),
    "endless line": (forever(b"x" * 65536, HEAD + b"X: "), ProtocolError),
    "header of 1 MB": (HEAD + b"X: " + b"y" * 2**20 + b"\r\n\r\n", ProtocolError),
    "endless status": (forever(b"x" * 65536), ProtocolError),
    "endless body": (forever(b"x" * 65536, HEAD + b"\r\n"), AnswerTooLarge),
    "endless chunks": (forever(b"1\r\nx\r\n" * 1000, CHUNKED), AnswerTooLarge),
    "endless chunk": (forever(b"x" * 65536, CHUNKED + b"fffffffff\r\n"), AnswerTooLarge),
    "endless size of a chunk": (forever(b"0" * 65536, CHUNKED), ProtocolError),
    "endless trailers": (forever(b"X: y\r\n" * 1000, CHUNKED + b"0\r\n"), ProtocolError),
    "endless interim answers": (forever(b"HTTP/1.1 100 Continue\r\n\r\n" * 100), ProtocolError),
    "switch of protocols": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", ProtocolError),
    "one byte too long": (answer(b"x" * (MOST + 1)), AnswerTooLarge),
    "announces too much": (answer(b"", length=MOST + 1), AnswerTooLarge),
    "announces more than comes": (answer(b"hello", length=6), SessionLost),
    "two lengths": (HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", ProtocolError),
    "negative length": (HEAD + b"Content-Length: -5\r\n\r\nhello", ProtocolError),
    "length of 5000 digits": (HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", ProtocolError),
    "chunks cut off": (CHUNKED + b"5\r\nhel", SessionLost),
    "bad chunks": (CHUNKED + b"5 hello\r\n\r\n", ProtocolError),
    "coded transfer": (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n", ProtocolError),
    "header cut off": (HEAD + b"X: y\r\n", SessionLost),
    "nothing": (b"", SessionLost),
    "HTTP/0.9": (b"<html>\r\n\r\nhello</html>", ProtocolError),
    "HTTP/0.9 in a line": (b"<html>hello</html>", SessionLost),
    "HTTP/2": (b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x80", ProtocolError),
    "mail server": (b"220 mail.test ESMTP\r\n\r\n", ProtocolError),
    "gzip": (answer(gzip.compress(b"0" * 10**6), fields="Content-Encoding: gzip\r\n"), AnswerEncoded),
    **{
        coding: (answer(b"x", fields=f"Content-Encoding: {coding}\r\n"), AnswerEncoded)
        for coding in ("br", "zstd", "deflate", "identity, GZIP", "unheard-of")
    },
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_server_is_left_with_an_error_and_little_memory(
    server: ScriptedHttpServer, surroundings: Surroundings, case: str
) -> None:
    server.scripts["/"], expected = HOSTILE[case]

    tracemalloc.start()
    try:
        with pytest.raises(TransportError) as caught:
            get(server.url(), surroundings)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    error = caught.value
    assert type(error) is expected
    assert error.stage is Stage.REQUEST
    assert error.temporary is (expected in {ProtocolError, SessionLost})
    # What the server sends is made in this process as well: 1 MB of it, and pieces of 64 KiB.
    assert most < 5 * 2**20
    assert "hello" not in f"{error}{error.detail}"


@pytest.mark.parametrize(
    "script",
    [
        forever(b"", HEAD + b"Content-Length: 5\r\n\r\n"),
        forever(b"", HEAD),
        forever(b"1\r\nx\r\n" * 10_000, CHUNKED),
        forever(b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "header", "floods", "interim"],
)
def test_everything_has_one_deadline(
    server: ScriptedHttpServer, surroundings: Surroundings, script: Script
) -> None:
    server.scripts["/"] = script
    started = monotonic()

    with pytest.raises(TransportError) as caught:
        get(server.url(), surroundings, most_bytes=2**40, deadline=Deadline(0.2))

    assert monotonic() - started < 5
    assert caught.value.code in {ErrorCode.TIMEOUT, ErrorCode.PROTOCOL_ERROR}


def test_a_server_that_gives_a_byte_now_and_then_is_cut_off(
    server: ScriptedHttpServer, surroundings: Surroundings
) -> None:
    waits = []

    def slowly(_asked: object) -> Iterator[bytes]:
        yield HEAD + b"Content-Length: 1000\r\n\r\n"
        while True:
            gone.wait(0.02)
            yield b"x"

    gone = threading.Event()
    server.scripts["/"] = slowly
    around = replace(
        surroundings, timeouts=Timeouts(total=0.3), on_wait=lambda: waits.append(1), wait_slice=0.05
    )

    with pytest.raises(SessionLost) as caught:
        get(server.url(), around)

    gone.set()
    assert caught.value.code is ErrorCode.TIMEOUT
    assert waits, "the lease would have been renewed meanwhile"


def test_a_body_may_be_read_in_pieces_or_left(server: ScriptedHttpServer, surroundings: Surroundings) -> None:
    server.scripts["/"] = [HEAD + b"Content-Length: 300000\r\n\r\n", *([b"x" * 1000] * 300)]
    request = HttpRequest(url=server.url())

    with open_request(request, surroundings, most_bytes=300_000) as found:
        assert found.status == 200
    with open_request(request, surroundings, most_bytes=300_000) as found:
        pieces = list(found.chunks())

    assert sum(map(len, pieces)) == 300_000
    assert max(map(len, pieces)) <= 64 * 1024
    assert list(found.chunks()) == []


@pytest.mark.parametrize("name", ["expired", "wrong_name", "unknown_authority"])
def test_a_wrong_certificate_ends_it_before_anything_is_asked(
    certificates: Certificates, surroundings: Surroundings, name: str
) -> None:
    with (
        ScriptedHttpServer(tls=getattr(certificates, name)) as wrong,
        pytest.raises(TLSFailed),
    ):
        get(wrong.url(), surroundings)
    assert wrong.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://files.test/",
        "https://user@files.test/",
        "https://files.test:22/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://localhost\\@files.test/",
        "https://files.test/\r\nHost: evil.test",
    ],
)
def test_what_policy_forbids_is_refused_before_anything_is_looked_up(url: str) -> None:
    lookups: list[str] = []

    def resolver(host: str, _port: int) -> list[str]:
        lookups.append(host)
        return ["127.0.0.1"]

    strict = Surroundings(policy=NetworkPolicy(allowed_ports=frozenset({443})), resolver=resolver)
    with pytest.raises(UrlNotAllowed) as caught:
        get(url, strict)
    assert not caught.value.temporary
    assert lookups == []


def test_the_address_that_was_vetted_is_connected_to_whatever_the_name_has_later(
    server: ScriptedHttpServer, surroundings: Surroundings, blocked_connections: list[object]
) -> None:
    answers = itertools.cycle([["8.8.8.8"], ["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"]])
    lookups: list[str] = []

    def rebinding(host: str, _port: int) -> list[str]:
        lookups.append(host)
        return next(answers)

    around = Surroundings(policy=NetworkPolicy(allowed_ports=None, allow_plain_http=True), resolver=rebinding)
    for _ in range(40):
        with pytest.raises(ConnectionFailed):
            get(server.url(host="rebind.test"), around)

    assert server.connections == 0
    assert len(lookups) == 40, "one look-up a request"
    assert {str(address[0]) for address in blocked_connections} == {"8.8.8.8"}  # type: ignore[index]
    blocked_connections.clear()
