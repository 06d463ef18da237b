"""Fetching a file: redirects, hosts, what comes instead of it, and what the sender is told."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from ipaddress import ip_network
from typing import Any

import pytest

from mailconfig.delivery.preparing.fetching import Fetched, FetchFailed, fetch
from mailconfig.models import AttachmentProblem as Problem
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.network.deadline import Deadline
from mailconfig.values import NetworkPolicy
from tests.servers.certificates import Certificates
from tests.servers.http import Script, ScriptedHttpServer, answer

PDF = b"%PDF-1.7 not much of one"
MOST = 1000
PAGE = b"<!DOCTYPE html><html><body>Log in</body></html>"


@pytest.fixture(scope="module")
def certificates() -> Iterator[Certificates]:
    found = Certificates()
    yield found
    found.close()


@pytest.fixture(scope="module")
def servers(certificates: Certificates) -> Iterator[tuple[ScriptedHttpServer, ScriptedHttpServer]]:
    with ScriptedHttpServer(tls=certificates.good) as secure, ScriptedHttpServer() as plain:
        yield secure, plain


@pytest.fixture
def server(servers: tuple[ScriptedHttpServer, ScriptedHttpServer]) -> ScriptedHttpServer:
    for each in servers:
        each.forget()
    return servers[0]


@pytest.fixture
def surroundings(certificates: Certificates) -> Surroundings:
    loopback = (ip_network("127.0.0.0/8"),)
    return Surroundings(
        policy=NetworkPolicy(allowed_networks=loopback, allowed_ports=None, ca_file=certificates.ca_file)
    )


def fetched(url: str, surroundings: Surroundings, **rest: Any) -> tuple[Fetched, bytes]:
    sink = BytesIO()
    given: dict[str, Any] = {"deadline": Deadline(30), "most_bytes": MOST} | rest
    found = fetch(url, sink, surroundings, **given)
    return found, sink.getvalue()


def failure(url: str, surroundings: Surroundings, **rest: Any) -> FetchFailed:
    with pytest.raises(FetchFailed) as caught:
        fetched(url, surroundings, **rest)
    return caught.value


def moved(location: str, status: str = "302 Found") -> bytes:
    return answer(b"moved", status=status, fields=f"Location: {location}\r\n")


@pytest.mark.parametrize(
    ("path", "fields", "name", "content_type"),
    [
        ("/report.pdf", "Content-Type: application/pdf\r\n", "report.pdf", "application/pdf"),
        ("/report.pdf?key=1", "", "report.pdf", "application/pdf"),
        ("/report.pdf", "Content-Type: image/png\r\n", "report.pdf", "application/pdf"),
        ("/download?id=5", "Content-Type: application/pdf\r\n", "download.pdf", "application/pdf"),
        ("/", "", "attachment", "application/octet-stream"),
        (
            "/x",
            "Content-Disposition: attachment; filename=\"a.pdf\"; filename*=UTF-8''M%C3%A4rz.pdf\r\n",
            "März.pdf",
            "application/pdf",
        ),
        ("/x.pdf", 'Content-Disposition: attachment; filename="../../etc/passwd"\r\n', "passwd", "application/octet-stream"),
        ("/x.pdf", "Content-Disposition: attachment; filename=a.exe; filename=b.exe\r\n", "x.pdf", "application/pdf"),
        ("/x.pdf", f'Content-Disposition: attachment; filename="{"a" * 300}.pdf"\r\n', "a" * 96 + ".pdf", "application/pdf"),
        ("/x.pdf", "Content-Disposition: attachment; filename*=UTF-8''%00%2e%2e\r\n", "x.pdf", "application/pdf"),
    ],
)  # fmt: skip
def test_a_file_has_the_name_and_the_type_that_it_is_offered_under(
    server: ScriptedHttpServer,
    surroundings: Surroundings,
    path: str,
    fields: str,
    name: str,
    content_type: str,
) -> None:
    server.scripts[path.partition("?")[0]] = answer(PDF, fields=fields)

    assert fetched(server.url(path), surroundings) == (Fetched(name, content_type, len(PDF)), PDF)


@pytest.mark.parametrize(
    "status", ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
)  # fmt: skip
def test_five_redirects_are_followed_and_the_name_is_that_which_was_asked_for(
    server: ScriptedHttpServer, surroundings: Surroundings, status: str
) -> None:
    for number in range(5):
        server.scripts[f"/{number}" if number else "/report.pdf"] = moved(f"/{number + 1}", status)
    server.scripts["/5"] = answer(PDF)

    assert fetched(server.url("/report.pdf"), surroundings)[0].name == "report.pdf"
    assert len(server.asked) == 6


def test_the_sixth_redirect_is_one_too_many(server: ScriptedHttpServer, surroundings: Surroundings) -> None:
    server.scripts["/again"] = moved("/again")

    assert failure(server.url("/again"), surroundings).problem is Problem.REDIRECTS
    assert len(server.asked) == 6


@pytest.mark.parametrize(
    "location",
    [
        "",
        "http://127.0.0.1:{plain}/",
        "//user@127.0.0.1/",
        "https://127.0.0.1:0/",
        "https://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://2130706433/",
        "file:///etc/passwd",
        "\\\\127.0.0.1\\x",
    ],
)
def test_a_redirect_that_leads_where_nothing_may_be_fetched_is_not_followed(
    server: ScriptedHttpServer,
    servers: tuple[ScriptedHttpServer, ScriptedHttpServer],
    surroundings: Surroundings,
    location: str,
) -> None:
    plain = servers[1]
    server.scripts["/a"] = moved(location.format(plain=plain.port))

    error = failure(server.url("/a"), surroundings)

    assert (error.problem, error.temporary) == (Problem.REDIRECTS, False)
    assert plain.connections == 0
    assert len(server.asked) == 1


def test_a_redirect_to_loopback_is_blocked_by_the_gate(
    server: ScriptedHttpServer, surroundings: Surroundings
) -> None:
    """The name that is asked for has an address that is allowed, and the one behind it has not."""
    server.scripts["/a"] = moved(server.url("/b", host="inside.test"))
    server.scripts["/b"] = answer(PDF)
    answers = {"localhost": ["127.0.0.1"], "inside.test": ["169.254.169.254"]}
    around = replace(surroundings, resolver=lambda host, _port: answers[host])

    error = failure(server.url("/a", host="localhost"), around)

    assert (error.problem, error.temporary) == (Problem.UNREACHABLE, False)
    assert len(server.asked) == 1


def test_only_hosts_of_the_list_are_asked_whatever_redirects_say(
    server: ScriptedHttpServer, surroundings: Surroundings
) -> None:
    server.scripts["/a"] = answer(PDF)
    server.scripts["/b"] = moved(server.url("/a", host="localhost"))
    only = frozenset({"127.0.0.1"})

    assert fetched(server.url("/a"), surroundings, hosts=only)[1] == PDF
    assert failure(server.url("/a", host="localhost"), surroundings, hosts=only).problem is Problem.URL
    assert failure(server.url("/b"), surroundings, hosts=only).problem is Problem.REDIRECTS
    assert len(server.asked) == 2


FAILING: dict[str, tuple[Script, Problem, bool]] = {
    "not there": (answer(b"", status="404 Not Found"), Problem.NOT_FOUND, False),
    "gone": (answer(b"", status="410 Gone"), Problem.NOT_FOUND, False),
    "login": (answer(b"", status="401 Unauthorized"), Problem.REFUSED, False),
    "forbidden": (answer(b"", status="403 Forbidden"), Problem.REFUSED, False),
    "odd": (answer(b"", status="418 Teapot"), Problem.STATUS, False),
    "part": (answer(PDF, status="206 Partial Content"), Problem.STATUS, False),
    "not changed": (b"HTTP/1.1 304 Not Modified\r\n\r\n", Problem.STATUS, False),
    "away": (answer(b"", status="503 Away"), Problem.AWAY, True),
    "broken": (answer(b"", status="500 Oops"), Problem.AWAY, True),
    "too many": (answer(b"", status="429 Slow down", fields="Retry-After: 7\r\n"), Problem.AWAY, True),
    "no HTTP": (b"220 mail.test\r\n\r\n", Problem.AWAY, True),
    "cut off": (answer(PDF, length=100), Problem.AWAY, True),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", Problem.EMPTY, False),
    "empty": (answer(b""), Problem.EMPTY, False),
    "too large": (answer(b"x" * (MOST + 1)), Problem.TOO_LARGE, False),
    "endless": (lambda _: itertools.chain([b"HTTP/1.1 200 OK\r\n\r\n"], itertools.repeat(b"x" * 9999)), Problem.TOO_LARGE, False),
    "gzip": (answer(gzip.compress(b"0" * 10**6), fields="Content-Encoding: gzip\r\n"), Problem.ENCODED, False),
    "page": (answer(PAGE, fields="Content-Type: text/html; charset=utf-8\r\n"), Problem.WEB_PAGE, False),
    "page in disguise": (answer(PAGE, fields="Content-Type: application/pdf\r\n"), Problem.WEB_PAGE, False),
    "page in pieces": ([answer(b"", length=len(PAGE)), *(PAGE[i : i + 1] for i in range(len(PAGE)))], Problem.WEB_PAGE, False),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILING)
def test_what_is_no_file_is_told_in_a_word(
    server: ScriptedHttpServer, surroundings: Surroundings, case: str
) -> None:
    server.scripts["/report.pdf"], problem, temporary = FAILING[case]

    error = failure(server.url("/report.pdf?key=canary"), surroundings)

    assert (error.problem, error.temporary) == (problem, temporary)
    assert error.retry_after == (7 if case == "too many" else None)
    assert "canary" not in f"{error}{error.detail}{error.__cause__}"


def test_the_login_page_behind_a_redirect_is_no_file(
    server: ScriptedHttpServer, surroundings: Surroundings
) -> None:
    server.scripts["/report.pdf"] = moved("/login?next=report.pdf")
    server.scripts["/login"] = answer(PAGE, fields="Content-Type: text/html\r\n")

    assert failure(server.url("/report.pdf"), surroundings).problem is Problem.WEB_PAGE


@pytest.mark.parametrize("path", ["/page.html", "/offered"])
def test_a_web_page_that_was_asked_for_is_a_file(
    server: ScriptedHttpServer, surroundings: Surroundings, path: str
) -> None:
    fields = "Content-Type: text/html\r\n" + "Content-Disposition: attachment; filename=a.htm\r\n" * (
        path == "/offered"
    )
    server.scripts[path] = answer(PAGE, fields=fields)

    found, body = fetched(server.url(path), surroundings)

    assert (found.content_type, body) == ("text/html", PAGE)


def test_a_server_that_is_too_slow_is_told_from_one_that_is_away(
    server: ScriptedHttpServer, surroundings: Surroundings
) -> None:
    server.scripts["/a"] = lambda _: itertools.chain([answer(length=9)], itertools.repeat(b""))

    error = failure(server.url("/a"), surroundings, deadline=Deadline(0.2))

    assert (error.problem, error.temporary) == (Problem.SLOW, True)


def test_a_server_without_a_safe_certificate_or_a_name_gives_nothing(
    certificates: Certificates, surroundings: Surroundings
) -> None:
    with ScriptedHttpServer(tls=certificates.expired) as expired:
        assert failure(expired.url(), surroundings).problem is Problem.TLS
    assert expired.asked == []
    with ScriptedHttpServer(tls=certificates.good) as away:
        url = away.url()
    error = failure(url, surroundings)
    assert (error.problem, error.temporary) == (Problem.AWAY, True)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "https://user@127.0.0.1/", "https://10.0.0.1/", "ftp://x.test/", ""]
)
def test_a_url_that_cannot_be_used_is_refused(surroundings: Surroundings, url: str) -> None:
    error = failure(url, surroundings)
    assert (error.problem, error.temporary) == (Problem.URL, False)
