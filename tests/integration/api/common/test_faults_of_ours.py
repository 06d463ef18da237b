"""A fault of ours, or of the host's: what error reports show of the request."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.signals import got_request_exception
from django.db.models.signals import post_init, pre_save
from django.http import HttpRequest
from django.views.debug import ExceptionReporter

from mailconfig.models import OutboundEmail, SMTPProvider, Tenant, TenantMailConfig
from tests.bearer import client_of
from tests.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)

CANARY = "canary-not-a-real-password"


@pytest.fixture
def root() -> User:
    """A superuser."""
    return make_user("root", is_superuser=True)


@pytest.fixture
def broken_host() -> Iterator[None]:
    """Receivers of the host's that fail."""

    def fail(**_kwargs: Any) -> None:
        raise RuntimeError("a fault of the host's")

    post_init.connect(fail, sender=OutboundEmail)
    for sender in (SMTPProvider, TenantMailConfig):
        pre_save.connect(fail, sender=sender)
    yield
    post_init.disconnect(fail, sender=OutboundEmail)
    for sender in (SMTPProvider, TenantMailConfig):
        pre_save.disconnect(fail, sender=sender)


@pytest.fixture
def reports() -> Iterator[list[str]]:
    """The pages that Django shows with DEBUG, which hold the variables of every frame."""
    written: list[str] = []

    def write(request: HttpRequest | None = None, **_kwargs: Any) -> None:
        written.append(ExceptionReporter(request, *sys.exc_info()).get_traceback_html())

    got_request_exception.connect(write)
    yield written
    got_request_exception.disconnect(write)


@pytest.mark.parametrize(
    ("url", "name", "body"),
    [
        (
            "/rest/v10/OutboundEmail",
            "mail_smtppass",
            {
                "name": "Mine",
                "mail_smtpserver": "smtp.example.com",
                "mail_smtpuser": "me",
                "mail_smtpauth_req": True,
            },
        ),
        (
            "/rest/v10/OutboundEmail/testUserOverride",
            "mail_smtppass",
            {"to_address": "you@example.com", "mail_smtpuser": "me"},
        ),
        (
            "/api/v2/mail/providers",
            "password",
            {
                "driver": "smtp",
                "host": "smtp.example.com",
                "port": 587,
                "username": "shop",
                "sendFrom": "shop@example.com",
                "sendFromName": "Shop",
                "encryption": "tls",
                "isEnabled": True,
            },
        ),
        (
            "/auth/realms/acme/mail/setup",
            "password",
            {"host": "smtp.example.com", "from": "noreply@acme.example", "user": "acme"},
        ),
    ],
)
def test_no_report_of_a_fault_holds_an_entered_password(
    root: User,
    broken_host: None,
    reports: list[str],
    settings: Any,
    url: str,
    name: str,
    body: dict[str, Any],
) -> None:
    settings.DEBUG = True
    Tenant.objects.create(slug="acme", name="Acme")

    response = client_of(root).post(url, body | {name: CANARY}, format="json", secure=True)

    assert response.status_code == 500
    (report,) = reports
    assert "a fault of the host" in report
    assert CANARY not in report
