"""What a maintainer is told of the setting that chooses the mail backend."""

from __future__ import annotations

from typing import Any

import django
import pytest

from mailconfig.checks.backend import BACKEND, check_mail_backend

# Django 6.1 warns of whoever sets it, as the tests do here and pytest-django where it sets it back.
pytestmark = pytest.mark.filterwarnings("ignore:The EMAIL_BACKEND setting is deprecated")

OTHERS = [
    "django.core.mail.backends.smtp.EmailBackend",
    "django.core.mail.backends.locmem.EmailBackend",
    "anymail.backends.mailgun.EmailBackend",
]
MISSPELT = [
    ("mailconfig.backends.EmailBackend", "No module named"),
    ("mailconfig.EmailBackend", "does not define"),
    ("mailconfig.backend", "sends no mail"),
    ("mailconfig.backend.EmailBackends", "does not define"),
    ("mailconfig.backend.EmailMessage", "sends no mail"),
    ("mailconfg.backend.EmailBackend", "No module named"),
    ("mail_config.backend.EmailBackend", "No module named"),
    ("Mailconfig.Backend.EmailBackend", "No module named"),
]


@pytest.fixture(
    params=[
        "EMAIL_BACKEND",
        pytest.param(
            "MAILERS",
            marks=pytest.mark.skipif(django.VERSION < (6, 1), reason="MAILERS is a setting of Django 6.1"),
        ),
    ]
)
def choose(request: pytest.FixtureRequest, settings: Any) -> Any:
    """Names a backend in the settings, in either place."""

    def chosen(name: str) -> None:
        if request.param == "MAILERS":
            settings.MAILERS = {"default": {"BACKEND": OTHERS[0]}, "news": {"BACKEND": name}}
        else:
            settings.EMAIL_BACKEND = name

    return chosen


@pytest.mark.parametrize("name", [BACKEND, *OTHERS])
def test_a_backend_that_is_there_or_none_of_ours_is_no_matter(choose: Any, name: str) -> None:
    choose(name)
    assert check_mail_backend() == []


@pytest.mark.parametrize(("name", "why"), MISSPELT)
def test_a_slip_in_the_name_of_ours_is_found_before_the_first_mail(choose: Any, name: str, why: str) -> None:
    choose(name)

    (error,) = check_mail_backend()

    assert error.id == "mailconfig.E017"
    assert repr(name) in error.msg
    assert why in error.msg
    assert BACKEND in str(error.hint)
