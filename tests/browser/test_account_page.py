"""The page of an account: how it is doing, and what people do there, counted in clicks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django import Settings

from mailconfig.models import Attempt, ConnectionCheck, FiguresState, HourFigures, Lane, Mailbox
from tests.factories import make_mailbox, make_message
from tests.servers.chaos import ChaosServer
from tests.servers.name_server import NameServer

from .conftest import LOGIN
from .journeys import Clicks
from .pictures import take

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

SEEN = """() => new MutationObserver(() => {
    if (document.querySelector("#mc-steps:not([hidden]) [data-step=queued].mc-ok")) { sessionStorage.setItem("queued", "shown"); }
}).observe(document.getElementById("mc-steps"), { attributes: true, subtree: true })"""


@pytest.fixture
def clicks(page: Page) -> Clicks:
    return Clicks(page)


@pytest.fixture
def dns(settings: Settings) -> Iterator[NameServer]:
    with NameServer() as running:
        settings.MAILCONFIG = settings.MAILCONFIG | {"DNS_SERVERS": [running.address]}
        yield running


def open_page(page: Page, mailbox: Mailbox) -> None:
    page.goto(f"/admin/mailconfig/mailbox/{mailbox.pk}/change/")


def make_busy(port: int = 2525) -> Mailbox:
    """One that sent for a day, is at its limit, and has mail that waits."""
    now = timezone.now()
    mailbox = make_mailbox(port, name="Front desk", username=LOGIN, limit_count=3, limit_period=600)
    hour = now.replace(minute=0, second=0, microsecond=0)
    HourFigures.objects.bulk_create(
        HourFigures(
            hour_at=hour - timedelta(hours=back),
            account=mailbox,
            sent=(back * 7) % 40,
            failed=3 if back in {4, 5} else 0,
        )
        for back in range(24)
    )
    FiguresState.objects.update_or_create(id=1, defaults={"counted_until": now})
    for number in range(3):
        at = now - timedelta(seconds=200 - number)
        Attempt.objects.create(
            account=mailbox,
            message=make_message(mailbox, subject=f"Your booking {number}"),
            outcome="sent" if number else "refused",
            reply_code=250 if number else 550,
            enhanced_code="2.0.0" if number else "5.1.1",
            reply_text="2.0.0 Ok: queued as 4711" if number else "5.1.1 no such user",
            started_at=at,
            ended_at=at,
        )
    return mailbox


def test_the_page_begins_with_how_the_account_is_doing(page: Page) -> None:
    open_page(page, make_busy())

    expect(page.locator(".mc-glance")).to_contain_text("3 mails wait")
    expect(page.locator(".mc-glance")).to_contain_text("next slot at")
    expect(page.locator(".mc-spark rect.mc-up")).not_to_have_count(0)
    expect(page.locator(".mc-spark rect.mc-down")).to_have_count(2)
    expect(page.get_by_role("img", name="sent, 6 failed")).to_be_visible()
    page.click("text=Recent mails and attempts")
    expect(page.locator(".mc-glance")).to_contain_text("5.1.1 no such user")
    take(page, "account-glance")
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        box = page.locator(".mc-glance").bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= width


def test_an_account_is_paused_in_two_clicks_and_goes_on_with_one(page: Page, clicks: Clicks) -> None:
    mailbox = make_busy()
    open_page(page, mailbox)

    clicks.on(".mc-tool:has-text('Pause')")
    # Keys that are pressed before the page has put the cursor there go nowhere.
    expect(page.locator("#id_reason")).to_be_focused()
    take(page, "account-pause")
    page.keyboard.type("Wrong newsletter")
    clicks.on("input[value=Pause]")

    expect(page.locator(".mc-glance")).to_contain_text("Wrong newsletter")
    expect(page.locator(".mc-glance")).to_contain_text("by alice")
    assert clicks.count == 2
    assert Lane.objects.get(account_id=mailbox.pk).paused_because == "Wrong newsletter"
    take(page, "account-paused")
    clicks.on(".mc-tool:has-text('Resume')")
    expect(page.locator(".messagelist")).to_contain_text("The account goes on.")
    assert clicks.count == 3


def test_what_a_domain_lacks_is_shown_after_one_click(page: Page, clicks: Clicks, dns: NameServer) -> None:
    mailbox = make_mailbox(from_email="info@example.com", host="smtp.gmail.com", preset="gmail")
    dns.text("example.com", "v=spf1 ip4:192.0.2.1 -all")
    dns.text("_dmarc.example.com", "v=DMARC1; p=quarantine")
    open_page(page, mailbox)

    clicks.on(".mc-tool:has-text('Will it arrive?')")

    expect(page.locator("body")).to_contain_text("v=spf1 include:_spf.google.com ip4:192.0.2.1 -all")
    assert clicks.count == 1
    take(page, "account-arrival")


def test_a_test_mail_is_watched_until_the_server_accepts_it(
    page: Page, clicks: Clicks, server: ChaosServer
) -> None:
    server.credentials, server.latency = None, 0.3
    open_page(page, make_mailbox(server.port))

    clicks.on("text=Send test mail")
    expect(page.locator("#mc-steps")).to_be_attached()
    # Playwright looks at nothing while an answer is on its way, so the page notes what it showed.
    page.evaluate(SEEN)
    clicks.on("input[type=submit]")

    expect(page.locator(".messagelist")).to_contain_text("accepted by the mail server")
    expect(page.locator(".mc-result.mc-good q")).not_to_be_empty()
    assert page.evaluate("sessionStorage.getItem('queued')") == "shown"
    assert clicks.count == 2


def test_a_test_mail_of_a_worker_is_watched_on_the_account_s_page(page: Page, settings: Settings) -> None:
    settings.MAILCONFIG = settings.MAILCONFIG | {"CHECKS_AT_ONCE": 0}
    mailbox = make_mailbox()
    page.goto(f"/admin/mailconfig/mailbox/{mailbox.pk}/test-mail/")
    page.fill("#id_recipient", "carol@example.net")
    page.click("input[type=submit]")

    expect(page.locator("[data-step=queued]")).to_have_class("mc-ok")
    expect(page.locator("[data-step=handed_over]")).not_to_have_class("mc-ok")
    stages = [
        {"stage": name, "outcome": "ok", "milliseconds": 1, "detail": ""} for name in ("connect", "dot")
    ]
    ConnectionCheck.objects.update(state="running", stages=stages)
    expect(page.locator("[data-step=handed_over]")).to_have_class("mc-ok")
    ConnectionCheck.objects.update(state="passed")
    expect(page.locator(".mc-result.mc-good")).to_be_visible()
    expect(page.locator("[data-open-check]")).to_have_count(0)
