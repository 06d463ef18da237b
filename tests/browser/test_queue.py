"""The queue as an admin sees it: what waits, why, until when, and what to do about it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from mailconfig.models import Attempt, Lane, Mailbox, Message, WaitReason
from tests.factories import make_mailbox, make_message, make_tenant

from .pictures import take

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def mailboxes(transactional_db: None) -> tuple[Mailbox, Mailbox]:
    """One at its limit, one that paused after refused logins; mail waits in both."""
    now = timezone.now()
    tenant = make_tenant(name="Acme")
    limited = make_mailbox(
        name="Newsletter", tenant=tenant, limit_count=5, limit_period=20, limit_per_day=500
    )
    paused = make_mailbox(name="Front desk", username="desk@example.com")
    for number in range(5):
        ended = now - timedelta(seconds=number)
        sent = make_message(limited, state="sent", settled_at=ended, subject=f"Issue {number}", body=None)
        Attempt.objects.create(
            account=limited, message=sent, stage="dot", outcome="sent", reply_code=250, enhanced_code="2.0.0",
            reply_text="queued", started_at=ended, handed_over_at=ended, ended_at=ended, worker="host:1",
        )  # fmt: skip
    for number in range(5, 10):
        make_message(limited, subject=f"Issue {number}")
    make_message(
        paused, subject="Your booking", to=["carol@example.net", "dave@example.net", "erin@example.net"]
    )
    Message.objects.filter(pk=make_message(paused, subject="Wrong address").pk).update(
        state="failed", settled_at=now, error_code="recipient_refused", error_text="550 5.1.1 no such user"
    )
    lanes = Lane.objects.filter(account_id=limited.pk)
    lanes.update(
        wait_reason=WaitReason.LIMIT, wait_since=now, wait_until=now + timedelta(seconds=20), validated_at=now
    )
    Lane.objects.filter(account_id=paused.pk).update(wait_reason=WaitReason.PAUSED_LOGIN, wait_since=now)
    return limited, paused


def test_the_queue_tells_why_mail_waits_and_until_when(
    page: Page, mailboxes: tuple[Mailbox, Mailbox]
) -> None:
    page.goto("/admin/mailconfig/message/")
    rows = page.locator("#result_list tbody tr")
    expect(rows).to_have_count(12)
    expect(rows.filter(has_text="Issue 9")).to_contain_text("limit is reached")
    expect(rows.filter(has_text="Issue 9")).to_contain_text("next:")
    expect(rows.filter(has_text="Your booking")).to_contain_text("and 2 more")
    expect(rows.filter(has_text="Your booking")).to_contain_text("The login does not work")
    expect(page.locator(".mc-banner")).to_contain_text("Front desk")
    take(page, "queue")

    page.goto("/admin/mailconfig/mailbox/")
    take(page, "mailboxes")
    page.locator("#result_list").get_by_role("link", name="5", exact=True).click()
    expect(rows).to_have_count(5)

    page.goto("/admin/mailconfig/")
    expect(page.locator(".mc-banner")).to_contain_text("Front desk")
    take(page, "index")


def test_mail_is_cancelled_after_a_question(page: Page, mailboxes: tuple[Mailbox, Mailbox]) -> None:
    page.goto("/admin/mailconfig/message/?state=waiting")
    page.check("#action-toggle")
    page.select_option("select[name=action]", "cancel")
    page.click("button[name=index]")
    expect(page.locator("#content")).to_contain_text("6 mails")
    take(page, "queue-cancel")
    assert Message.objects.filter(state="queued").count() == 6

    page.click("input[type=submit]")

    expect(page.locator(".messagelist")).to_contain_text("Cancel: 6 mails.")
    assert not Message.objects.filter(state="queued").exists()


def test_a_message_shows_its_recipients_attempts_and_content(
    page: Page, mailboxes: tuple[Mailbox, Mailbox]
) -> None:
    sent, waiting = Message.objects.get(subject="Issue 0"), Message.objects.get(subject="Your booking")
    page.goto(f"/admin/mailconfig/message/{sent.pk}/change/")
    expect(page.locator("#mc-attempts + table")).to_contain_text("250 2.0.0 queued")
    take(page, "message-sent")
    page.click(".object-tools >> text=Content")
    expect(page.locator("#content")).to_contain_text("was erased")

    page.goto(f"/admin/mailconfig/message/{waiting.pk}/change/")
    expect(page.locator("#mc-recipients + table")).to_contain_text("erin@example.net")
    page.click("button:has-text('Hold')")
    expect(page.locator(".messagelist")).to_contain_text("Hold: 1 mail.")
    take(page, "message-held")
    page.click(".object-tools >> text=Content")
    expect(page.locator(".mc-plain")).to_contain_text("Text")
    take(page, "message-content")


def test_html_shows_in_a_frame_and_the_lists_fit(page: Page, mailboxes: tuple[Mailbox, Mailbox]) -> None:
    html = b"MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<h1>Dear John</h1><script>document.title='no'</script>"
    message = make_message(mailboxes[1], subject="A very long subject that goes on " * 4, body=html)
    page.goto(f"/admin/mailconfig/message/{message.pk}/content/")
    expect(page.frame_locator("iframe.mc-frame").locator("h1")).to_have_text("Dear John")
    take(page, "message-html")
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        for url in ("/admin/mailconfig/message/", f"/admin/mailconfig/message/{message.pk}/change/"):
            page.goto(url)
            wide = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert wide <= 0, (url, width)
            cut = page.evaluate(
                "[...document.querySelectorAll('.results')].map(e => e.scrollWidth - e.clientWidth)"
            )
            assert all(one <= 0 for one in cut), (url, width, cut)
