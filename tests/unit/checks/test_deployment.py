"""The checks a maintainer sees at ``manage.py check``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from mailconfig.checks.database import check_sqlite
from mailconfig.checks.deployment import check_deployment, check_name_of_settings, check_settings
from mailconfig.checks.surfaces import check_api_authentication, check_surfaces


def ids(messages: list[Any]) -> set[str]:
    """Their ids."""
    return {message.id for message in messages}


def test_a_sound_configuration_is_quiet() -> None:
    assert check_settings() == []


def test_an_unknown_key_is_named(settings: Any) -> None:
    settings.MAILCONFIG = {"WINDOWS": 3}
    (error,) = check_settings()
    assert error.id == "mailconfig.E010"
    assert "WINDOWS" in error.msg


def test_each_thing_that_is_wrong_is_an_error_of_its_own_and_no_traceback(settings: Any) -> None:
    settings.MAILCONFIG = {"WINDOW": 0, "lower_case": 1, "OUTBOX": "0"}
    assert [error.id for error in check_settings()] == ["mailconfig.E010"] * 3
    assert check_deployment() == check_surfaces() == check_api_authentication() == []


@pytest.mark.parametrize("name", ["MAIL_CONFIG", "MAILCONFIG_WINDOW", "MAILCONFIGS"])
def test_settings_under_a_name_that_nobody_reads_are_found(settings: Any, name: str) -> None:
    del settings.MAILCONFIG
    assert check_name_of_settings() == []
    setattr(settings, name, {"WINDOW": 2})

    (warning,) = check_name_of_settings()

    assert warning.id == "mailconfig.W014"
    assert name in warning.msg


@pytest.mark.parametrize(("content", "why"), [(None, "No such file"), ("no certificate", "certificate")])
def test_authorities_that_cannot_be_read_are_an_error(
    settings: Any, tmp_path: Path, content: str | None, why: str
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    settings.MAILCONFIG = {"CA_FILE": file}

    (error,) = check_settings()

    assert error.id == "mailconfig.E016"
    assert why in error.msg


def test_a_storage_that_is_not_there_is_an_error(settings: Any) -> None:
    settings.MAILCONFIG = {"STORAGE": "nowhere"}
    assert ids(check_settings()) == {"mailconfig.E011"}


def test_times_have_to_know_their_time_zone(settings: Any) -> None:
    settings.USE_TZ = False
    assert ids(check_settings()) == {"mailconfig.E015"}


def test_an_address_for_all_mail_must_be_one(settings: Any) -> None:
    settings.MAILCONFIG = {"REDIRECT_ALL_TO": "tester"}
    assert ids(check_settings()) == {"mailconfig.E012"}


def test_a_deployment_is_asked_for_its_id_and_warned_of_relaxations(settings: Any) -> None:
    settings.MAILCONFIG = {"OUTBOX": True, "ALLOW_PLAIN_LOGIN": True}
    assert ids(check_deployment()) == {"mailconfig.W011", "mailconfig.W012", "mailconfig.W013"}


def test_what_files_and_tokens_may_cross_is_warned_of(settings: Any) -> None:
    settings.MAILCONFIG = {
        "INSTALLATION_ID": "x",
        "ALLOW_PLAIN_HTTP": True,
        "ATTACHMENT_NETWORKS": ["10.0.0.0/8"],
    }
    assert ids(check_deployment()) == {"mailconfig.W016", "mailconfig.W017"}

    settings.MAILCONFIG |= {"PUBLIC_BASE_URL": "http://localhost:8000"}
    assert ids(check_deployment()) == {"mailconfig.W016", "mailconfig.W017", "mailconfig.W018"}

    settings.MAILCONFIG |= {"PUBLIC_BASE_URL": "https://mail.example.com"}
    settings.MAILCONFIG |= {"ATTACHMENT_HOSTS": ["files.internal"], "ALLOW_PLAIN_HTTP": False}
    assert ids(check_deployment()) == set()


@pytest.mark.django_db  # or it would be left to a run on PostgreSQL beside
@pytest.mark.skipif(connections["default"].vendor != "sqlite", reason="SQLite's own settings")
def test_sqlite_is_asked_for_wal_and_immediate_transactions() -> None:
    given = connections["default"].settings_dict
    kept = dict(given)
    given["NAME"] = "some.sqlite3"
    try:
        assert check_sqlite() == []
        given["OPTIONS"] = {}
        assert ids(check_sqlite()) == {"mailconfig.W020", "mailconfig.W021"}
    finally:
        given.update(kept)


class NoResolver:
    """Cannot resolve."""


@pytest.mark.parametrize(
    ("resolver", "words"),
    [
        ("nowhere.Resolver", "ModuleNotFoundError"),
        (f"{__name__}.Missing", "ImportError"),
        (f"{__name__}.NoResolver", "has no method resolve"),
        ("math.pi", "TypeError"),
    ],
)
def test_a_resolver_that_cannot_be_made_is_an_error(settings: Any, resolver: str, words: str) -> None:
    settings.MAILCONFIG = {"PII_RESOLVER": resolver}
    (error,) = check_settings()
    assert error.id == "mailconfig.E040"
    assert words in error.msg


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"PII_RESOLVER_URL": ""}, "begins with https://"),
        ({"PII_RESOLVER_URL": "http://directory.example.com/"}, "begins with https://"),
        ({"PII_RESOLVER_URL": "https://directory.example.com:8443/"}, "port 8443"),
        ({"PII_RESOLVER_URL": "https://127.0.0.1/"}, "not allowed"),
        ({"PII_RESOLVER_HEADERS": {"Authorization": "Bearer ü"}}, "cannot be written"),
        ({"PII_RESOLVER_HEADERS": {"Not a name": "x"}}, "cannot be written"),
    ],
)
def test_a_service_that_cannot_be_asked_is_an_error(
    settings: Any, changed: dict[str, object], words: str
) -> None:
    usable = {
        "PII_RESOLVER": "mailconfig.resolvers.http.HttpResolver",
        "PII_RESOLVER_URL": "https://directory.example.com/resolve",
        "PII_RESOLVER_HEADERS": {"Authorization": "Bearer secret"},
    }
    settings.MAILCONFIG = usable
    assert check_settings() == []
    settings.MAILCONFIG = usable | changed
    (error,) = check_settings()
    assert error.id == "mailconfig.E041"
    assert words in error.msg
    assert "Bearer" not in error.msg
