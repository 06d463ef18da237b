"""The surface under settings, middleware and places of a host that are not those of the tests."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import include, path
from rest_framework.test import APIClient

from mailconfig.api.common.request_ids import RequestIdFilter
from tests.bearer import client_of
from tests.integration.api.calls import BODY, URL, make_provider, refused
from tests.integration.api.conftest import LOGIN, PASSWORD
from tests.servers.chaos import ChaosServer

pytestmark = pytest.mark.django_db

PROVIDERS = "mailconfig.api.providers.urls"


class Elsewhere:
    """A host that mounts the surface at a place of its own."""

    urlpatterns = [path("shop/mail/", include(PROVIDERS))]


class Twice:
    """A host that mounts the surface twice, under namespaces."""

    urlpatterns = [
        path("first/", include((PROVIDERS, "mail"), namespace="first")),
        path("second/", include((PROVIDERS, "mail"), namespace="second")),
    ]


@pytest.mark.parametrize(
    ("host", "prefix"), [(Elsewhere, "/shop/mail"), (Twice, "/first"), (Twice, "/second")]
)
def test_places_are_right_wherever_a_host_mounts_the_surface(
    settings: Any, api: APIClient, host: Any, prefix: str
) -> None:
    settings.ROOT_URLCONF = host

    created = api.post(f"{prefix}/providers", BODY, format="json")
    here = f"http://testserver{prefix}/providers"
    assert created["Location"] == f"{here}/{created.json()['id']}"
    assert api.get(created["Location"]).json() == created.json()

    asked = api.get(f"{created['Location']}/status", headers={"Prefer": "respond-async"})
    assert asked["Location"] == f"{here}/checks/{asked.json()['id']}"
    assert api.get(asked["Location"]).json() == asked.json()

    make_provider()
    page = api.get(f"{prefix}/providers?limit=1&offset=1")
    assert f'<{here}?limit=1>; rel="prev"' in page["Link"]
    assert client_of(None).get(URL).status_code == 404


def test_a_surface_that_is_switched_off_is_not_there(settings: Any, api: APIClient) -> None:
    provider = make_provider()
    settings.MAILCONFIG = {**settings.MAILCONFIG, "SURFACES": ["outbound_email"]}

    bodies = [
        refused(client.generic(method, where), 404)
        for client in (api, client_of(None))
        for method in ("GET", "POST", "OPTIONS", "PUT")
        for where in (URL, f"{URL}/{provider.pk}", f"{URL}/{provider.pk}/status", f"{URL}/checks/x")
    ]

    assert all(body == bodies[0] for body in bodies)


@pytest.fixture
def atomic_requests() -> Any:
    """The host wants every request in a transaction."""
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    yield
    connection.settings_dict["ATOMIC_REQUESTS"] = False


@pytest.mark.django_db(transaction=True)
def test_a_host_with_a_transaction_around_every_request_still_checks(
    atomic_requests: None, api: APIClient, server: ChaosServer
) -> None:
    created = api.post(URL, BODY | {"host": "127.0.0.1", "port": server.port}, format="json")

    assert created.status_code == 201
    assert api.get(f"{created['Location']}/status").status_code == 204
    assert server.auth_attempts == [("PLAIN", LOGIN, PASSWORD)]


def test_the_hosts_own_settings_of_rest_framework_change_nothing(settings: Any, api: APIClient) -> None:
    provider = make_provider()
    plain = api.get(f"{URL}/{provider.pk}").content
    listed = api.get(URL).content
    bad = api.post(URL, {"caption": []}, format="json").content
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.BrowsableAPIRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.FormParser"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
        "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.UserRateThrottle"],
        "DEFAULT_THROTTLE_RATES": {"user": "1/day"},
        "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.CursorPagination",
        "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
        "DEFAULT_VERSION": "7",
        "DEFAULT_METADATA_CLASS": "rest_framework.metadata.SimpleMetadata",
        "DEFAULT_SCHEMA_CLASS": "rest_framework.schemas.openapi.AutoSchema",
        "EXCEPTION_HANDLER": "tests.no.such.handler",
        "NON_FIELD_ERRORS_KEY": "everything",
        "DATETIME_FORMAT": "%d.%m.%Y",
        "UNICODE_JSON": False,
        "COMPACT_JSON": False,
        "STRICT_JSON": False,
        "URL_FORMAT_OVERRIDE": "caption",
        "FORMAT_SUFFIX_KWARG": "provider_id",
        "PAGE_SIZE": 1,
    }

    for _ in range(3):
        assert api.get(f"{URL}/{provider.pk}").content == plain
        assert api.get(URL).content == listed
        assert api.post(URL, {"caption": []}, format="json").content == bad
    assert api.post(URL, [], format="json").json()["errors"] == {}
    refused(client_of(None).get(URL), 401)


JAPANESE = "このアクションを実行する権限がありません。"
"""REST framework's own words for 403."""


@pytest.mark.parametrize("with_middleware", [True, False])
def test_the_client_chooses_the_language_whether_the_host_has_languages_or_not(
    settings: Any, bob: User, with_middleware: bool
) -> None:
    if not with_middleware:
        settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "LocaleMiddleware" not in name]
    client = client_of(bob)

    japanese = client.get(URL, headers={"Accept-Language": "tlh, ja-JP;q=0.9, en;q=0.1"})
    assert refused(japanese, 403)["message"] == JAPANESE
    assert japanese["Content-Language"] == "ja"
    for header in ("", "tlh", "*", "garbage;;q", "en"):
        english = client.get(URL, headers={"Accept-Language": header})
        assert "permission" in refused(english, 403)["message"]
        assert english["Content-Language"] == "en"


def test_neither_cookie_nor_session_chooses_the_language(bob: User) -> None:
    client = client_of(bob)
    client.cookies["django_language"] = "ja"

    assert client.get(URL)["Content-Language"] == "en"


def test_who_is_not_let_in_is_told_so_in_his_language() -> None:
    response = client_of(None).get(URL, headers={"Accept-Language": "ja"})

    assert not refused(response, 401)["message"].isascii()
    assert response["Content-Language"] == "ja"


def test_a_host_without_translations_answers_in_its_language(settings: Any, bob: User) -> None:
    from django.utils import translation
    from django.utils.translation import trans_null

    kept = dict(vars(translation._trans))  # type: ignore[attr-defined]
    settings.USE_I18N = False
    vars(translation._trans).clear()  # type: ignore[attr-defined]
    try:
        for header in ("ja", "", "garbage;;"):
            response = client_of(bob).get(URL, headers={"Accept-Language": header})
            assert "permission" in refused(response, 403)["message"]
            assert response["Content-Language"] == "en"
        assert translation._trans.gettext is trans_null.gettext  # type: ignore[attr-defined]
    finally:
        vars(translation._trans).clear()  # type: ignore[attr-defined]
        vars(translation._trans).update(kept)  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", [URL, f"{URL}/1", f"{URL}/1/status", f"{URL}/checks/x"])
def test_the_clients_request_id_comes_back_whatever_becomes_of_the_request(bob: User, path: str) -> None:
    for client in (client_of(bob), client_of(None)):
        assert client.get(path, headers={"X-Request-ID": "req-1"})["X-Request-ID"] == "req-1"
        for bad in ("a\r\nX-Evil: 1", "a" * 10_240, "", "é"):
            response = client.get(path, headers={"X-Request-ID": bad})
            assert len(response["X-Request-ID"]) == 32
            assert "X-Evil" not in response


def test_a_request_is_logged_under_its_id_and_without_its_query(
    api: APIClient, caplog: pytest.LogCaptureFixture
) -> None:
    handler = caplog.handler
    handler.addFilter(RequestIdFilter())
    try:
        with caplog.at_level(logging.INFO, logger="mailconfig.api"):
            api.get(URL, {"caption": "canary-not-real"}, headers={"X-Request-ID": "req-7"})
    finally:
        handler.filters.clear()

    (record,) = [record for record in caplog.records if record.name == "mailconfig.api"]
    assert vars(record)["request_id"] == "req-7"
    assert "GET api/v2/mail/providers 200" in record.getMessage()
    assert "canary" not in record.getMessage()


def test_a_caller_is_known_by_few_queries(api: APIClient) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        api.get(URL)

    # The tests' token, the user's and the groups' permissions, the count, the page.
    assert len(queries) == 5
