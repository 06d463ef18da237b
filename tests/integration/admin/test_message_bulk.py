"""One action on all mail that a list is narrowed to."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.utils import timezone

from mailconfig.admin import message_bulk
from mailconfig.models import Message
from tests.factories import make_account, make_message, make_user

from .conftest import permitted
from .pages import admin_url

pytestmark = pytest.mark.django_db


def hidden(page: str) -> dict[str, str]:
    """The values that the page's form carries."""
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    return {name: value for name, value in fields.items() if name != "csrfmiddlewaretoken"}


def confirmed(client: Client, url: str, **values: object) -> str:
    """Ask, and say yes as often as the page wants to go on. Return the last page."""
    page = client.get(url).content.decode()
    for _ in range(50):
        if "Yes, I’m sure" not in page and "data-continues" not in page:
            return page
        page = client.post(url, hidden(page) | values, follow=True).content.decode()
    pytest.fail("it never comes to an end")


def failed(account: object, **values: object) -> Message:
    """A message that failed."""
    return make_message(account, state="failed", settled_at=timezone.now(), **values)  # type: ignore[arg-type]


def test_all_failed_mail_is_retried_after_it_was_counted(client: Client) -> None:
    account = make_account()
    mails = [failed(account) for _ in range(3)]
    sent = make_message(account, state="sent", settled_at=timezone.now())
    listed = client.get(admin_url("message"), query_params={"state": "failed"}).content.decode()
    assert "bulk/requeue/?state=failed" in listed
    url = admin_url("message", "bulk", "requeue") + "?state=failed"

    page = client.get(url).content.decode()
    assert "<strong>3 mails</strong>" in page
    assert Message.objects.filter(state="failed").count() == 3

    assert "Retry: 3 mails." in confirmed(client, url)
    assert {mail.pk for mail in Message.objects.filter(state="queued")} == {mail.pk for mail in mails}
    assert Message.objects.get(pk=sent.pk).state == "sent"


def test_it_goes_on_piece_by_piece_and_leaves_what_came_in_meanwhile(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(message_bulk, "SECONDS", 0)
    account = make_account()
    for _ in range(3):
        failed(account)
    url = admin_url("message", "bulk", "requeue") + "?state=failed"
    page = client.get(url).content.decode()
    later = failed(account)

    page = client.post(url, hidden(page)).content.decode()

    assert "1 of 3 mails done" in page
    assert Message.objects.filter(state="queued").count() == 1
    for _ in range(3):
        page = client.post(url, hidden(page), follow=True).content.decode()
    assert "Retry: 3 mails." in page
    assert Message.objects.get(pk=later.pk).state == "failed"


def test_all_that_wait_are_moved_to_an_account_of_the_same_owner(client: Client) -> None:
    old, new = make_account(), make_account()
    foreign = make_account(owner=make_user("zoe"))
    waiting, held = make_message(old), make_message(old, state="held", wait_reason="held")
    sent = make_message(old, state="sent", settled_at=timezone.now())
    narrowed = f"?account__id__exact={old.pk}&state=waiting"
    assert "bulk/move/" in client.get(admin_url("message") + narrowed).content.decode()
    url = admin_url("message", "bulk", "move") + narrowed
    page = client.get(url).content.decode()
    assert f'<option value="{new.pk}">' in page
    assert f'<option value="{foreign.pk}">' not in page

    client.post(url, hidden(page) | {"account": foreign.pk})
    assert Message.objects.get(pk=waiting.pk).account_id == old.pk
    assert "Move to another account: 2 mails." in confirmed(client, url, account=new.pk)

    assert {Message.objects.get(pk=mail.pk).account_id for mail in (waiting, held)} == {new.pk}
    assert Message.objects.get(pk=sent.pk).account_id == old.pk


def test_mail_of_many_accounts_is_not_moved(client: Client) -> None:
    message = make_message(make_account())
    url = admin_url("message", "bulk", "move") + "?state=waiting"
    page = client.get(url).content.decode()
    assert "narrow the list to one account" in page
    client.post(url, {"last": message.pk, "after": 0, "done": 0, "left": 0, "total": 1, "account": 1})
    assert Message.objects.get(pk=message.pk).account_id == message.account_id


def test_what_is_chosen_across_all_pages_is_counted_on_a_page_of_its_own(client: Client) -> None:
    message = make_message(make_account())
    answer = client.post(
        admin_url("message") + "?state=waiting",
        {"action": "hold", "select_across": "1", "_selected_action": [message.pk]},
    )
    assert answer["Location"] == admin_url("message", "bulk", "hold") + "?state=waiting"


@pytest.mark.parametrize("name", ["hold", "cancel", "requeue", "release", "send_now", "move"])
def test_whoever_may_not_manage_mail_acts_on_none(name: str) -> None:
    message = make_message(make_account())
    dave = permitted("dave", "view_message", "resend_message")
    url = admin_url("message", "bulk", name)
    assert dave.get(url).status_code == 403
    assert (
        dave.post(url, {"last": message.pk, "after": 0, "done": 0, "left": 0, "total": 1}).status_code == 403
    )
    assert Message.objects.get(pk=message.pk).state == "queued"


def test_the_page_takes_no_answer_without_its_token_and_none_that_makes_no_sense(client: Client) -> None:
    message = make_message(make_account())
    url = admin_url("message", "bulk", "hold") + "?state=waiting"
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    values = {"last": message.pk, "after": 0, "done": 0, "left": 0, "total": 1}
    assert strict.post(url, values).status_code == 403
    assert client.post(url, values | {"last": "x"}).status_code == 200
    assert client.get(admin_url("message", "bulk", "explode")).status_code == 404
    assert Message.objects.get(pk=message.pk).state == "queued"
