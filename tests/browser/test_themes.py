"""The admin's pages under the themes that host projects have: every button does what it says, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from mailconfig.models import ConnectionCheck, Lane, Mailbox, Message, MessageState, WaitReason
from tests.factories import make_mailbox, make_message, make_synced
from tests.servers.chaos import ChaosServer

from .conftest import LOGIN, SECRET, unfold
from .pictures import take

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

WORDS = "535 5.7.8 the postmaster says no"


@pytest.fixture
def page(themed_page: Page) -> Page:
    """Alice's page under each theme."""
    return themed_page


def tool(page: Page, label: str) -> None:
    """Press a button or link among the page's tools."""
    page.locator(".mc-tool", has_text=label).click()


def turn_to(page: Page, part: str) -> None:
    """Show a part of the form, where the theme makes tabs of them."""
    tab = page.get_by_role("tab", name=part)
    if tab.count():
        tab.click()


def no_form_within_another(page: Page) -> bool:
    """As a browser reads it: it leaves out what stands within, so the source is asked."""
    source = page.evaluate("async () => (await fetch(location.href)).text()")
    depth = 0
    for piece in source.lower().split("<")[1:]:
        depth += piece.startswith(("form ", "form>")) - piece.startswith("/form")
        if depth > 1:
            return False
    return True


def test_the_tools_of_an_account_save_nothing(page: Page, theme: str, server: ChaosServer) -> None:
    server.credentials = None
    mailbox = make_mailbox(server.port, name="Front desk", limit_per_day=10)
    Lane.objects.filter(account_id=mailbox.pk).update(
        wait_reason=WaitReason.PAUSED_LOGIN, wait_since=timezone.now(), wait_text=WORDS
    )
    url = f"/admin/mailconfig/mailbox/{mailbox.pk}/change/"
    page.goto(url)
    assert no_form_within_another(page)
    take(page, f"{theme}-account")
    if theme == "unfold":
        assert page.locator("h1").first.evaluate("title => title.scrollWidth <= title.clientWidth")
    page.click(".mc-window a")
    expect(page.locator("#id_limit_per_day")).to_be_focused()
    turn_to(page, "Identity")
    page.fill("#id_name", "Typed and not saved")
    tool(page, "Test connection")

    expect(page.locator(".mc-result.mc-good")).to_contain_text("The connection works.")
    assert ConnectionCheck.objects.filter(account_id=mailbox.pk).count() == 1
    assert Mailbox.objects.get().name == "Front desk"

    tool(page, "Send test mail")
    page.fill("#id_recipient", "carol@example.net")
    take(page, f"{theme}-test-mail")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".mc-result.mc-good")).to_contain_text("hand the mail over")
    assert [message.recipients for message in server.messages] == [("carol@example.net",)]
    take(page, f"{theme}-account-tested")


def test_an_account_is_added_and_saved(page: Page, theme: str, server: ChaosServer) -> None:
    page.goto("/admin/mailconfig/mailbox/add/")
    unfold(page)
    turn_to(page, "Sending (SMTP)")
    page.select_option("#id_preset", "gmail")
    expect(page.locator("#id_host")).to_have_value("smtp.gmail.com")
    # Both halves are tried at a save, and nothing but loopback may be called.
    turn_to(page, "Receiving (IMAP)")
    expect(page.locator("#id_imap_host")).to_have_value("imap.gmail.com")
    page.fill("#id_imap_host", "")
    turn_to(page, "Identity")
    page.fill("#id_name", "Bob's mailbox")
    turn_to(page, "Account")
    page.fill("#id_from_email", LOGIN)
    page.fill("#id_secret", "not-the-password")
    turn_to(page, "Sending (SMTP)")
    page.fill("#id_host", "127.0.0.1")
    page.select_option("#id_security", "none")
    page.fill("#id_port", str(server.port))
    page.fill("#id_username", LOGIN)
    take(page, f"{theme}-account-add")
    page.click("[name=_continue]")
    expect(page.locator("#mc-adding")).to_contain_text("failed at: login")
    take(page, f"{theme}-account-refused")

    turn_to(page, "Account")
    page.fill("#id_secret", SECRET)
    page.click("[name=_continue]")
    expect(page.locator("body")).to_contain_text("it works")
    assert Mailbox.objects.get().name == "Bob's mailbox"

    server.stop()
    turn_to(page, "Sending (SMTP)")
    page.fill("#id_username", "bob-away@example.com")
    page.fill("#id_secret", SECRET)
    page.click("[name=_save_untested]")
    page.wait_for_url("**/mailbox/*")
    assert Mailbox.objects.get().username == "bob-away@example.com"


def test_mail_is_held_released_cancelled_and_read(page: Page, theme: str) -> None:
    mailbox = make_mailbox(name="Front desk")
    message = make_message(mailbox, subject="Your booking")

    def state() -> str:
        return Message.objects.get(pk=message.pk).state

    page.goto(f"/admin/mailconfig/message/{message.pk}/change/")
    assert no_form_within_another(page)
    tool(page, "Hold")
    expect(page.locator("body")).to_contain_text("Hold: 1 mail.")
    assert state() == MessageState.HELD
    take(page, f"{theme}-message")
    tool(page, "Release")
    expect(page.locator("body")).to_contain_text("Release: 1 mail.")
    assert state() == MessageState.QUEUED
    tool(page, "Content")
    expect(page.locator(".mc-plain")).to_contain_text("Text")
    take(page, f"{theme}-content")

    page.goto(f"/admin/mailconfig/message/{message.pk}/change/")
    tool(page, "Cancel")
    expect(page.locator("body")).to_contain_text("Cancel these mails?")
    take(page, f"{theme}-cancel")
    page.get_by_role("button", name="Yes, I’m sure").click()
    expect(page.locator("body")).to_contain_text("Cancel: 1 mail.")
    assert state() == MessageState.CANCELLED


def covers(page: Page, above: str, below: str) -> bool:
    """Return whether the first of one kind of element lies on any of another."""
    script = """([above, below]) => {
        const one = document.querySelector(above)?.getBoundingClientRect();
        return Boolean(one) && [...document.querySelectorAll(below)].some((other) => {
            const two = other.getBoundingClientRect();
            return one.left < two.right && two.left < one.right && one.top < two.bottom && two.top < one.bottom;
        });
    }"""
    return bool(page.evaluate(script, [above, below]))


def test_marks_have_the_colours_of_the_page_they_stand_on(page: Page, theme: str) -> None:
    make_mailbox(name="Front desk", is_enabled=True)
    Lane.objects.update(validated_at=timezone.now())
    page.emulate_media(color_scheme="dark")
    page.goto("/admin/mailconfig/mailbox/")
    luminance = """(selector) => {
        let element = document.querySelector(selector);
        let colour = getComputedStyle(element).color;
        if (selector === "body") { colour = getComputedStyle(element).backgroundColor; }
        const context = document.createElement("canvas").getContext("2d");
        context.fillStyle = colour;
        context.fillRect(0, 0, 1, 1);
        const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    }"""

    ground, mark = page.evaluate(luminance, "body"), page.evaluate(luminance, ".mc-ok")

    assert (ground < 128) == (theme != "jazzmin"), "jazzmin stays light unless the host chooses a dark theme"
    assert (mark > 128) == (ground < 128)


def test_the_lists_are_shown_with_what_somebody_has_to_see_to(page: Page, theme: str) -> None:
    mailbox = make_mailbox(name="Front desk", limit_count=5, limit_period=60)
    make_message(mailbox, subject="Your booking")
    Lane.objects.filter(account_id=mailbox.pk).update(
        wait_reason=WaitReason.PAUSED_LOGIN, wait_since=timezone.now(), wait_text=WORDS
    )
    for model in (
        "mailbox",
        "message",
        "attempt",
        "connectioncheck",
        "tenant",
        "syncedmessage",
        "suppression",
    ):
        page.goto(f"/admin/mailconfig/{model}/")
        expect(page.locator(".mc-banner")).to_contain_text("Front desk")
        assert not covers(page, ".object-tools", ".mc-banner")
        take(page, f"{theme}-{model}-list")
    page.goto("/admin/mailconfig/")
    expect(page.locator(".mc-banner")).to_contain_text("Front desk")
    take(page, f"{theme}-index")


def test_mail_that_came_in_is_read_and_leads_to_what_it_answers(page: Page, theme: str) -> None:
    mailbox = make_mailbox(name="Front desk", imap_host="127.0.0.1", sync_method="imap")
    sent = make_message(mailbox, subject="Your booking")
    values: dict[str, Any] = {
        "answers": sent,
        "text": "Dear all, thank you.",
        "html": "<p id=seen>Dear <b>all</b></p>",
    }
    reply = make_synced(mailbox, subject="Re: Your booking", from_name="Carol Example", **values)
    page.goto(f"/admin/mailconfig/mailbox/{mailbox.pk}/change/")
    take(page, f"{theme}-mailbox-that-syncs")
    page.locator(".mc-tool", has_text="Mail that came in").click()
    take(page, f"{theme}-synced-list")
    page.get_by_role("link", name="Re: Your booking").click()
    expect(page.locator(".mc-plain")).to_contain_text("Dear all")
    page.locator("iframe.mc-frame").scroll_into_view_if_needed()
    expect(page.frame_locator("iframe.mc-frame").locator("#seen")).to_be_visible()
    take(page, f"{theme}-synced")
    assert f"/syncedmessage/{reply.pk}/" in page.url
    page.get_by_role("link", name="Your booking", exact=True).first.click()
    expect(page.locator("section[aria-labelledby=mc-replies]")).to_contain_text("Re: Your booking")
