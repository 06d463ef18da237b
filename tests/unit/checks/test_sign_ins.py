"""Checks of what a sign-in at a service needs, each of which would otherwise show as a Connect that fails."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from mailconfig.checks.sign_ins import check_registrations, check_sign_ins
from tests.factories import make_account, make_oauth2_client, make_oauth2_grant

BASE = "https://mail.example.com"
CLOUD = {"microsoft": "https://login.microsoftonline.us"}


@pytest.mark.parametrize(
    ("ours", "django", "ids"),
    [
        ({}, {}, []),
        ({"OAUTH2_AUTHORITIES": CLOUD}, {}, ["W034"]),
        ({"OAUTH2_AUTHORITIES": CLOUD, "OAUTH2_REDIRECT_BASE": BASE}, {}, []),
        ({"OAUTH2_AUTHORITIES": {"microsoft": "https://x.example:8443"}}, {}, ["E042", "W034"]),
        ({"OAUTH2_AUTHORITIES": {"google": "https://10.0.0.1"}}, {}, ["E042", "W034"]),
        ({"OAUTH2_REDIRECT_BASE": BASE}, {"ALLOWED_HOSTS": ["example.com"]}, ["E043"]),
        ({"OAUTH2_REDIRECT_BASE": f"{BASE}:8443/"}, {"ALLOWED_HOSTS": [".example.com"]}, []),
        ({"OAUTH2_REDIRECT_BASE": "http://[::1]:8000"}, {"ALLOWED_HOSTS": [], "DEBUG": True}, []),
        ({"OAUTH2_REDIRECT_BASE": "http://localhost:8000"}, {"ALLOWED_HOSTS": []}, ["E043"]),
        ({"OAUTH2_REDIRECT_BASE": BASE}, {"ROOT_URLCONF": "django.contrib.auth.urls", "LOGIN_URL": "login"}, ["E044"]),
        ({"OAUTH2_REDIRECT_BASE": BASE}, {"SESSION_COOKIE_SAMESITE": "Strict"}, ["W035"]),
        ({}, {"SESSION_COOKIE_SAMESITE": "Strict"}, []),
        ({"OAUTH2_REDIRECT_BASE": BASE}, {"LOGIN_URL": "/accounts/login/"}, ["W036"]),
        ({"OAUTH2_REDIRECT_BASE": BASE}, {"LOGIN_URL": "https://sso.example.com/"}, []),
        ({"OAUTH2_REDIRECT_BASE": "http://mail.example.com"}, {}, []),  # E010 says so
    ],
)  # fmt: skip
def test_what_would_keep_a_sign_in_from_ending_is_said_before(
    ours: dict[str, Any], django: dict[str, Any], ids: list[str], settings: Settings
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, **ours}
    for name, value in {"ALLOWED_HOSTS": ["mail.example.com"], "LOGIN_URL": "admin:login", **django}.items():
        setattr(settings, name, value)
    assert [message.id for message in check_sign_ins()] == [f"mailconfig.{one}" for one in ids]


@pytest.mark.django_db
def test_app_registrations_that_are_of_no_use_are_named(settings: Settings) -> None:
    assert check_registrations(databases=["default"]) == []
    fine = make_oauth2_client(name="fine")
    make_oauth2_grant(
        make_account(authentication="oauth2", secret=None), client=fine, grant_type="client_credentials"
    )
    assert check_registrations(databases=["default"]) == []
    endpoints = {
        "authorization_endpoint": "https://x.example/a",
        "token_endpoint": "https://x.example:8443/token",
    }
    odd = make_oauth2_client(
        name="odd", provider="generic", directory="", scopes="x", mail_servers="x", **endpoints
    )
    assert check_registrations(databases=None) == []
    one, two = check_registrations(databases=["default"])
    assert (one.id, two.id) == ("mailconfig.W033", "mailconfig.W034")
    assert "odd" in one.msg
    assert "fine" not in one.msg
    settings.MAILCONFIG = {
        **settings.MAILCONFIG,
        "OAUTH2_REDIRECT_BASE": "https://mail.example.com",
        "WEB_PORTS": None,
    }
    assert check_registrations(databases=["default"]) == []
    assert str(odd) == "odd"
