"""Failover in the admin: chosen among what one may use, and shown at the account and at its mail."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from mailconfig import delivery
from mailconfig.models import Account, AccountKind, Lane, Message
from tests.factories import make_account, make_message, make_tenant, make_user
from tests.servers.chaos import ChaosServer

from .conftest import permitted
from .pages import admin_url, entered, values

pytestmark = pytest.mark.django_db


def provider(name: str, **values: Any) -> Account:
    """A provider of the back office."""
    values = {"from_email": f"{name}@example.com", **values}
    return make_account(kind=AccountKind.SMTP_PROVIDER, name=name, **values)


def offered(client: Client, account: Account) -> set[str]:
    """The names that the form offers."""
    page = client.get(admin_url("smtpprovider", "change", account.pk))
    return {str(one) for one in page.context["adminform"].form.fields["failover"].queryset}


def test_a_failover_is_chosen_among_the_accounts_that_may_stand_in(client: Client) -> None:
    first, other = provider("first"), provider("other")
    provider("tenants", tenant=make_tenant())
    provider("somebodys", owner=make_user())
    provider("gone", deleted_at=timezone.now())
    provider("marked", serves_project=True)
    assert offered(client, first) == {"other", "marked"}
    staff = permitted("bob", "view_smtpprovider", "change_smtpprovider")
    assert offered(staff, first) == {"other"}

    url = admin_url("smtpprovider", "change", first.pk)
    client.post(url, entered(client, url, failover=other.pk))
    first.refresh_from_db()
    assert first.failover == other
    url = admin_url("smtpprovider", "change", other.pk)
    answer = client.post(url, entered(client, url, failover=first.pk))
    assert "fails over to the one you edit" in str(answer.context["errors"])
    assert "it keeps its From address" in answer.content.decode(), (
        "the form says what becomes of SPF and DKIM"
    )


def test_a_new_account_names_who_stands_in_for_it_at_once(client: Client, server: ChaosServer) -> None:
    other = provider("other")
    foreign = provider("foreign", tenant=make_tenant(name="Acme"))
    url = admin_url("smtpprovider", "add")
    page = client.get(url).content.decode()
    assert ">other</option>" in page
    assert ">foreign – Acme</option>" in page
    refused = client.post(url, entered(client, url, **values(server.port), failover=foreign.pk))
    assert "Choose an account of the same tenant." in str(refused.context["errors"])
    client.post(url, entered(client, url, **values(server.port), failover=other.pk))
    assert Account.objects.exclude(pk__in=[other.pk, foreign.pk]).get().failover == other


def test_before_accounts_are_deleted_those_are_named_that_nobody_stands_in_for_any_more(
    client: Client,
) -> None:
    other, kept = provider("other"), provider("kept")
    first, second = provider("first", failover=other), provider("second", failover=other)
    make_account(kind=AccountKind.MAILBOX, name="unseen", failover=other)
    page = client.get(admin_url("smtpprovider", "delete", other.pk)).content.decode()
    for account in (first, second):
        assert f'href="{admin_url("smtpprovider", "change", account.pk)}">{account.name}</a>' in page
    assert "unseen</a>" in page
    several = {"action": "delete_selected", "_selected_action": [other.pk, second.pk]}
    page = client.post(admin_url("smtpprovider", "changelist"), several).content.decode()
    assert ">first</a>" in page
    assert ">second</a>" not in page, "it goes, too"
    staff = permitted("bob", "view_smtpprovider", "delete_smtpprovider")
    page = staff.get(admin_url("smtpprovider", "delete", other.pk)).content.decode()
    assert ">first</a>" in page
    assert "1 account that you may not see" in page
    assert "unseen" not in page
    page = client.get(admin_url("smtpprovider", "delete", kept.pk)).content.decode()
    assert "Nobody stands in" not in page


def test_of_many_accounts_one_is_chosen_by_its_number(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailconfig.admin.forms.LISTED_FAILOVERS", 1)
    first, other = provider("first"), provider("other")
    provider("third")
    url = admin_url("smtpprovider", "change", first.pk)
    assert "third" not in client.get(url).content.decode()
    client.post(url, entered(client, url, failover=other.pk))
    first.refresh_from_db()
    assert first.failover == other


def test_account_list_message_and_status_say_who_sends_instead_and_why(client: Client) -> None:
    with ChaosServer() as server:
        other = provider("other", port=server.port)
        first = provider("first", failover=other)
        message = make_message(first)
        since = timezone.now() - timedelta(hours=1)
        Lane.objects.filter(account=first).update(wait_reason="paused_login", wait_since=since)
        delivery.sweep()
        delivery.drain_account(account_id=other.pk)

    for page in (admin_url("smtpprovider", "change", first.pk), admin_url("smtpprovider", "changelist")):
        text = " ".join(client.get(page).content.decode().split())
        assert "other</a> sends its mail since" in text
    (status,) = delivery.status().accounts
    assert (status.sends_over, status.sends_over_since) == ("other", since + timedelta(minutes=5))

    for page in (admin_url("message", "change", message.pk), admin_url("message", "changelist")):
        text = " ".join(client.get(page).content.decode().split())
        assert "other</a>" in text
        assert "instead of <a" in text
        assert "The login does not work." in text
    assert "<td>other</td>" in client.get(admin_url("message", "change", message.pk)).content.decode()
    make_message(first)
    listed = client.get(admin_url("message", "changelist") + "?failover=yes").context["cl"].result_list
    assert [row.pk for row in listed] == [message.pk]

    Account.objects.filter(pk=other.pk).update(is_enabled=False)
    page = client.get(admin_url("smtpprovider", "change", first.pk)).content.decode()
    assert "No account that it fails over to can send." in page
    assert Message.objects.get(pk=message.pk).state == "sent"
