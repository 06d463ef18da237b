"""A mail's page: why it waits, what it says, sending it again, and who may see and do what."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailconfig.models import Attempt, Lane, Message, WaitReason
from tests.factories import body_of, make_account, make_message

from .conftest import permitted
from .pages import admin_url

pytestmark = pytest.mark.django_db

HTML = b"""Subject: Offer\r
MIME-Version: 1.0\r
Content-Type: text/html; charset=utf-8\r
\r
<p onclick="steal()">Dear <b>John</b></p><script>steal()</script><img src="https://tracker.example/x.png">\r
"""


def test_html_is_shown_in_a_frame_that_can_do_nothing(client: Client) -> None:
    message = make_message(make_account(), body=HTML)
    assert "<iframe" in client.get(admin_url("message", "content", message.pk)).content.decode()

    answer = client.get(admin_url("message", "html", message.pk))

    assert "<b>John</b>" in answer.content.decode()
    for bad in ("steal", "tracker.example", "<script"):
        assert bad not in answer.content.decode()
    assert "sandbox" in answer["Content-Security-Policy"]
    assert answer["X-Frame-Options"] == "SAMEORIGIN"


def test_the_source_is_downloaded_as_it_is_sent(client: Client) -> None:
    message = make_message(make_account(), body=HTML)
    answer = client.get(admin_url("message", "source", message.pk))
    assert answer.getvalue() == HTML
    assert answer["Content-Type"] == "message/rfc822"
    assert answer["Content-Disposition"].startswith("attachment")
    gone = make_message(make_account(), body=None)
    assert client.get(admin_url("message", "source", gone.pk)).status_code == 404


@pytest.mark.parametrize(
    ("charset", "text"), [("utf-7", b"<b>John</b> +2AA-"), ("unicode_escape", b"<b>John</b> \\ud800")]
)
@pytest.mark.parametrize("page", ["content", "html"])
def test_a_charset_that_spells_half_a_character_costs_that_character(
    client: Client, page: str, charset: str, text: bytes
) -> None:
    body = HTML.replace(b"utf-8", charset.encode()).replace(b"<b>John</b>", text)
    message = make_message(make_account(), body=body)

    shown = client.get(admin_url("message", page, message.pk)).content.decode()

    assert "John" in shown
    assert "\ufffd" in shown


@pytest.mark.parametrize("page", ["content", "html", "source"])
def test_content_needs_its_permission(page: str) -> None:
    message = make_message(make_account(), body=HTML)
    url = admin_url("message", page, message.pk)
    assert permitted("dave", "view_message").get(url).status_code == 403
    assert permitted("frank", "view_content").get(url).status_code == 403
    assert permitted("erin", "view_message", "view_content").get(url).status_code == 200


def test_sent_mail_is_sent_again_once_for_each_time_it_is_asked_for(client: Client) -> None:
    old = make_message(make_account(), state="sent", settled_at=timezone.now())
    url = admin_url("message", "act", old.pk, "resend")
    asked = client.post(url)
    assert "a second time" in asked.content.decode()
    assert Message.objects.count() == 1
    once = asked.context["once"]

    for _ in range(2):
        client.post(url, {"confirmed": "yes", "once": once})

    new = Message.objects.exclude(pk=old.pk).get()
    assert (new.resent_of, new.state, new.account_id) == (old.uuid, "queued", old.account_id)
    assert f"References: {old.message_id}".encode() in (body_of(new) or b"")
    for message, other in ((old, new), (new, old)):
        page = client.get(admin_url("message", "change", message.pk)).content.decode()
        assert f"/message/{other.pk}/change/" in page


def test_sending_again_has_a_permission_of_its_own() -> None:
    old = make_message(make_account(), state="sent", settled_at=timezone.now())
    url = admin_url("message", "act", old.pk, "resend")
    dave = permitted("dave", "view_message", "manage_message")
    assert dave.post(url, {"confirmed": "yes"}).status_code == 403
    assert "/resend/" not in dave.get(admin_url("message", "change", old.pk)).content.decode()
    assert Message.objects.count() == 1
    permitted("erin", "view_message", "resend_message").post(url, {"confirmed": "yes"})
    assert Message.objects.count() == 2


def test_mail_that_waits_for_its_time_is_sent_now(client: Client) -> None:
    message = make_message(make_account(), not_before=timezone.now() + timedelta(days=2))
    client.post(admin_url("message", "act", message.pk, "send_now"))
    assert Message.objects.get(pk=message.pk).not_before <= timezone.now() + timedelta(seconds=5)


def test_a_page_foretells_when_the_queue_is_empty(client: Client) -> None:
    account = make_account(limit_count=1, limit_period=3600)
    Lane.objects.filter(account=account).update(wait_reason=WaitReason.LIMIT)
    message = [make_message(account) for _ in range(3)][-1]
    for page in (
        client.get(admin_url("message", "change", message.pk)),
        client.get(admin_url("message"), query_params={"account__id__exact": account.pk, "state": "waiting"}),
    ):
        assert "3 mails wait; as things are, the last one goes about" in page.content.decode()


@pytest.mark.parametrize("query", ["", "?state=waiting", "?state=failed", "?reason=limit", "?q=mail"])
def test_a_list_takes_as_many_queries_for_many_mails_as_for_few(client: Client, query: str) -> None:
    counts = []
    for _ in range(2):
        for _ in range(6):
            account = make_account(limit_count=1, limit_period=60)
            Lane.objects.filter(account=account).update(wait_reason=WaitReason.LIMIT)
            make_message(account)
            failed = make_message(account, state="failed", settled_at=timezone.now())
            now = timezone.now()
            Attempt.objects.create(
                account=account, message=failed, outcome="refused", started_at=now, ended_at=now
            )
        with CaptureQueriesContext(connection) as captured:
            assert client.get(admin_url("message") + query).status_code == 200
        counts.append(len(captured))
    assert counts[0] == counts[1]
