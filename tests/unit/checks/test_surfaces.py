"""What a maintainer is told of the settings of the REST surfaces."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import UUIDField

from mailconfig.checks.deployment import check_settings
from mailconfig.checks.surfaces import check_api_authentication, check_surfaces, check_user_keys


def test_the_defaults_are_sound() -> None:
    assert check_surfaces() == []
    assert check_api_authentication() == []


def test_a_surface_that_there_is_not_is_named(settings: Any) -> None:
    settings.MAILCONFIG = {"SURFACES": ["providers", "provider"]}

    (error,) = check_surfaces()

    assert error.id == "mailconfig.E013"
    assert "'provider'" in error.msg
    assert "providers" in str(error.hint)


def test_no_surface_at_all_is_a_choice(settings: Any) -> None:
    settings.MAILCONFIG = {"SURFACES": []}
    assert check_surfaces() == []


def test_users_without_whole_numbers_do_not_fit_the_surface_of_mailboxes(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check_user_keys() == []
    monkeypatch.setattr(User._meta, "pk", UUIDField())

    (warning,) = check_user_keys()

    assert warning.id == "mailconfig.W015"
    assert "UUIDField" in warning.msg
    settings.MAILCONFIG = {"SURFACES": ["providers"]}
    assert check_user_keys() == []


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("rest_framework.authentication.NoSuchAuthentication", "does not define"),
        ("no_such_package.Authentication", "No module named"),
        ("Authentication", "doesn't look like a module path"),
        ("rest_framework.permissions.IsAuthenticated", "something else"),
        ("django.conf.settings", "something else"),
        ("django.contrib.flatpages.models.FlatPage", "INSTALLED_APPS"),
    ],
)
def test_what_lets_nobody_in_is_named_and_why(settings: Any, path: str, why: str) -> None:
    settings.MAILCONFIG = {"API_AUTHENTICATION": ["rest_framework.authentication.TokenAuthentication", path]}

    (error,) = [error for error in check_api_authentication() if repr(path) in error.msg]

    assert error.id == "mailconfig.E014"
    assert why in str(error.hint)


@pytest.mark.parametrize("key", ["SURFACES", "API_AUTHENTICATION", "ALLOWED_HOSTS"])
def test_a_text_where_a_list_belongs_is_an_error(settings: Any, key: str) -> None:
    settings.MAILCONFIG = {key: "providers"}

    (error,) = check_settings()

    assert error.id == "mailconfig.E010"
    assert key in error.msg
    assert check_surfaces() == check_api_authentication() == check_user_keys() == []
