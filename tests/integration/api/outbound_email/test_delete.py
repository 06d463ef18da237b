"""Deleting an account: gone from every read, its password wiped, never while mail of it waits."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from mailconfig.models import Account, Message
from tests.bearer import client_of
from tests.factories import make_message
from tests.integration.api.outbound_email.conftest import (
    URL,
    at,
    put,
    stored,
    stored_override,
    stored_system,
)

pytestmark = pytest.mark.django_db


def test_what_is_deleted_is_gone_from_every_read_and_kept_as_deleted(alice: User) -> None:
    account = stored(None, alice)

    answer = client_of(alice).delete(at(account))

    assert (answer.status_code, answer.json()) == (200, {"id": str(account.uuid)})
    assert client_of(alice).get(URL).json()["records"] == []
    for again in (
        client_of(alice).get(at(account)),
        put(alice, account, {}),
        client_of(alice).delete(at(account)),
    ):
        assert (again.status_code, again.json()["error"]) == (404, "not_found")
    kept = Account.objects.get()
    assert kept.deleted_at is not None
    assert (kept.secret, kept.updated_by) == (None, alice)


@pytest.mark.parametrize("count", [1, 3])
def test_an_account_with_unsent_mail_stays_and_says_how_many_wait(alice: User, count: int) -> None:
    account = stored(None, alice)
    for _ in range(count):
        make_message(account)

    answer = client_of(alice).delete(at(account))

    assert (answer.status_code, answer.json()["error"]) == (422, "in_use")
    assert answer.json()["error_message"].startswith(f"{count} mail")
    assert client_of(alice).get(at(account)).status_code == 200

    Message.objects.all().delete()
    assert client_of(alice).delete(at(account)).status_code == 200


def test_what_the_application_made_cannot_be_deleted(alice: User, root: User) -> None:
    system, override = stored_system(None), stored_override(alice)

    for user, account in ((root, system), (root, override), (alice, override)):
        answer = client_of(user).delete(at(account))
        assert (answer.status_code, answer.json()["error"]) == (403, "not_authorized")
        assert client_of(user).get(at(account)).status_code == 200
