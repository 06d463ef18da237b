"""Deleted accounts hold nobody back, and are forgotten."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import ProtectedError
from django.utils import timezone

from mailconfig import delivery
from mailconfig.models import Account, Attempt, ConnectionCheck, Lane, Mailbox, Message, Tenant
from tests.factories import make_account, make_message, make_tenant, make_user

pytestmark = pytest.mark.django_db(transaction=True)

KINDS = ("outbound_email", "smtp_provider", "tenant_config", "mailbox")
PERSONAL: dict[str, Any] = {
    "name": "Anna's account",
    "preset": "other",
    "from_email": "anna@acme.example",
    "from_name": "Anna",
    "reply_to_email": "answers@acme.example",
    "reply_to_name": "Answers",
    "envelope_from": "bounces@acme.example",
    "host": "smtp.acme.example",
    "username": "anna@acme.example",
}


def deleted(*, days: int = 0, **values: Any) -> Account:
    """An account that was deleted so many days ago."""
    account = make_account(**PERSONAL | values)
    Lane.objects.filter(account=account).update(wait_text="anna@ is over quota", last_error_text="no anna@")
    ConnectionCheck.objects.create(account=account, kind="connection", host=account.host, state="passed")
    delivery.delete_account(account_id=account.pk, by=values.get("owner"))
    Account.objects.filter(pk=account.pk).update(deleted_at=timezone.now() - timedelta(days=days))
    return account


def long_sent(account: Account, *, days: int) -> Message:
    """Mail that was sent through it, with its attempt."""
    then = timezone.now() - timedelta(days=days)
    message = make_message(account, state="sent", settled_at=then, tenant_id=account.tenant_id, body=None)
    times = {"started_at": then, "handed_over_at": then, "ended_at": then}
    Attempt.objects.create(account_id=account.pk, message=message, outcome="sent", **times)
    return message


@pytest.mark.parametrize("kind", KINDS)
def test_people_and_tenants_are_deleted_while_a_deleted_account_of_theirs_is_remembered(kind: str) -> None:
    anna, acme = make_user("anna"), make_tenant(slug="acme")
    message = long_sent(deleted(kind=kind, owner=anna, tenant=acme), days=1)

    anna.delete()
    acme.delete()

    assert not User.objects.exists()
    assert not Tenant.objects.exists()
    message.refresh_from_db()
    assert (message.tenant_id, message.account.owner, message.account.tenant) == (None, None, None)


@pytest.mark.parametrize("kind", KINDS)
def test_people_and_tenants_with_an_account_that_is_there_are_not_deleted(kind: str) -> None:
    anna, acme = make_user("anna"), make_tenant(slug="acme")
    deleted(kind=kind, owner=anna, tenant=acme)
    account = make_account(kind=kind, owner=anna, tenant=acme)

    for protected in (anna, acme):
        with pytest.raises(ProtectedError):
            protected.delete()

    account.refresh_from_db()
    assert (account.owner, account.tenant) == (anna, acme)


@pytest.mark.parametrize("kind", KINDS)
def test_after_the_longest_window_a_deleted_account_is_a_number_and_after_its_last_mail_nothing(
    settings: Any, kind: str
) -> None:
    anna, acme = make_user("anna"), make_tenant(slug="acme")
    account = deleted(days=9, kind=kind, owner=anna, tenant=acme, created_by=anna, updated_by=anna)
    fresh = deleted(days=7, kind=kind, owner=anna, tenant=acme)
    there = make_account(kind=kind, owner=anna, tenant=acme, **PERSONAL)
    message = long_sent(account, days=9)

    assert delivery.purge().accounts == 0

    row: dict[str, Any] = dict(Account.objects.values().get(pk=account.pk))
    names = {**PERSONAL, "owner_id": anna.pk, "tenant_id": acme.pk, "created_by_id": 1, "updated_by_id": 1}
    assert {name for name in names if row[name]} == set()
    assert not ConnectionCheck.objects.filter(account=account).exists()
    lane = Lane.objects.get(account=account)
    assert (lane.wait_text, lane.last_error_text) == ("", "")
    assert message.attempt_set.get().account_id == account.pk
    for other in (fresh, there):
        assert Account.objects.get(pk=other.pk).host == PERSONAL["host"]
    anna_s = ConnectionCheck.objects.get()
    assert anna_s.account_id == fresh.pk

    settings.MAILCONFIG = {**settings.MAILCONFIG, "RETENTION_DAYS": 8}
    report = delivery.purge()
    assert (report.messages, report.attempts, report.accounts) == (1, 1, 1)
    assert set(Account.objects.values_list("pk", flat=True)) == {fresh.pk, there.pk}


def test_a_longer_window_keeps_it_longer() -> None:
    make_account(limit_count=1, limit_period=30 * 86400)
    account = deleted(days=20)

    assert delivery.purge().accounts == 0
    assert Account.objects.get(pk=account.pk).name == PERSONAL["name"]


def test_without_retention_what_names_anybody_goes_all_the_same(settings: Any) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "RETENTION_DAYS": 0, "CHECK_RETENTION_DAYS": 0}
    account, idle = deleted(days=400), deleted(days=400, kind="mailbox")
    message = long_sent(account, days=400)

    assert delivery.purge().accounts == 1

    assert not Account.objects.filter(pk=idle.pk).exists()
    assert Message.objects.get().pk == message.pk
    assert str(Account.objects.get()) == f"outbound e-mail {account.pk}"


def test_of_a_mailbox_nothing_is_left() -> None:
    account = deleted(days=9, kind="mailbox")
    box = Mailbox(account_ptr_id=account.pk)
    box.save_base(raw=True)

    assert delivery.purge().accounts == 1
    assert not Mailbox.objects.exists()
    assert not Lane.objects.exists()
