"""User models of hosts that are not Django's own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from mailconfig.models import Account
from mailconfig.models.access import allowed, holds
from tests.factories import make_account, make_user

pytestmark = pytest.mark.django_db


def test_who_knows_no_permissions_has_none_and_sees_his_own() -> None:
    alice = make_user("alice")
    mine = make_account(owner=alice)
    make_account(owner=make_user("bob"))
    person: Any = SimpleNamespace(pk=alice.pk, is_active=True)  # as AbstractBaseUser without PermissionsMixin

    assert list(Account.objects.filter(allowed(person, "view"))) == [mine]
    assert holds(person, "test_account") is False


def test_mail_comes_from_the_address_that_the_user_model_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(User, "EMAIL_FIELD", "first_name")
    account = make_account(from_email="", owner=make_user(first_name="other@example.com"))

    assert account.sender == "other@example.com"
    assert make_account(from_email="").sender == ""


def test_who_is_no_longer_active_is_not_let_in_by_a_host_that_does_not_ask(settings: Any) -> None:
    settings.REST_FRAMEWORK = {
        "DEFAULT_AUTHENTICATION_CLASSES": [f"{__package__}.hosts.CarelessAuthentication"]
    }
    make_user("gone", is_superuser=True, is_active=False)
    make_user("here", is_superuser=True)
    client = APIClient(raise_request_exception=False)

    for name, statuses in (("gone", {401}), ("here", {200, 404, 422})):
        client.credentials(HTTP_AUTHORIZATION=f"Careless {name}")
        for method, path in (
            ("get", "/rest/v10/OutboundEmail"),
            ("post", "/rest/v10/OutboundEmail"),
            ("post", "/rest/v10/OutboundEmail/testUserOverride"),
            ("get", "/api/v2/mail/providers"),
            ("get", "/api/v2/mail/providers/checks/8c7bd3c9-9a9b-4d29-a2cb-6a1ff6e2a8a1"),
            ("post", "/auth/realms/acme/mail/setup"),
        ):
            assert getattr(client, method)(path, secure=True).status_code in statuses, (name, path)
