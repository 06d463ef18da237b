"""An account remembers for which destination its stored secret was entered."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from mailconfig.models import Account
from mailconfig.values import Secret
from tests.factories import make_account

pytestmark = pytest.mark.django_db


def test_what_was_reloaded_counts_as_stored_and_not_as_edited() -> None:
    account = make_account(25, username="me")
    elsewhere = Account.objects.get(pk=account.pk)
    elsewhere.host, elsewhere.secret = "127.0.0.2", Secret("not-a-real-password-either")
    elsewhere.save()

    account.refresh_from_db()
    account.name = "Another name"
    account.save()

    assert Account.objects.get(pk=account.pk).name == "Another name"


@pytest.mark.parametrize("fields", [None, ["revision"], ["secret"]])
def test_reloading_forgets_no_edit_of_the_destination(fields: list[str] | None) -> None:
    account = make_account(25, username="me")
    account.refresh_from_db(fields=fields)
    account.host = "127.0.0.2"
    if fields:
        account.refresh_from_db(fields=fields)
    with pytest.raises(ValidationError, match="enter the password again"):
        account.save()


def test_reloading_loads_nothing_that_was_left_out(django_assert_num_queries: object) -> None:
    account = Account.objects.only("name").get(pk=make_account(25, username="me").pk)
    with django_assert_num_queries(1):  # type: ignore[operator]
        account.refresh_from_db()
    assert "host" in account.get_deferred_fields()
