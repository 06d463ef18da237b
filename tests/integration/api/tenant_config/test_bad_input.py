"""Bad input is a 4xx in the surface's envelope: nothing changes, nothing is connected, no secret comes back."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from mailconfig.models import ConnectionCheck
from tests.integration.api.tenant_config.calls import MISSING, SEED, TEST, Route, body_of, stored
from tests.servers.hostile_hosts import FORBIDDEN_LITERALS, NO_HOST_NAMES, PUBLIC_LITERALS

# What no validator may let through is refused before the database hears of it. PostgreSQL takes less than SQLite: what
# one of them forgot shows there.
pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

SECRET = SEED["password"]
NOT_STRINGS: list[Any] = [7, 1.5, True, ["a@b.example"], {"a": "b"}]
NO_PORTS = [
    0, -1, 65536, 2**31, 2**63, 10**30, True, False, 465.0, 1.5, [], {}, [25], "0", "65536", "99999", "123456", "1_000",
    " 25", "25 ", "25\n", "+25", "-25", "0x19", "２５", "١", "587.0", "1e3", "smtp", "null",
]  # fmt: skip
NO_FLAGS = [1, 0, 1.0, "1", "0", "TRUE", "True", "False", " true", "true ", "true\n", "on", "off", "yes", "no", "t", "Y",
    [], {}, [True]]  # fmt: skip
NO_ADDRESSES = [
    "root", "a@", "@b.example", "a@b@c.example", "a@b.example,c@d.example", "a@b.example;c@d.example", "<a@b.example>",
    "Name <a@b.example>", "a@b.example\r\nBcc: x@y.example", "a@b.example\n", "\na@b.example", " a@b.example",
    "a@b.example ", '"a b"@c.example', '"\r\n"@c.example', "a@[127.0.0.1]", "a@b..example", "a@-b.example", "-f@b.example",
    "a" * 65 + "@b.example", "a@" + "b." * 126 + "example", "ü@b.example", "a@ü.example", "a@b.example\u2028",
    "a@b.example\u200b", "a@b.example\x7f", "a@b(c).example", "a b@c.example", "***@****.com", "********@****.com",
    "***@gmail.com", "••••@b.example", "%0d%0a@b", "{{7*7}}",
]  # fmt: skip
NO_LINES = ["a\r\nBcc: x@y.example", "a\n", "\t", "a\x00b", "\x7f", "\x85", "\u2028", "x" * 256]
NO_BODIES = [
    b"{", b"[", b"nonsense", b"null", b"[]", b"7", b'"text"', b"true", b'{"host": NaN}', b'{"host": Infinity}',
    b'{"host": -Infinity}', b'{"host": 1e999}', b'{"port": ' + b"9" * 5000 + b"}", b"[" * 100_000, b'{"a":' * 40 + b"1" + b"}" * 40,
    b'{"host": "a.example", "host": "b.example"}', b'{"host": "\\u0000"}', b'{"\\u0000": 1}', b'{"x": {"y": ["\\ud800"]}}',
    b'{"host": "\\udfff"}', b'{"host": "\xff"}', b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", b"{'host': 'a'}", b"host=a&from=b",
]  # fmt: skip


def refused(
    route: Route, alice: User, body: Any, status: int = 400, word: str = "BAD_REQUEST", **how: Any
) -> str:
    """The message of a refusal that left everything as it was."""
    before = stored()
    answer = route.configure(alice, body, **how)
    assert (answer.status_code, body_of(answer)["status"]) == (status, word), answer.content
    assert stored() == before
    assert not ConnectionCheck.objects.exists()
    assert SECRET not in answer.content.decode()
    message: str = body_of(answer)["message"]
    assert message
    return message


@pytest.mark.parametrize("port", NO_PORTS, ids=repr)
def test_what_is_no_port_is_refused_by_name(route: Route, alice: User, port: Any) -> None:
    assert refused(route, alice, SEED | {"port": port}) == "port: A port is a number from 1 to 65535."


@pytest.mark.parametrize("flag", NO_FLAGS, ids=repr)
@pytest.mark.parametrize("name", ["starttls", "ssl"])
def test_what_is_neither_true_nor_false_is_refused_by_name(
    route: Route, alice: User, name: str, flag: Any
) -> None:
    assert refused(route, alice, SEED | {name: flag}) == f"{name}: Must be true or false."


@pytest.mark.parametrize("address", [*NO_ADDRESSES, *NOT_STRINGS], ids=repr)
@pytest.mark.parametrize("name", ["from", "replyTo", "envelopeFrom"])
def test_what_is_no_address_is_refused_by_name(route: Route, alice: User, name: str, address: Any) -> None:
    message = refused(route, alice, SEED | {name: address})

    assert message.startswith(f"{name}: ")
    assert len(message) < 300


@pytest.mark.parametrize("line", [*NO_LINES, *NOT_STRINGS], ids=repr)
@pytest.mark.parametrize("name", ["fromDisplayName", "replyToDisplayName", "user"])
def test_what_is_no_line_is_refused(route: Route, alice: User, name: str, line: Any) -> None:
    message = refused(route, alice, SEED | {name: line})

    # NUL does not get as far as a field.
    assert message.startswith(f"{name}: ") or line == "a\x00b"


@pytest.mark.parametrize("host", [host for host in NO_HOST_NAMES if host.strip()], ids=ascii)
def test_what_is_no_host_name_is_refused_by_name(route: Route, alice: User, host: str) -> None:
    message = refused(route, alice, json.dumps(SEED | {"host": host}))

    assert message.startswith("host: ") or "\0" in host or "\ud800" in host


@pytest.mark.parametrize("host", FORBIDDEN_LITERALS)
def test_an_address_that_may_not_be_reached_is_refused_before_it_is_stored(
    route: Route, alice: User, settings: Settings, host: str
) -> None:
    settings.MAILCONFIG = {}

    assert refused(route, alice, SEED | {"host": host}) == "host: This address is not allowed."


@pytest.mark.parametrize("host", [*PUBLIC_LITERALS, "127.0.0.1", "localhost", "metadata.google.internal"])
def test_an_allowed_literal_and_any_name_are_stored_and_nothing_is_asked_of_them(
    route: Route, alice: User, blocked_connections: list[object], host: str
) -> None:
    assert route.configure(alice, SEED | {"host": host}).status_code == 200

    assert blocked_connections == []
    assert not ConnectionCheck.objects.exists()


@pytest.mark.parametrize("value", [*NOT_STRINGS, "x" * 256, "mail.test" * 200], ids=repr)
def test_a_host_is_text_of_some_length(route: Route, alice: User, value: Any) -> None:
    assert refused(route, alice, SEED | {"host": value}).startswith("host: ")


def test_the_masks_of_the_pages_sample_are_refused(route: Route, alice: User) -> None:
    masked = {
        "replyTo": "***@****.com",
        "from": "****@****.com",
        "user": "********@****.com",
        "password": "*******",
    }
    for name, mask in masked.items():
        assert refused(route, alice, SEED | {name: mask}).startswith(f"{name}: ")

    message = refused(route, alice, SEED | masked)
    assert all(f"{name}: " in message for name in masked)


def test_all_that_is_wrong_is_told_at_once(route: Route, alice: User) -> None:
    message = refused(route, alice, SEED | {"port": "x", "ssl": "x", "replyTo": "x"})

    assert all(f"{name}: " in message for name in ("port", "ssl", "replyTo"))


@pytest.mark.parametrize("body", NO_BODIES, ids=lambda body: ascii(body[:30]))
def test_what_is_no_json_object_is_refused(route: Route, alice: User, body: bytes) -> None:
    refused(route, alice, body)

    answer = route.send_test(alice, body)
    assert (answer.status_code, body_of(answer)["status"]) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/vnd.api+json",
        "application/json; charset=utf-7", "application/json; charset=bogus", "application/json; charset=utf-16", "nonsense", "/",
    ],
)  # fmt: skip
def test_only_utf8_json_is_taken(route: Route, alice: User, content_type: str) -> None:
    refused(route, alice, SEED, 415, "UNSUPPORTED_MEDIA_TYPE", content_type=content_type)


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate, gzip"])
def test_a_compressed_body_is_refused(route: Route, alice: User, coding: str) -> None:
    body = gzip.compress(json.dumps(SEED).encode())

    refused(route, alice, body, 415, "UNSUPPORTED_MEDIA_TYPE", HTTP_CONTENT_ENCODING=coding)


@pytest.mark.parametrize("size", [1024 * 1024 + 1, 3 * 1024 * 1024])
def test_a_body_over_the_limit_is_refused(route: Route, alice: User, size: int) -> None:
    refused(route, alice, json.dumps(SEED | {"user": "x" * size}), 413, "PAYLOAD_TOO_LARGE")


def test_what_it_cannot_answer_in_is_refused(route: Route, alice: User) -> None:
    refused(route, alice, SEED, 406, "NOT_ACCEPTABLE", HTTP_ACCEPT="text/html")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "TRACE"])
def test_there_is_nothing_but_post(route: Route, alice: User, method: str) -> None:
    for path in (route.config_path, route.test_path):
        answer = route.post(alice, path, SEED, method=method)

        assert (answer.status_code, body_of(answer)["status"]) == (405, "METHOD_NOT_ALLOWED")


def test_a_header_does_not_make_another_method_of_it(route: Route, alice: User) -> None:
    answer = route.configure(alice, SEED, HTTP_X_HTTP_METHOD_OVERRIDE="DELETE")

    assert answer.status_code == 200


@pytest.mark.parametrize("language", ["ja", "xx", "de;q=nonsense", "*", "," * 5000, "\xff"])
def test_no_language_is_too_strange(route: Route, alice: User, language: str) -> None:
    answer = route.configure(alice, {}, HTTP_ACCEPT_LANGUAGE=language)

    assert (answer.status_code, body_of(answer)) == (400, MISSING)


@pytest.mark.parametrize(
    "kind", ["test", "TEST ", "RESET", "", None, 1, True, ["TEST"], {"TEST": 1}, "absent"], ids=repr
)
def test_there_is_one_type_of_test_mail(route: Route, alice: User, kind: Any) -> None:
    route.configure(alice, SEED)
    body = {} if kind == "absent" else TEST | {"mailType": kind}

    answer = route.send_test(alice, body)

    assert (answer.status_code, body_of(answer)["status"]) == (400, "BAD_REQUEST")
    assert body_of(answer)["message"].startswith("mailType: ")
    assert not ConnectionCheck.objects.exists()
