"""What a project's settings say about servers becomes accounts, once, and what cannot is said."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import django
import pytest
from django.test import override_settings

from mailconfig.models import Account
from tests.factories import make_account
from tests.integration.delivery.imports.conftest import rows_of_everything, run

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database]

SMTP = "django.core.mail.backends.smtp.EmailBackend"
SECRET = "hunter2-geheim"
EMAIL = {
    "EMAIL_BACKEND": SMTP,
    "EMAIL_HOST": "smtp.example.com",
    "EMAIL_PORT": 587,
    "EMAIL_HOST_USER": "shop@example.com",
    "EMAIL_HOST_PASSWORD": SECRET,
    "EMAIL_USE_TLS": True,
    "DEFAULT_FROM_EMAIL": "Shop <mail@example.com>",
}


@contextmanager
def settings_of(**values: Any) -> Iterator[None]:
    """The settings of a project that has these and no others for mail."""
    with warnings.catch_warnings(action="ignore"), override_settings(**values):  # 6.1 warns of EMAIL_*
        yield


def run_with(*arguments: str, **values: Any) -> str:
    with settings_of(**values):
        said = run("--only=settings", *arguments)
    assert SECRET not in said
    return said


def test_email_settings_become_the_default_account() -> None:
    before = rows_of_everything()

    assert "would be made" in run_with(**EMAIL)
    assert rows_of_everything() == before

    said = run_with("--apply", **EMAIL)

    assert "EMAIL_HOST: the account default was made; smtp.example.com, port 587, starttls" in said
    account = Account.objects.get()
    assert (account.host, account.port, account.security) == ("smtp.example.com", 587, "starttls")
    assert (account.authentication, account.username) == ("password", "shop@example.com")
    assert (account.from_name, account.from_email) == ("Shop", "mail@example.com")
    assert (account.is_default, account.serves_project, account.kind) == (True, True, "smtp_provider")
    secret = account.transport_settings().secret
    assert secret is not None
    assert secret.reveal() == SECRET


def test_a_second_run_changes_nothing_also_after_somebody_edited_the_account() -> None:
    run_with("--apply", **EMAIL)
    Account.objects.update(name="Shop's server", from_email="other@example.com")
    before = rows_of_everything()

    said = run_with("--apply", **EMAIL)

    assert "there is an account for it already: Shop's server" in said
    assert rows_of_everything() == before


def test_a_default_account_that_is_there_stays_the_default_one() -> None:
    there = make_account(is_default=True, name="default")

    said = run_with("--apply", **EMAIL)

    assert "another account is the default one already" in said
    assert Account.objects.get(is_default=True) == there
    assert Account.objects.exclude(pk=there.pk).get().name == "default (smtp.example.com)"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ("starttls", "password")),
        ({"EMAIL_USE_TLS": False}, ("none", "password")),
        ({"EMAIL_USE_TLS": False, "EMAIL_USE_SSL": True, "EMAIL_PORT": 465}, ("tls", "password")),
        ({"EMAIL_HOST_PASSWORD": ""}, ("starttls", "none")),
        ({"EMAIL_HOST_USER": ""}, ("starttls", "none")),
    ],
    ids=["starttls", "plain", "tls", "no password", "no user"],
)
def test_encryption_and_login_are_those_django_would_use(
    changed: dict[str, Any], expected: tuple[str, str]
) -> None:
    run_with("--apply", **EMAIL | changed)

    assert Account.objects.values_list("security", "authentication").get() == expected


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"EMAIL_TIMEOUT": 5}, "EMAIL_TIMEOUT is no part of an account"),
        ({"EMAIL_SSL_CERTFILE": "/c.pem"}, "EMAIL_SSL_CERTFILE"),
        ({"EMAIL_USE_TLS": False}, "ALLOW_PLAIN_LOGIN"),
        ({"EMAIL_HOST_PASSWORD": ""}, "only one of user name and password is set"),
        ({"DEFAULT_FROM_EMAIL": "webmaster@localhost", "EMAIL_HOST_USER": "me"}, "no from address is known"),
        ({"EMAIL_PORT": 26, "MAILCONFIG": {}}, "the port 26 is not among ALLOWED_PORTS"),
        ({"EMAIL_HOST": "localhost", "MAILCONFIG": {}}, "ALLOWED_HOSTS or ALLOWED_NETWORKS"),
        ({"EMAIL_HOST": "10.0.0.1", "MAILCONFIG": {}}, "ALLOWED_NETWORKS has to list it"),
    ],
    ids=["timeout", "certificate", "plain login", "half a login", "no from", "port", "localhost", "private"],
)
def test_what_an_account_does_not_hold_is_noted(changed: dict[str, Any], words: str) -> None:
    assert words in run_with("--apply", **EMAIL | changed)
    assert Account.objects.count() == 1


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        (
            "django.core.mail.backends.console.EmailBackend",
            "EMAIL_BACKEND becomes no account: it prints mail",
        ),
        ("django.core.mail.backends.filebased.EmailBackend", "it writes mail into files (EMAIL_FILE_PATH)"),
        ("django.core.mail.backends.locmem.EmailBackend", "it keeps mail in memory"),
        ("django.core.mail.backends.dummy.EmailBackend", "it throws mail away"),
        ("anymail.backends.sendgrid.EmailBackend", "smtp.sendgrid.net with the user name apikey"),
        ("anymail.backends.unisender_go.EmailBackend", "the server that the service names for SMTP"),
        ("shop.mail.Backend", "nothing is known of shop.mail.Backend"),
    ],
)
def test_what_sends_otherwise_becomes_no_account_and_why(backend: str, words: str) -> None:
    said = run_with("--apply", **EMAIL | {"EMAIL_BACKEND": backend})

    assert words in said
    assert "EMAIL_HOST becomes no account: no backend of these settings uses it" in said
    assert not Account.objects.exists()


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"EMAIL_BACKEND": "mailconfig.backend.EmailBackend"}, True),
        ({"EMAIL_BACKEND": "post_office.EmailBackend"}, True),
        ({"EMAIL_BACKEND": "post_office.EmailBackend", "POST_OFFICE": {"BACKENDS": {"default": SMTP}}}, True),
        (
            {
                "EMAIL_BACKEND": "post_office.EmailBackend",
                "POST_OFFICE": {"BACKENDS": {"default": "anymail.backends.brevo.EmailBackend"}},
            },
            False,
        ),
        ({"EMAIL_BACKEND": "mailer.backend.DbBackend"}, True),
        ({"EMAIL_BACKEND": "mailer.backend.DbBackend", "MAILER_EMAIL_BACKEND": "a.B"}, False),
        ({"EMAIL_BACKEND": "djcelery_email.backends.CeleryEmailBackend"}, True),
    ],
)
def test_the_backend_behind_a_queue_is_what_counts(values: dict[str, Any], found: bool) -> None:
    run_with("--apply", **EMAIL | values)

    assert Account.objects.exists() is found


def test_a_server_that_cannot_be_an_account_is_named_with_the_reason() -> None:
    said = run_with("--apply", **EMAIL | {"EMAIL_HOST": "127.1", "DEFAULT_FROM_EMAIL": "a@b@c"})

    assert "EMAIL_HOST becomes no account: " in said
    assert "host: Enter the server's name" in said
    assert not Account.objects.exists()


def test_settings_without_a_server_say_so() -> None:
    said = run_with("--apply", EMAIL_BACKEND=SMTP)

    assert "EMAIL_HOST becomes no account: it is not set" in said


def test_a_user_name_that_may_be_a_token_is_not_shown() -> None:
    said = run_with(**EMAIL | {"EMAIL_HOST_USER": "0a1b2c3d-token"})

    assert "logs in" in said
    assert "0a1b2c3d" not in said


MAILERS = {
    "default": {
        "BACKEND": SMTP,
        "OPTIONS": {
            "host": "smtp.example.com",
            "username": "shop@example.com",
            "password": SECRET,
            "use_tls": True,
        },
    },
    "news": {
        "BACKEND": SMTP,
        "OPTIONS": {
            "host": "bulk.example.com",
            "username": "news@example.com",
            "password": SECRET,
            "use_ssl": True,
        },
    },
    "logs": {"BACKEND": "django.core.mail.backends.console.EmailBackend"},
    "ours": {"BACKEND": "mailconfig.backend.EmailBackend"},
    "api": {"BACKEND": "anymail.backends.postmark.EmailBackend", "OPTIONS": {"server_token": SECRET}},
    "empty": {"BACKEND": SMTP},
}


@pytest.mark.skipif(django.VERSION < (6, 1), reason="MAILERS came with Django 6.1")
def test_each_mailer_becomes_an_account_of_its_name() -> None:
    said = run_with("--apply", MAILERS=MAILERS, DEFAULT_FROM_EMAIL="mail@example.com")

    assert "MAILERS['logs'] becomes no account: it prints mail" in said
    assert "MAILERS['api'] becomes no account: anymail" in said
    assert "MAILERS['empty'] becomes no account: its OPTIONS name no host" in said
    found = Account.objects.values_list("name", "host", "port", "security", "from_email", "is_default")
    assert set(found) == {
        ("default", "smtp.example.com", 587, "starttls", "mail@example.com", True),
        ("news", "bulk.example.com", 465, "tls", "news@example.com", False),
    }
    before = rows_of_everything()
    run_with("--apply", MAILERS=MAILERS, DEFAULT_FROM_EMAIL="mail@example.com")
    assert rows_of_everything() == before
