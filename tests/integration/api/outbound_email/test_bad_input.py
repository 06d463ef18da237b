"""Bad input: a 4xx in this surface's envelope, nothing stored, nothing connected, nothing echoed that is secret."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from mailconfig.models import ConnectionCheck, OutboundEmail
from tests.bearer import PREFIX, client_of
from tests.integration.api.outbound_email.conftest import (
    PASSWORD,
    TEST_URL,
    URL,
    at,
    post,
    put,
    row_of,
    seed,
    stored,
)
from tests.servers.chaos import ChaosServer

# What no validator may let through is refused before the database hears of it. PostgreSQL takes less than SQLite: what
# one of them forgot shows there.
pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

MISSING = "missing_parameter"
INVALID = "invalid_parameter"
UNREADABLE = "invalid_request"

KEEP = ("mail_smtppass", True)
"""In a change: what answers say of a stored password, and so no bad input."""
VALUES: list[tuple[str, object, str]] = [
    # Add a line for each value that must be refused: field, value, error.
    ("name", ..., MISSING),
    ("name", "", MISSING),
    ("name", "   ", MISSING),
    ("name", None, MISSING),
    ("name", "n" * 256, INVALID),
    ("name", "ä" * 256, INVALID),
    ("name", 1, INVALID),
    ("name", True, INVALID),
    ("name", ["a"], INVALID),
    ("name", {"a": "b"}, INVALID),
    ("name", "a\nb", INVALID),
    ("name", "a\r\nBcc: x@y.test", INVALID),
    ("name", "a\u2028b", INVALID),
    ("name", "a\x7f", INVALID),
    ("name", "a\x00b", UNREADABLE),
    ("name", "a\ud800b", UNREADABLE),
    ("type", "admin", INVALID),
    ("type", "User", INVALID),
    ("type", 1, INVALID),
    ("type", ["system"], INVALID),
    ("type", {"system": 1}, INVALID),
    ("mail_sendtype", "sendmail", INVALID),
    ("mail_sendtype", "smtp\n", INVALID),
    ("mail_sendtype", " smtp", INVALID),
    ("mail_sendtype", "ſmtp", INVALID),
    ("mail_sendtype", "", INVALID),
    ("mail_sendtype", 1, INVALID),
    ("mail_smtptype", "gmail", INVALID),
    ("mail_smtptype", "Google", INVALID),
    ("mail_smtptype", "", INVALID),
    ("mail_smtptype", 1, INVALID),
    ("mail_smtptype", ["google"], INVALID),
    ("mail_smtpserver", ..., MISSING),
    ("mail_smtpserver", "", MISSING),
    ("mail_smtpserver", None, MISSING),
    ("mail_smtpserver", 1, INVALID),
    ("mail_smtpserver", 1.5, INVALID),
    ("mail_smtpserver", ["127.0.0.1"], INVALID),
    ("mail_smtpserver", "a" * 256, INVALID),
    ("mail_smtpserver", "smtp.example.com, localhost", INVALID),
    ("mail_smtpport", 0, INVALID),
    ("mail_smtpport", -1, INVALID),
    ("mail_smtpport", 65536, INVALID),
    ("mail_smtpport", 2**31, INVALID),
    ("mail_smtpport", 2**63, INVALID),
    ("mail_smtpport", 465.0, INVALID),
    ("mail_smtpport", True, INVALID),
    ("mail_smtpport", "", INVALID),
    ("mail_smtpport", "0", INVALID),
    ("mail_smtpport", "65536", INVALID),
    ("mail_smtpport", "99999", INVALID),
    ("mail_smtpport", " 465", INVALID),
    ("mail_smtpport", "465 ", INVALID),
    ("mail_smtpport", "465\n", INVALID),
    ("mail_smtpport", "+465", INVALID),
    ("mail_smtpport", "4_65", INVALID),
    ("mail_smtpport", "0x1d1", INVALID),
    ("mail_smtpport", "４６５", INVALID),
    ("mail_smtpport", [465], INVALID),
    ("mail_smtpuser", ..., MISSING),
    ("mail_smtpuser", "", MISSING),
    ("mail_smtpuser", None, MISSING),
    ("mail_smtpuser", 1, INVALID),
    ("mail_smtpuser", "u" * 256, INVALID),
    ("mail_smtpuser", "a\r\nb", INVALID),
    ("mail_smtpuser", "a\x01b", INVALID),
    ("mail_smtpuser", "a\x00b", UNREADABLE),
    ("mail_smtppass", ..., MISSING),
    ("mail_smtppass", "", MISSING),
    ("mail_smtppass", None, MISSING),
    ("mail_smtppass", True, INVALID),
    ("mail_smtppass", False, INVALID),
    ("mail_smtppass", 1, INVALID),
    ("mail_smtppass", ["a"], INVALID),
    ("mail_smtppass", "******", INVALID),
    ("mail_smtppass", "••••••", INVALID),
    ("mail_smtppass", f"{PASSWORD}\r\nQUIT", INVALID),
    ("mail_smtppass", f"{PASSWORD}\x00", UNREADABLE),
    ("mail_smtppass", f"{PASSWORD}\ud800", UNREADABLE),
    ("mail_smtppass", PASSWORD * 4000, INVALID),
    ("mail_smtpauth_req", "true", INVALID),
    ("mail_smtpauth_req", "on", INVALID),
    ("mail_smtpauth_req", 1, INVALID),
    ("mail_smtpauth_req", 1.0, INVALID),
    ("mail_smtpauth_req", [], INVALID),
    ("mail_smtpssl", "3", INVALID),
    ("mail_smtpssl", "", INVALID),
    ("mail_smtpssl", "tls", INVALID),
    ("mail_smtpssl", "ssl", INVALID),
    ("mail_smtpssl", 3, INVALID),
    ("mail_smtpssl", -1, INVALID),
    ("mail_smtpssl", 1.0, INVALID),
    ("mail_smtpssl", True, INVALID),
    ("mail_smtpssl", "１", INVALID),
    ("mail_smtpssl", None, MISSING),
    ("mail_smtpauth_req", None, MISSING),
    ("mail_smtpport", None, MISSING),
]


@pytest.mark.parametrize(("field", "value", "error"), VALUES, ids=lambda value: ascii(value)[:40])
def test_a_value_that_is_none_is_refused_by_its_name(
    server: ChaosServer, alice: User, field: str, value: object, error: str
) -> None:
    answer = post(alice, seed(server, **{field: value}))

    _check_refusal(answer, error, field)
    assert OutboundEmail.objects.count() == 0
    assert ConnectionCheck.objects.count() == 0
    assert server.sessions == 0


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [case for case in VALUES if case[1] is not ... and case[:2] != KEEP],
    ids=lambda value: ascii(value)[:40],
)
def test_a_change_to_such_a_value_changes_nothing(
    server: ChaosServer, alice: User, field: str, value: object, error: str
) -> None:
    account = stored(server, alice)
    before = row_of(account)

    answer = put(alice, account, {"name": "New", "mail_smtppass": PASSWORD} | {field: value})

    _check_refusal(answer, error, field)
    assert row_of(account) == before
    assert ConnectionCheck.objects.count() == 0
    assert server.sessions == 0


def _check_refusal(answer: Any, error: str, field: str) -> None:
    body = answer.json()
    assert (answer.status_code, body["error"]) == (400 if error == UNREADABLE else 422, error), body
    assert body.keys() == {"error", "error_message"}
    assert error == UNREADABLE or f"{field}: " in body["error_message"]
    assert PASSWORD not in answer.content.decode()


def test_all_that_is_wrong_is_told_at_once(alice: User) -> None:
    answer = post(alice, {"mail_smtpport": 0, "mail_smtpssl": "x"})

    assert answer.json()["error"] == INVALID
    for name in ("name", "mail_smtpserver", "mail_smtpport", "mail_smtpssl"):
        assert f"{name}: " in answer.json()["error_message"]


BODIES: list[tuple[bytes, str, int, str]] = [
    # Add a line for each body that must be refused: bytes, content type, status, error.
    (b"", "application/json", 422, MISSING),
    (b"{}", "application/json", 422, MISSING),
    (b"null", "application/json", 422, MISSING),
    (b"[]", "application/json", 422, INVALID),
    (b"[{}]", "application/json", 422, INVALID),
    (b'"x"', "application/json", 422, INVALID),
    (b"1", "application/json", 422, INVALID),
    (b"{", "application/json", 400, UNREADABLE),
    (b"{'name': 1}", "application/json", 400, UNREADABLE),
    (b'{"name": "a", "name": "b"}', "application/json", 400, UNREADABLE),
    (b'{"mail_smtpport": NaN}', "application/json", 400, UNREADABLE),
    (b'{"mail_smtpport": 1e999}', "application/json", 400, UNREADABLE),
    (b'{"mail_smtpport": ' + b"9" * 5000 + b"}", "application/json", 400, UNREADABLE),
    (b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "application/json", 400, UNREADABLE),
    (b'{"x": ' + b"[" * 32 + b"]" * 32 + b"}", "application/json", 400, UNREADABLE),
    (b"\xef\xbb\xbf{}", "application/json", 400, UNREADABLE),
    ('{"name": "ü"}'.encode("latin-1"), "application/json", 400, UNREADABLE),
    ('{"name": "ü"}'.encode("utf-16"), "application/json", 400, UNREADABLE),
    (b"{}", "application/json; charset=utf-7", 415, UNREADABLE),
    (b"{}", "application/json; charset=bogus", 415, UNREADABLE),
    (b"name=x", "application/x-www-form-urlencoded", 415, UNREADABLE),
    (b"--x--", "multipart/form-data; boundary=x", 415, UNREADABLE),
    (b"{}", "text/plain", 415, UNREADABLE),
    (b"{}", "application/vnd.api+json", 415, UNREADABLE),
    (b'{"name": "' + b"x" * 1024 * 1024 + b'"}', "application/json", 413, UNREADABLE),
    (b'{"name": "' + b"x" * 3 * 1024 * 1024 + b'"}', "application/json", 413, UNREADABLE),
]


@pytest.mark.parametrize(
    ("call", "body", "content_type", "status", "error"),
    [
        (call, *case)
        for call in ("post", "put", "test")
        for case in BODIES
        if call != "put" or case[0] not in {b"", b"{}"} or case[2] == 415  # a change may be empty
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_body_that_is_none_is_refused(
    server: ChaosServer, alice: User, body: bytes, content_type: str, status: int, error: str, call: str
) -> None:
    account = stored(server, alice)
    before = row_of(account)
    client = Client(raise_request_exception=False)
    url = {"post": URL, "put": at(account), "test": TEST_URL}[call]
    answer = client.generic(
        call.replace("test", "post").upper(),
        url,
        body,
        content_type,
        headers={"Authorization": f"Bearer {PREFIX}alice"},
    )

    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.content
    assert answer["Content-Type"] == "application/json"
    assert row_of(account) == before
    assert server.sessions == 0


def test_a_compressed_body_is_refused(alice: User) -> None:
    client = client_of(alice)
    answer = client.post(URL, {}, format="json", headers={"Content-Encoding": "gzip"})

    assert (answer.status_code, answer.json()["error"]) == (415, UNREADABLE)


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "nonsense"])
def test_what_is_no_json_is_not_answered(alice: User, accept: str) -> None:
    answer = client_of(alice).get(URL, headers={"Accept": accept})

    assert (answer.status_code, answer.json()["error"]) == (406, UNREADABLE)


@pytest.mark.parametrize("header", ["xx", "*", "de;q=2", ",,,;", "x" * 10_000])
def test_a_strange_language_is_the_projects_own(alice: User, header: str) -> None:
    answer = client_of(alice).post(URL, {}, format="json", headers={"Accept-Language": header})

    assert answer.status_code == 422
    assert answer["Content-Language"] == "en"


@pytest.mark.parametrize(
    "password",
    ["gAAAAABm" + "A" * 92 + "==", "pässwörd 📧", " spaces at the ends ", "x" * 8000, "true", "%s{}"],
    ids=ascii,
)
def test_a_strange_password_is_taken_as_it_is(server: ChaosServer, alice: User, password: str) -> None:
    server.credentials = {"foo@mail.test": password}

    answer = post(alice, seed(server, mail_smtppass=password))

    assert answer.status_code == 200, answer.content
    assert server.auth_attempts == [("PLAIN", "foo@mail.test", password)]
    assert put(alice, OutboundEmail.objects.get(), {"name": "New"}).status_code == 200
    assert answer.json()["mail_smtppass"] is True
