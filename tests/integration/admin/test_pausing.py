"""People pause accounts and let them go on, from a page and from the list; it is seen who did, and why."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from mailconfig.admin.account_page import pausing
from mailconfig.models import Account, Lane, Mailbox
from tests.factories import make_account, make_mailbox

from .conftest import permitted
from .pages import admin_url

WHY = "The <b>newsletter</b> is wrong"


def paused() -> set[str]:
    """The names of the accounts that people paused."""
    rows = Lane.objects.filter(purpose="send", paused_at__isnull=False)
    return set(rows.values_list("account__name", flat=True))


def test_an_account_is_paused_with_a_reason_and_goes_on(client: Client, alice: User) -> None:
    mailbox = make_mailbox(name="Front desk")
    url = admin_url("mailbox", "pause", mailbox.pk)
    assert (
        admin_url("mailbox", "pause", mailbox.pk)
        in client.get(admin_url("mailbox", "change", mailbox.pk)).content.decode()
    )
    assert "This field is required." in client.post(url, {"reason": " "}).content.decode()
    assert paused() == set()

    page = client.post(url, {"reason": WHY}, follow=True).content.decode()

    assert "Somebody paused the account." in page
    assert "by alice" in page
    assert "The &lt;b&gt;newsletter&lt;/b&gt; is wrong" in page
    assert "was paused already" in client.post(url, {"reason": "again"}, follow=True).content.decode()
    assert "Front desk" in client.get(admin_url("mailbox") + "?health=paused").content.decode()

    page = client.post(admin_url("mailbox", "resume", mailbox.pk), follow=True).content.decode()

    assert "The account goes on." in page
    assert "Somebody paused" not in page
    entries = LogEntry.objects.order_by("pk").values_list("user__username", "change_message")
    assert list(entries) == [("alice", f"Paused: {WHY}"), ("alice", "Resumed.")]


def test_those_that_are_chosen_in_the_list_are_paused_and_go_on(client: Client, alice: User) -> None:
    chosen = [make_mailbox(name=name).pk for name in ("one", "two")]
    make_mailbox(name="three")
    data = {"action": "pause_selected", ACTION_CHECKBOX_NAME: chosen}

    asked = client.post(admin_url("mailbox"), data).content.decode()
    assert "2 accounts" in asked
    assert paused() == set()
    page = client.post(admin_url("mailbox"), data | {"reason": WHY}, follow=True).content.decode()

    assert "2 accounts are paused." in page
    assert paused() == {"one", "two"}
    answer = client.post(admin_url("mailbox"), data | {"action": "resume_selected"}, follow=True)
    assert "2 accounts go on." in answer.content.decode()
    assert paused() == set()
    assert LogEntry.objects.count() == 4


@pytest.mark.one_database
def test_who_may_not_change_an_account_pauses_none(db: None) -> None:
    mailbox = make_mailbox()
    dave = permitted("dave", "view_mailbox", "test_account")
    assert "pause/" not in dave.get(admin_url("mailbox", "change", mailbox.pk)).content.decode()
    for name in ("pause", "resume"):
        answer = dave.post(admin_url("mailbox", name, mailbox.pk), {"reason": WHY})
        assert answer.status_code == 403
    data = {"action": "pause_selected", ACTION_CHECKBOX_NAME: [mailbox.pk], "reason": WHY}
    dave.post(admin_url("mailbox"), data)

    assert paused() == set()
    assert not LogEntry.objects.exists()


@pytest.mark.one_database
def test_a_pause_is_asked_for_with_the_token_of_the_page(client: Client) -> None:
    mailbox = make_mailbox()
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    assert client.get(admin_url("mailbox", "resume", mailbox.pk)).status_code == 405
    for name in ("pause", "resume"):
        assert strict.post(admin_url("mailbox", name, mailbox.pk), {"reason": WHY}).status_code == 403
    assert client.post(admin_url("mailbox", "pause", 10**12), {"reason": WHY}).status_code == 404
    Mailbox.objects.update(deleted_at="2026-01-01T00:00Z", is_enabled=False)
    assert client.post(admin_url("mailbox", "pause", mailbox.pk), {"reason": WHY}).status_code == 404
    assert paused() == set()


@pytest.mark.parametrize("page", ["pause", "resume"])
def test_an_account_that_is_deleted_meanwhile_is_not_there(
    client: Client, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    account = make_account()
    real = getattr(pausing, f"{page}_account")

    def late(*, account_id: int, **values: Any) -> bool:
        Account.objects.filter(pk=account_id).update(deleted_at=timezone.now())
        return bool(real(account_id=account_id, **values))

    monkeypatch.setattr(pausing, f"{page}_account", late)
    url = f"/admin/mailconfig/outboundemail/{account.pk}/{page}/"
    assert client.post(url, {"reason": "x"}).status_code == 404
