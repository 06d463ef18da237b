"""What only a real server shows: chunks, lengths that lie, bytes that are no request."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User

from mailconfig.models import SMTPProvider
from tests.bearer import client_of
from tests.integration.api.calls import BODY, URL, make_provider
from tests.integration.api.calls import refused as problem
from tests.servers.web import Answer, WebServer

pytestmark = pytest.mark.django_db(transaction=True)

AUTH = {"Authorization": "Bearer token-of-alice"}
JSON = {**AUTH, "Content-Type": "application/json"}


@pytest.fixture
def web(alice: User) -> Iterator[WebServer]:
    """The tests' project behind waitress."""
    with WebServer() as server:
        yield server


def chunked(body: bytes, size: int = 7) -> bytes:
    """RFC 9112 §7.1."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def refused(answer: Answer, status: int) -> None:
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["message"]


def test_a_chunked_body_without_a_length_is_read(web: WebServer) -> None:
    body = json.dumps(BODY).encode()

    answer = web.request("POST", URL, {**JSON, "Transfer-Encoding": "chunked"}, chunked(body))

    assert answer.status == 201
    assert answer.headers["Location"] == f"http://127.0.0.1:{web.port}{URL}/{answer.json()['id']}"


def test_a_chunked_body_is_held_to_the_same_limit(web: WebServer) -> None:
    headers = {**JSON, "Transfer-Encoding": "chunked"}

    refused(web.request("POST", URL, headers, chunked(b" " * (1024 * 1024 + 1), 65536)), 413)


def test_a_server_that_passes_on_chunks_without_their_length_is_asked_for_it(alice: User) -> None:
    """As gunicorn and ASGI servers do; REST framework would take the body for none, and a PATCH would do nothing."""
    provider = make_provider()
    headers = {"Transfer-Encoding": "chunked"}
    for method, path in (("POST", URL), ("PATCH", f"{URL}/{provider.pk}")):
        response = client_of(alice).generic(method, path, content_type="application/json", headers=headers)
        problem(response, 411)


def test_a_compressed_body_is_refused(web: WebServer) -> None:
    body = gzip.compress(json.dumps(BODY).encode())
    headers = {**JSON, "Content-Encoding": "gzip", "Content-Length": str(len(body))}

    refused(web.request("POST", URL, headers, body), 415)


def test_a_length_that_is_too_short_cuts_the_body(web: WebServer) -> None:
    body = json.dumps(BODY).encode()

    refused(web.request("POST", URL, {**JSON, "Content-Length": str(len(body) - 1)}, body), 400)
    assert not SMTPProvider.objects.exists()


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "9" * 30])
def test_a_length_that_is_none_is_never_a_fault_of_ours(web: WebServer, length: str) -> None:
    answer = web.request("POST", URL, {**JSON, "Content-Length": length}, b"{}")

    assert 400 <= answer.status < 500
    assert not SMTPProvider.objects.exists()


def test_a_body_of_none_says_what_is_missing(web: WebServer) -> None:
    answer = web.request("POST", URL, JSON)

    refused(answer, 400)
    assert "host" in answer.json()["errors"]


def test_head_is_answered_without_a_body(web: WebServer) -> None:
    answer = web.request("HEAD", URL, AUTH)

    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Length"] == "2"
    assert answer.headers["X-Total-Count"] == "0"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer \xff\xfe"},
        {"Authorization": "Basic \xff"},
        {**AUTH, "Accept": "\xff/\xff"},
        {**AUTH, "Accept": "application/json; x*=bogus''%41"},
        {**AUTH, "X-Padding": "a" * 8000},
        {**AUTH, "Accept-Language": "\xff,ja;q=\xb2"},
        {**AUTH, "X-Request-ID": "\xff" * 10_240},
        {**AUTH, "Prefer": "\xff"},
        {**AUTH, "Content-Encoding": "gzip"},
        {**AUTH, "Range": "bytes=0-1"},
        {**AUTH, "If-None-Match": "*"},
        {**AUTH, "If-Modified-Since": "never"},
    ],
    ids=lambda headers: repr(headers)[:50],
)
def test_no_header_makes_a_fault_of_ours(web: WebServer, headers: dict[str, str]) -> None:
    answer = web.request("GET", URL, headers)

    assert answer.status < 500
    if answer.status not in {200, 406}:
        refused(answer, 401)


@pytest.mark.parametrize(
    "path", ["/%00", "/%ff", "/1e400", "/..%2f..%2f", "/%0d%0aX-Evil:%201", "?limit=%00", "?%ff=%ff"]
)
def test_no_path_makes_a_fault_of_ours(web: WebServer, path: str) -> None:
    answer = web.request("GET", URL + path, AUTH)

    assert answer.status in {400, 404}
    assert "X-Evil" not in answer.headers
