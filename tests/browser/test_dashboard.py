"""The dashboard as a person sees it: charts that bring themselves up to date, and a table without scripts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from mailconfig.models import (
    Account,
    FiguresState,
    HourFigures,
    HourTotals,
    Installation,
    Lane,
    WaitReason,
    Worker,
)
from tests.factories import PASSWORD, make_mailbox, make_message

from .pictures import take

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def fill() -> Account:
    """A day of two accounts, one of them paused."""
    desk, shop = make_mailbox(name="Front desk"), make_mailbox(name="Shop")
    now = timezone.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    for number in range(24):
        at = hour - timedelta(hours=number)
        sent, failed = 40 + (number * 37) % 60, number % 5
        HourTotals.objects.create(hour_at=at, sent=2 * sent, failed=failed, put_off=3, waiting=number * 2)
        HourFigures.objects.create(
            hour_at=at, account=desk, sent=sent, failed=failed, put_off=3, waiting=number * 2
        )
        HourFigures.objects.create(hour_at=at, account=shop, sent=sent)
    FiguresState.objects.create(id=1, counted_until=now, leaders=[desk.pk, shop.pk])
    make_message(desk, not_before=now - timedelta(minutes=3))
    Lane.objects.filter(account=desk).update(wait_reason=WaitReason.PAUSED_LOGIN, wait_since=now)
    Installation.objects.update_or_create(id=1, defaults={"swept_at": now})
    Worker.objects.create(
        host="worker-1", pid=1, started_at=now, seen_at=now, concurrency=20, mails_a_minute=12
    )
    return desk


def test_the_index_shows_the_day_and_brings_it_up_to_date(page: Page) -> None:
    desk = fill()
    page.goto("/admin/mailconfig/")

    expect(page.locator(".mc-chart canvas")).to_have_count(3)
    expect(page.get_by_role("img", name="Sent by hour")).to_be_visible()
    expect(page.get_by_role("table", name="1 paused account")).to_contain_text("The login does not work.")
    expect(page.locator(".mc-dash-table table")).to_be_hidden()
    take(page, "dashboard-index")
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.querySelector('.mc-dashboard').scrollWidth <= innerWidth")
    page.set_viewport_size({"width": 1280, "height": 900})

    make_message(desk)
    page.evaluate("document.dispatchEvent(new Event('mailconfig:refresh'))")
    waiting = page.locator(".mc-dash-numbers div", has=page.get_by_text("Waiting now"))
    expect(waiting.locator("dd")).to_have_text("2")
    expect(page.locator(".mc-chart canvas")).to_have_count(3)


def test_an_account_is_looked_at_by_keyboard(page: Page) -> None:
    fill()
    page.goto("/admin/")
    page.get_by_role("link", name="Dashboard", exact=True).first.click()
    page.locator(".mc-dash-table summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".mc-dash-table table")).to_be_visible()
    assert page.locator(".mc-dash-table tbody tr").count() == 24
    page.get_by_role("table", name="Most mail").get_by_role("link", name="Shop").press("Enter")
    expect(page.get_by_role("heading", name="Shop: The last 24 hours")).to_be_visible()
    take(page, "dashboard-account")
    page.get_by_role("link", name="All accounts").press("Enter")
    expect(page.get_by_role("heading", name="The last 24 hours", exact=True)).to_be_visible()


def test_without_scripts_there_is_a_table_and_a_way_to_refresh(
    browser: Browser, page: Page, live_server: LiveServer
) -> None:
    fill()
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    plain = context.new_page()
    plain.goto("/admin/login/?next=/admin/mailconfig/")
    plain.fill("[name=username]", "alice")
    plain.fill("[name=password]", PASSWORD)
    plain.click("[type=submit]")
    expect(plain.locator(".mc-dash-table table")).to_be_visible()
    expect(plain.locator(".mc-charts")).to_be_hidden()
    make_message(make_mailbox(name="New"))
    plain.get_by_role("link", name="Refresh").click()
    expect(plain.locator(".mc-dash-numbers")).to_contain_text("2")
    context.close()
