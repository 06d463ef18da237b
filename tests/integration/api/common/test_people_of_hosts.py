"""User models of hosts that are not Django's own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User

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
