"""Mail that came in as a person reads it: what somebody wrote to do harm does nothing."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from mailconfig.delivery.sync import content
from mailconfig.models import Bounce
from tests.factories import make_mailbox, make_message, make_synced

from .pictures import take

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

RUNS = "top.document.title = document.title = 'it ran'"
OF_THE_PAGE = ("/static/", "/admin/jsi18n/", "/favicon.ico")
HOSTILE = f"""
<base href="https://evil.test/"><meta http-equiv="refresh" content="0; url=https://evil.test/refresh">
<link rel="stylesheet" href="https://evil.test/link"><script src="https://evil.test/script"></script>
<script>{RUNS}; fetch("https://evil.test/fetch").catch(() => 0); location = "https://evil.test/location"</script>
<style>@import "https://evil.test/import"; @font-face {{ font-family: x; src: url(https://evil.test/font) }}
p {{ background: url(https://evil.test/style); font-family: x; color: rgb(1, 2, 3) }}</style>
<img src="https://evil.test/img" srcset="https://evil.test/srcset 1x" onerror="{RUNS}" alt="a picture">
<img src="/admin/logout/?img"><img src="data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
 id="data" onload="{RUNS}"><picture><source srcset="https://evil.test/source"><img src="relative"></picture>
<iframe src="https://evil.test/iframe"></iframe><iframe srcdoc="<script>{RUNS}</script>"></iframe>
<object data="https://evil.test/object"></object><embed src="https://evil.test/embed">
<video src="https://evil.test/video" poster="https://evil.test/poster" autoplay></video>
<svg onload="{RUNS}"><image href="https://evil.test/svg"/></svg><table background="https://evil.test/table"></table>
<form action="https://evil.test/form" id="f"><input name="a" autofocus onfocus="{RUNS}"></form>
<script>document.forms[0].submit()</script><body onload="{RUNS}; document.forms[0].submit()">
<p id="seen">Read me</p>
"""


@pytest.mark.parametrize("is_cleaned", [True, False], ids=["cleaned", "by the frame alone"])
def test_hostile_html_asks_for_nothing_and_runs_nothing(
    page: Page, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch, is_cleaned: bool
) -> None:
    """Cleaning is taken away once, since the frame and its policy have to hold without it."""
    if not is_cleaned:
        monkeypatch.setattr(content, "harmless", lambda html: html)
    message = make_synced(make_mailbox(), subject="Invoice", text="Plain words", html=HOSTILE)
    url = f"/admin/mailconfig/syncedmessage/{message.pk}/"
    asked: list[str] = []

    def note(route: Route) -> None:
        asked.append(route.request.url.removeprefix(live_server.url))
        if urlsplit(route.request.url).netloc == urlsplit(live_server.url).netloc:
            route.continue_()
        else:
            route.abort()

    page.context.route("**/*", note)
    page.goto(f"{url}change/")
    page.locator("iframe.mc-frame").scroll_into_view_if_needed()
    frame = page.frame_locator("iframe.mc-frame")
    expect(frame.locator("#seen")).to_be_visible()
    expect(frame.locator("#seen")).to_have_css("color", "rgb(1, 2, 3)")
    title = page.title()
    page.wait_for_load_state("networkidle")

    assert [one for one in asked if not one.startswith(OF_THE_PAGE)] == [f"{url}change/", f"{url}html/"]
    assert page.title() == title
    assert "it ran" not in title
    assert urlsplit(page.url).path == f"{url}change/"
    expect(page.locator(".mc-plain")).to_have_text("Plain words")
    # Opened by itself, it has no frame around it.
    page.goto(f"{url}html/")
    expect(page.locator("#seen")).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert asked[-1] == f"{url}html/"
    assert "it ran" not in page.title()


def test_the_same_html_acts_where_nothing_holds_it(page: Page) -> None:
    """What the other test does not see happen would happen."""
    asked: list[str] = []

    def note(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=204)  # with which nobody goes elsewhere

    page.context.route("https://evil.test/**", note)
    page.set_content(HOSTILE.replace("location =", "window.unused ="), wait_until="commit")
    expect(page).to_have_title("it ran")
    page.wait_for_load_state("networkidle")
    wanted = {"script", "fetch", "link", "import", "srcset", "iframe", "object", "form"}
    assert wanted <= {urlsplit(one).path.strip("/") for one in asked}


def test_a_reply_leads_to_its_mail_and_back(page: Page) -> None:
    mailbox = make_mailbox(name="Front desk")
    sent = make_message(mailbox, subject="Your booking")
    reply = make_synced(
        mailbox,
        subject="Re: Your booking",
        from_name="Carol Example",
        to="sender@example.com",
        answers=sent,
        text="Dear all,\n\nthank you.\n",
        html="<p>Dear all,</p><p style='color: darkgreen'>thank <b>you</b>.</p>",
    )
    report = make_synced(mailbox, subject="Undelivered Mail", kind="report", text="It came back.")
    Bounce.objects.create(
        message=sent,
        address="gone@example.net",
        enhanced_code="5.1.1",
        text="550 5.1.1 no such user",
        reported_in=report,
    )
    page.goto("/admin/mailconfig/syncedmessage/")
    take(page, "synced-list")
    page.get_by_role("link", name="Re: Your booking").click()
    expect(page.locator(".mc-plain")).to_contain_text("thank you.")
    take(page, "synced")
    page.locator(".field-tie_or_none a").click()
    expect(page.locator("section[aria-labelledby=mc-bounces]")).to_contain_text("no such user")
    take(page, "message-with-replies")
    page.locator("section[aria-labelledby=mc-replies] a").click()
    page.wait_for_url(f"**/syncedmessage/{reply.pk}/**")
