"""Every way to be refused, in the surface's envelope, with the headers that belong to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from mailconfig.models import CheckKind, ConnectionCheck, SMTPProvider
from tests import growth
from tests.bearer import client_of
from tests.factories import make_account, make_mailbox, make_message
from tests.integration.api.calls import BODY, URL, make_provider, refused

pytestmark = pytest.mark.django_db

JSON = "application/json"
MIB = 1024 * 1024


def test_who_has_no_permission_is_refused_whether_the_row_is_there_or_not(bob: User) -> None:
    there = make_provider()
    client = client_of(bob)

    bodies = [
        refused(client.generic(method, path, json.dumps(BODY), content_type=JSON), 403)
        for method, path in [
            ("GET", URL),
            ("POST", URL),
            ("GET", f"{URL}/{there.pk}"),
            ("PATCH", f"{URL}/{there.pk}"),
            ("DELETE", f"{URL}/{there.pk}"),
            ("GET", f"{URL}/{there.pk}/status"),
            ("GET", f"{URL}/999999"),
        ]
    ]

    assert all(body == bodies[0] for body in bodies)
    assert SMTPProvider.objects.filter(deleted_at=None).count() == 1


@pytest.mark.parametrize(
    "key",
    [
        *(
            "0",
            "-1",
            "+1",
            "1.0",
            "1e400",
            "01",
            "1_0",
            "１",
            "abc",
            "None",
            "*",
            "%00",
            "%ff",
            "%0d%0aX:%20y",
        ),
        *("..%2f1", "%252e", "9" * 18, "9" * 19, "9" * 31, "9" * 4000, "%F0%9F%98%80", "'--", "{}", "1%20"),
    ],
    ids=lambda key: key[:12],
)
def test_what_is_no_number_is_not_found(api: APIClient, key: str) -> None:
    make_provider()
    for method in ("get", "patch", "delete"):
        response = getattr(api, method)(f"{URL}/{key}")
        if "%2f" not in key:  # another path, which is the host's to answer
            refused(response, 404)
        assert response.status_code == 404
    if "%2f" not in key:
        refused(api.get(f"{URL}/{key}/status"), 404)
        refused(api.get(f"{URL}/checks/{key}"), 404)


def test_rows_of_other_kinds_and_deleted_ones_are_not_there(api: APIClient, alice: User) -> None:
    deleted = make_provider()
    api.delete(f"{URL}/{deleted.pk}")
    unknown = refused(api.get(f"{URL}/999999"), 404)

    for other in (make_account(owner=alice), make_mailbox(owner=alice), deleted):
        for method in ("get", "patch", "delete"):
            assert refused(getattr(api, method)(f"{URL}/{other.pk}"), 404) == unknown
        assert refused(api.get(f"{URL}/{other.pk}/status"), 404) == unknown


@pytest.mark.parametrize("method", ["PUT", "TRACE", "CONNECT", "BREW", "POST\u00e9"])
def test_an_unknown_method_is_refused_with_those_there_are(api: APIClient, method: str) -> None:
    provider = make_provider()
    for path, allowed in [
        (URL, "GET, POST, HEAD, OPTIONS"),
        (f"{URL}/{provider.pk}", "GET, PATCH, DELETE, HEAD, OPTIONS"),
        (f"{URL}/{provider.pk}/status", "GET, HEAD, OPTIONS"),
    ]:
        response = api.generic(method, path)
        refused(response, 405)
        assert response["Allow"] == allowed
    assert provider.checks.count() == 0


def test_another_method_in_a_header_or_parameter_does_not_count(api: APIClient) -> None:
    provider = make_provider()
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        assert api.get(f"{URL}/{provider.pk}", headers={name: "DELETE"}).status_code == 200
    refused(api.post(f"{URL}?_method=DELETE", BODY | {"port": 0}, format="json"), 400)
    assert SMTPProvider.objects.filter(deleted_at=None).count() == 1


def test_options_names_the_methods_and_nothing_else(api: APIClient, alice: User) -> None:
    response = api.options(URL)

    assert response.status_code == 204
    assert response.content == b""
    assert response["Allow"] == "GET, POST, HEAD, OPTIONS"


@pytest.mark.parametrize(
    "accept",
    [
        *("text/html", "application/xml", "image/*", "json", "*", "/", ";", ",", "application/vnd.api+json"),
        *("application/json; x*=bogus''%41", "a/b/c", "\xff\xfe", "x" * 10_000, "text/html," * 500),
    ],
    ids=lambda accept: accept[:20],
)
def test_what_we_do_not_speak_is_refused_in_what_we_do(api: APIClient, accept: str) -> None:
    response = api.get(URL, HTTP_ACCEPT=accept)

    if accept not in {"", ","}:
        refused(response, 406)


@pytest.mark.parametrize(
    "accept",
    ["application/json", "*/*", "application/*", "text/html, */*;q=0.1", "application/json; indent=8", ""],
)
def test_json_is_answered_to_who_takes_it(api: APIClient, accept: str) -> None:
    response = api.get(URL, HTTP_ACCEPT=accept)

    assert (response.status_code, response["Content-Type"]) == (200, JSON)
    assert response.content == b"[]"


def test_no_parameter_chooses_another_representation(api: APIClient) -> None:
    provider = make_provider()
    for wanted in ("api", "html", "json", "xml"):
        assert "format" in refused(api.get(URL, {"format": wanted}), 400)["errors"]
        response = api.get(f"{URL}/{provider.pk}", {"format": wanted})
        assert (response.status_code, response["Content-Type"]) == (200, JSON)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[" * 100_000,
        b'{"a": 1, "a": 2}',
        b'{"a": NaN}',
        b'{"caption": "\\u0000"}',
        b"\xff",
        b"null",
        b'"x"',
        b"[]",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_a_body_that_is_no_object_is_refused_and_changes_nothing(api: APIClient, body: bytes) -> None:
    provider = make_provider()

    refused(api.post(URL, body, content_type=JSON), 400)
    refused(api.patch(f"{URL}/{provider.pk}", body, content_type=JSON), 400)
    assert list(SMTPProvider.objects.values_list("revision", flat=True)) == [1]


@pytest.mark.parametrize("size", [MIB + 1, 3 * MIB, 12 * MIB])
def test_a_long_body_is_refused(api: APIClient, size: int) -> None:
    refused(api.post(URL, b'"' + b"a" * (size - 2) + b'"', content_type=JSON), 413)


@pytest.mark.parametrize(
    "kind",
    [
        *(
            "text/plain",
            "text/json",
            "application/xml",
            "multipart/form-data; boundary=x",
            "application/vnd.api+json",
        ),
        *("", "json", ";", "application/json; charset=utf-16", "application/json; charset=bogus", "x" * 8000),
        "application/x-www-form-urlencoded",
    ],
    ids=lambda kind: kind[:40],
)
def test_what_is_no_json_is_another_media_type(api: APIClient, kind: str) -> None:
    provider = make_provider()
    for method, path in (("POST", URL), ("PATCH", f"{URL}/{provider.pk}")):
        refused(api.generic(method, path, "caption=x", content_type=kind), 415)
    assert list(SMTPProvider.objects.values_list("name", flat=True)) == ["Shop"]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "GZIP", "gzip, gzip", "x"])
def test_a_compressed_body_is_refused(api: APIClient, coding: str) -> None:
    refused(api.post(URL, BODY, format="json", headers={"Content-Encoding": coding}), 415)


def test_too_many_parameters_are_refused(api: APIClient) -> None:
    refused(api.get(f"{URL}?{'&'.join(f'a{number}=1' for number in range(2000))}"), 400)


def test_who_is_unknown_to_the_host_setting_is_refused(api: APIClient, settings: Any) -> None:
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "CommonMiddleware" not in name]
    for client_host in ("evil.example", "a b", "127.0.0.1:x"):
        refused(api.post(URL, BODY, format="json", HTTP_HOST=client_host), 400)
    assert not SMTPProvider.objects.exists()


def test_a_provider_with_waiting_mail_is_in_use(api: APIClient) -> None:
    provider = make_provider()
    make_message(provider)

    response = api.delete(f"{URL}/{provider.pk}")

    assert "1 mail" in refused(response, 409)["message"]


def test_who_checks_too_often_is_told_when_to_come_back(api: APIClient, alice: User) -> None:
    provider = make_provider(host="unreachable.invalid")
    rows = ConnectionCheck.objects.bulk_create(
        ConnectionCheck(kind=CheckKind.CONNECTION, state="failed", host="h", requested_by=alice)
        for _ in range(10)
    )
    at = timezone.now() - timedelta(seconds=20)
    ConnectionCheck.objects.filter(pk__in=[row.pk for row in rows]).update(created_at=at)

    for headers in ({}, {"Prefer": "respond-async"}):
        response = api.get(f"{URL}/{provider.pk}/status", headers=headers)
        passed = (timezone.now() - at).total_seconds() - 20
        body = refused(response, 429)
        assert 40 - passed <= int(response["Retry-After"]) <= 40
        assert f"{response['Retry-After']} seconds" in body["message"]
    assert provider.checks.count() == 0


@pytest.mark.parametrize(
    "body",
    [
        lambda size: "[" * size,
        lambda size: '"' * size,
        lambda size: '{"caption": "' + "a" * (size - 20) + '"}',
    ],
    ids=["brackets", "quotes", "a long text"],
)
def test_a_bad_body_is_refused_in_time_by_its_length_only(api: APIClient, body: Callable[[int], str]) -> None:
    def refuse(text: str) -> None:
        refused(api.post(URL, text, content_type=JSON), 400)

    assert growth.is_even(refuse, body(MIB), body(MIB // growth.STEP))


def test_a_bad_query_is_refused_in_time_by_its_length_only(api: APIClient) -> None:
    def refuse(size: int) -> None:
        refused(api.get(URL, {"caption": "a" * size, "sort": "-" * size}), 400)

    assert growth.is_even(refuse, MIB, MIB // growth.STEP)
