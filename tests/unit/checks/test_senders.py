"""What a maintainer is told of From addresses that nobody sends for."""

from __future__ import annotations

from io import StringIO
from typing import Any

import django
import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mailconfig.backend import EmailBackend
from mailconfig.checks.senders import check_senders
from tests.factories import make_account, make_user

pytestmark = pytest.mark.django_db


class OwnBackend(EmailBackend):
    """A host project's own."""


def use_backend(settings: Any, path: str) -> None:
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": path}}
    else:
        settings.EMAIL_BACKEND = path


@pytest.fixture(autouse=True)
def ours(settings: Any) -> None:
    use_backend(settings, "mailconfig.backend.EmailBackend")
    settings.DEFAULT_FROM_EMAIL = "Shop <noreply@shop.example>"
    settings.SERVER_EMAIL = "root@localhost"


def complaints() -> list[str]:
    """The settings that it names."""
    found = check_senders(databases=["default"])
    assert {message.id for message in found} <= {"mailconfig.W030"}
    return [message.msg.rpartition("(")[2].rstrip(").") for message in found]


def test_each_address_that_nobody_sends_for_is_named() -> None:
    assert complaints() == ["DEFAULT_FROM_EMAIL", "SERVER_EMAIL"]
    make_account(from_email="other@shop.example", serves_project=True)
    assert complaints() == ["SERVER_EMAIL"]
    make_account(from_email="x@anywhere.example", is_default=True)
    assert complaints() == []


def test_an_account_that_is_not_marked_or_whose_owner_left_is_no_answer_but_is_pointed_at() -> None:
    owner = make_user(is_active=False)
    account = make_account(from_email="NoReply@shop.example", is_default=True, owner=owner)
    assert complaints() == ["DEFAULT_FROM_EMAIL", "SERVER_EMAIL"]
    assert "An account has this address" in str(check_senders(databases=["default"])[0].hint)
    account.owner = None
    account.save()
    assert complaints() == []


def test_nothing_is_asked_of_a_database_unless_that_is_wanted() -> None:
    with CaptureQueriesContext(connection) as queries:
        assert check_senders() == check_senders(databases=None) == check_senders(databases=["other"]) == []
    assert not queries
    said = StringIO()
    call_command("check", "mailconfig", databases=["default"], stderr=said, stdout=said)
    assert "noreply@shop.example (DEFAULT_FROM_EMAIL)" in said.getvalue()


@pytest.mark.parametrize("path", ["django.core.mail.backends.dummy.EmailBackend", "no.such.Backend"])
def test_another_backend_is_none_of_our_business(settings: Any, path: str) -> None:
    use_backend(settings, path)
    assert check_senders(databases=["default"]) == []


def test_a_backend_made_of_ours_is(settings: Any) -> None:
    use_backend(settings, f"{__name__}.OwnBackend")
    assert len(check_senders(databases=["default"])) == 2


@pytest.mark.django_db(transaction=True)
def test_before_the_migrations_it_is_silent() -> None:
    with connection.schema_editor() as editor:
        editor.execute("ALTER TABLE mailconfig_account RENAME TO mailconfig_account_later")
    try:
        assert check_senders(databases=["default"]) == []
    finally:
        with connection.schema_editor() as editor:
            editor.execute("ALTER TABLE mailconfig_account_later RENAME TO mailconfig_account")
