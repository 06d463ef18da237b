"""The top of an account's page: its day by hour, its limits with the next slot, its queue, and what happened last."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailconfig.models import Account, Attempt, Lane, Message
from tests.factories import make_mailbox, make_message

from .conftest import permitted
from .pages import admin_url

pytestmark = pytest.mark.django_db


def attempt(account: Account, message: Message | None = None, **values: object) -> Attempt:
    """One that ended a minute ago."""
    at = timezone.now() - timedelta(minutes=1)
    plain = {"outcome": "sent", "started_at": at, "ended_at": at, "reply_code": 250}
    return Attempt.objects.create(account=account, message=message, **{**plain, **values})


def test_the_page_shows_how_the_account_is_doing(client: Client) -> None:
    mailbox = make_mailbox(limit_count=1, limit_period=3600)
    message = make_message(mailbox, subject="Your <b>booking</b>")
    attempt(mailbox, reply_text="2.0.0 Ok: queued as 4711")

    answer = client.get(admin_url("mailbox", "change", mailbox.pk))
    page = answer.content.decode()

    assert "1 mail waits" in page
    assert "the oldest is due since" in page
    assert "next slot at" in page
    assert 'href="#id_limit_count"' in page
    assert "2.0.0 Ok: queued as 4711" in page
    assert "Your &lt;b&gt;booking&lt;/b&gt;" in page
    assert admin_url("message", "change", message.pk) in page
    assert len(answer.context["bars"]) == 24


def test_the_number_of_queries_does_not_grow_with_history(client: Client) -> None:
    mailbox = make_mailbox(limit_per_day=1000)
    url = admin_url("mailbox", "change", mailbox.pk)
    attempt(mailbox, make_message(mailbox))
    client.get(url)  # notes that she is there, and fills caches
    found = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as captured:
            client.get(url)
        found.append([query["sql"] for query in captured.captured_queries])
        for _ in range(20):
            attempt(mailbox, make_message(mailbox))

    assert len(found[0]) == len(found[1])
    assert not [sql for sql in found[1] if "mailconfig_body" in sql]


def test_who_may_not_see_mail_sees_none_of_it_here(client: Client) -> None:
    mailbox = make_mailbox()
    make_message(mailbox, subject="Your booking")
    attempt(mailbox, reply_text="2.0.0 Ok: queued as 4711")

    page = permitted("dave", "view_mailbox").get(admin_url("mailbox", "change", mailbox.pk)).content.decode()

    assert "1 mail waits" in page
    assert "Your booking" not in page
    assert "4711" not in page
    assert admin_url("message") not in page


def test_the_page_says_when_a_mail_told_of_its_pause_and_only_then(client: Client) -> None:
    mailbox = make_mailbox(sync_method="imap", is_sync_enabled=True)
    url = admin_url("mailbox", "change", mailbox.pk)
    since = timezone.now() - timedelta(hours=2)
    lane = Lane.objects.filter(account_id=mailbox.pk)
    words = "A mail that tells of it was queued"
    lane.filter(purpose="sync").delete()

    lane.update(wait_reason="paused_login", wait_since=since, noticed_at=timezone.now())
    assert words not in client.get(url).content.decode(), "nobody could be told"

    lane.update(noticed_since=since)
    assert words in client.get(url).content.decode()

    lane.update(wait_since=timezone.now())
    assert words not in client.get(url).content.decode(), "this is another pause"

    Lane.objects.get_or_create(account_id=mailbox.pk, purpose="sync")
    lane.filter(purpose="sync").update(
        wait_reason="paused_login", wait_since=since, noticed_since=since, noticed_at=timezone.now()
    )
    assert words in client.get(url).content.decode(), "of the half that is read"

    lane.update(wait_reason="", wait_since=None)
    assert words not in client.get(url).content.decode()
