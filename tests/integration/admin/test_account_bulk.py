"""Many accounts at once: tested, switched on and off, limited; after a confirmation, each by the rules of its page."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

from mailconfig.models import Account, ConnectionCheck
from tests.factories import make_account, make_tenant

from .conftest import permitted
from .pages import admin_url

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]


def press(browser: Client, action: str, accounts: list[Account], **values: Any) -> str:
    data = {"action": action, ACTION_CHECKBOX_NAME: [one.pk for one in accounts], **values}
    return browser.post(admin_url("smtpprovider"), data, follow=True).content.decode()


def three(**values: Any) -> list[Account]:
    return [
        make_account(kind="smtp_provider", username=f"u{number}@example.com", **values) for number in range(3)
    ]


def enabled() -> list[bool]:
    return list(Account.objects.order_by("pk").values_list("is_enabled", flat=True))


def test_chosen_accounts_are_switched_off_and_on_after_a_confirmation(client: Client) -> None:
    accounts = three()
    page = press(client, "disable_selected", accounts[:2])
    assert "2 accounts" in page
    assert enabled() == [True] * 3
    assert "Done for 2 accounts." in press(client, "disable_selected", accounts[:2], confirmed="yes")
    assert enabled() == [False, False, True]
    assert all(Account.objects.values_list("secret", flat=True))
    everything = {"select_across": "1", "confirmed": "yes"}
    assert "Done for 2 accounts." in press(client, "enable_selected", accounts[:1], **everything)
    assert enabled() == [True] * 3
    assert LogEntry.objects.count() == 4


def test_chosen_accounts_get_the_limits_that_are_entered_and_keep_the_others(client: Client) -> None:
    accounts = three(limit_per_week=700)
    assert "Enter at least one limit." in press(client, "limit_selected", accounts, confirmed="yes")
    page = press(client, "limit_selected", accounts, confirmed="yes", limit_count="5")
    assert "Done for 0 accounts." in page
    press(client, "limit_selected", accounts, confirmed="yes", limit_per_day="100")
    assert set(Account.objects.values_list("limit_count", "limit_per_day", "limit_per_week")) == {
        (None, 100, 700)
    }


def test_chosen_accounts_are_tested_by_workers_and_throttled(client: Client) -> None:
    accounts = three()
    press(client, "test_selected", accounts)
    assert not ConnectionCheck.objects.exists()
    press(client, "test_selected", accounts, confirmed="yes")
    assert ConnectionCheck.objects.filter(state="pending").count() == 3


def test_nobody_acts_on_accounts_out_of_reach_or_without_the_permission(db: None) -> None:
    ours, theirs = make_tenant(), make_tenant()
    accounts = [
        make_account(kind="smtp_provider", tenant=ours),
        make_account(kind="smtp_provider", tenant=theirs),
        make_account(kind="smtp_provider", tenant=ours, serves_project=True),
    ]
    dave = permitted("dave", "view_smtpprovider", "change_smtpprovider")
    ours.members.add(User.objects.get(username="dave"))
    press(dave, "disable_selected", accounts, confirmed="yes")
    assert enabled()[:2] == [False, True]
    data = {"action": "test_selected", ACTION_CHECKBOX_NAME: [accounts[0].pk], "confirmed": "yes"}
    dave.post(admin_url("smtpprovider"), data)
    assert not ConnectionCheck.objects.exists()
    press(permitted("erin", "view_smtpprovider"), "enable_selected", accounts, confirmed="yes")
    assert enabled()[:2] == [False, True]
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = dave.cookies
    assert strict.post(admin_url("smtpprovider"), data).status_code == 403
