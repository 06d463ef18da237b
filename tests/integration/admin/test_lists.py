"""Lists: what they tell, and that they cost the same for ten rows as for a hundred."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailconfig.models import Account, Attempt, Bounce, Lane, Message, Suppression, WaitReason
from tests.factories import (
    make_account,
    make_mailbox,
    make_message,
    make_synced,
    make_tenant,
    make_user,
)

from .conftest import permitted
from .pages import admin_url


def queries(client: Client, url: str) -> int:
    """How many queries a page takes, its templates and content types known already."""
    client.get(url)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    for query in captured.captured_queries:
        assert '"mailconfig_account"."secret"' not in query["sql"]
        assert "_secret" not in query["sql"].replace("_own_smtp_secret", "")
        assert "mailconfig_body" not in query["sql"]
        assert "mailconfig_syncedcontent" not in query["sql"]
    return len(captured)


def fill(count: int) -> None:
    """Mailboxes with owners, tenants, limits and mail that waits."""
    for _ in range(count):
        mailbox = make_mailbox(
            username="bob@example.com",
            owner=make_user(),
            tenant=make_tenant(),
            limit_count=5,
            limit_period=60,
        )
        message = make_message(mailbox, to=["a@example.net", "b@example.net"])
        now = timezone.now()
        Attempt.objects.create(account=mailbox, message=message, started_at=now, outcome="sent", ended_at=now)
        reply = make_synced(mailbox, answers=message, text="not for lists")
        Bounce.objects.create(message=message, address="a@example.net", reported_in=reply)
        Suppression.objects.create(
            tenant=mailbox.tenant, address="a@example.net", reason="bounce", message=message
        )


@pytest.mark.parametrize(
    ("model", "most"),
    [
        ("mailbox", 17),
        ("message", 20),
        ("attempt", 11),
        ("connectioncheck", 10),
        ("tenant", 11),
        ("syncedmessage", 12),
        ("bounce", 10),
        ("suppression", 11),
    ],
)
def test_a_list_takes_the_same_queries_for_ten_rows_and_a_hundred(
    client: Client, model: str, most: int
) -> None:
    fill(10)
    few = queries(client, admin_url(model))
    fill(90)
    assert queries(client, admin_url(model)) == few
    assert few <= most


def pause(account: Account, reason: WaitReason) -> None:
    """As a drain does after refused logins."""
    since = timezone.now() - timedelta(hours=1)
    Lane.objects.filter(account_id=account.pk).update(wait_reason=reason, wait_since=since)


def test_the_list_tells_health_quota_and_queue(client: Client) -> None:
    mailbox = make_mailbox(limit_count=5, limit_period=60, limit_per_day=100)
    message = make_message(mailbox)
    now = timezone.now()
    Attempt.objects.create(
        account=mailbox, message=message, recipients=2, started_at=now, outcome="sent", ended_at=now
    )

    page = client.get(admin_url("mailbox")).content.decode()

    assert "never proved" in page
    assert "2 of 5 used, 3 left" in page
    assert "2 of 100 used, 98 left" in page
    assert "<progress" in page
    assert f"account__id__exact={mailbox.pk}" in page


def test_a_paused_account_is_told_on_every_list_with_what_to_do(client: Client) -> None:
    mailbox = make_mailbox(name="Front desk")
    pause(mailbox, WaitReason.PAUSED_LOGIN)
    for url in (admin_url("mailbox"), admin_url("message"), "/admin/mailconfig/"):
        page = client.get(url).content.decode()
        assert "1 account has stopped sending until somebody acts" in page
        assert "Front desk" in page
        assert "Enter the right password" in page


def test_who_may_not_see_accounts_is_told_nothing_of_them(db: None) -> None:
    pause(make_mailbox(name="Front desk"), WaitReason.PAUSED_LOGIN)
    page = permitted("dave", "view_message").get(admin_url("message")).content.decode()
    assert "stopped sending" not in page


def test_mail_that_nobody_sends_is_told(client: Client) -> None:
    mailbox = make_mailbox()
    long_ago = timezone.now() - timedelta(minutes=5)
    make_message(mailbox, not_before=long_ago)
    Lane.objects.update(due_at=long_ago)
    assert "nothing sends it" in client.get(admin_url("message")).content.decode()


@pytest.mark.parametrize("health", ["paused", "waits", "ok", "unproved", "disabled"])
def test_the_health_filter_finds_what_the_column_says(client: Client, health: str) -> None:
    made = {name: make_mailbox(name=f"box-{name}") for name in ("paused", "waits", "ok", "unproved")}
    made["disabled"] = make_mailbox(name="box-disabled", is_enabled=False)
    pause(made["paused"], WaitReason.PAUSED_CONFIG)
    pause(made["waits"], WaitReason.SERVER_AWAY)
    Lane.objects.filter(account_id=made["ok"].pk).update(validated_at=timezone.now())

    answer = client.get(admin_url("mailbox"), {"health": health})

    rows = answer.context["cl"].result_list
    assert [row.name for row in rows] == [f"box-{health}"]
    assert f"mc-health mc-{health}" in answer.content.decode()


@pytest.mark.parametrize(
    "query",
    ["secret__startswith=g", "secret=x", "owner__password__startswith=m", "account__secret__startswith=g", "tenant__id__exact=0", "tenant__id__exact=x", "e=1"],
)  # fmt: skip
def test_a_list_cannot_be_used_to_guess_secrets(client: Client, query: str) -> None:
    make_mailbox(username="bob@example.com")
    for model in ("mailbox", "message", "connectioncheck"):
        answer = client.get(f"{admin_url(model)}?{query}")
        assert answer.status_code in {200, 302, 400}
        if query.startswith(("secret", "owner", "account")):
            assert answer.status_code != 200


def test_deleted_accounts_are_in_no_list_and_have_no_page(client: Client) -> None:
    mailbox = make_mailbox()
    Account.objects.filter(pk=mailbox.pk).update(deleted_at=timezone.now(), secret=None)
    assert not client.get(admin_url("mailbox")).context["cl"].result_list
    assert client.get(admin_url("mailbox", "change", mailbox.pk)).status_code == 302


def test_each_list_shows_its_own_kind(client: Client) -> None:
    make_account(kind="smtp_provider", name="provider")
    make_account(kind="outbound_email", name="outbound")
    make_mailbox(name="box")
    for model, name in (("smtpprovider", "provider"), ("outboundemail", "outbound"), ("mailbox", "box")):
        assert [row.name for row in client.get(admin_url(model)).context["cl"].result_list] == [name]


def test_the_list_of_mail_is_found_by_recipient_subject_and_message_id(client: Client) -> None:
    mailbox = make_mailbox()
    wanted = make_message(
        mailbox, to=["Carol@example.net"], subject="Invoice 4711", message_id="<carol@mail.test>"
    )
    make_message(mailbox)
    for term in ("Carol@example.net", "carol", "invoice", "<carol@mail.test>", "carol@mail.test"):
        rows = client.get(admin_url("message"), {"q": term}).context["cl"].result_list
        assert [row.pk for row in rows] == [wanted.pk], term
    assert not client.get(admin_url("message"), {"q": "nobody@example.net"}).context["cl"].result_list


def test_the_list_of_mail_is_narrowed_by_reason(client: Client) -> None:
    held_up, calm = make_mailbox(), make_mailbox()
    pause(held_up, WaitReason.PAUSED_LOGIN)
    waiting = make_message(held_up)
    make_message(calm)
    Message.objects.filter(pk=make_message(held_up).pk).update(state="sent", settled_at=timezone.now())

    answer = client.get(admin_url("message"), {"reason": "paused_login"})

    assert [row.pk for row in answer.context["cl"].result_list] == [waiting.pk]
    assert "The login does not work" in answer.content.decode()


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_a_mail_at_the_end_of_time_does_not_break_the_list(client: Client, settings: Any, zone: str) -> None:
    settings.TIME_ZONE = zone
    message = make_message(make_account(), not_before=datetime.max.replace(tzinfo=UTC))
    assert client.get("/admin/mailconfig/message/").status_code == 200
    assert client.get(f"/admin/mailconfig/message/{message.pk}/change/").status_code == 200


WORDS = "535 5.7.8 <b>the postmaster</b> says no"


def test_the_servers_words_stand_behind_a_pause_wherever_it_is_told(client: Client) -> None:
    mailbox = make_mailbox(name="Front desk")
    message = make_message(mailbox)
    pause(mailbox, WaitReason.PAUSED_LOGIN)
    at = timezone.now() - timedelta(minutes=5)
    Lane.objects.filter(account_id=mailbox.pk).update(
        wait_text=WORDS, last_error_at=at, last_error_code="auth_failed", last_error_text=WORDS
    )
    for url, often in (
        (admin_url("mailbox"), 2),  # the row and the banner
        (admin_url("mailbox", "change", mailbox.pk), 2),  # health and last error
        (admin_url("message"), 1),  # the banner
        (admin_url("message", "change", message.pk), 1),
        ("/admin/mailconfig/", 1),
    ):
        page = client.get(url).content.decode()
        assert page.count("535 5.7.8 &lt;b&gt;the postmaster") == often, url
        assert "<b>the postmaster" not in page
    assert "auth_failed" in client.get(admin_url("mailbox", "change", mailbox.pk)).content.decode()

    output = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("mailconfig_status", stdout=output)
    assert f"“{WORDS}”; last error auth_failed at" in output.getvalue()


def test_an_account_that_never_failed_shows_no_last_error(client: Client) -> None:
    page = client.get(admin_url("mailbox", "change", make_mailbox().pk)).content.decode()
    assert "Last error" not in page
