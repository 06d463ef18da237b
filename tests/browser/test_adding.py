"""Somebody who knows an address and a password, and nothing of SMTP, adds an account and sees it tried."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from mailconfig.models import Account
from tests.servers.chaos import ChaosServer

from .conftest import LOGIN, SECRET, unfold
from .pictures import take

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

WRONG = "not-the-password-either"


def name_server_of(page: Page, server: ChaosServer) -> None:
    """Say where mail goes, as one does whose server nobody finds."""
    unfold(page)
    page.fill("#id_host", "127.0.0.1")
    page.select_option("#id_security", "none")
    page.fill("#id_port", str(server.port))
    page.fill("#id_username", LOGIN)


def test_which_kind_is_chosen_by_a_sentence(page: Page) -> None:
    page.goto("/admin/mailconfig/account/")
    page.click("text=Add account")
    expect(page.locator(".mc-kinds li")).to_have_count(4)
    take(page, "adding-kinds")
    page.click("text=Mailbox >> nth=-1")
    page.wait_for_url("**/mailbox/add/")
    expect(page.locator("#id_from_email")).to_be_focused()
    expect(page.locator("#id_host")).to_be_hidden()
    take(page, "adding-page")


def test_stages_show_as_they_end_and_the_password_stays_in_the_page_only(
    page: Page, server: ChaosServer
) -> None:
    page.goto("/admin/mailconfig/smtpprovider/add/")
    page.fill("#id_from_email", LOGIN)
    page.fill("#id_secret", WRONG)
    name_server_of(page, server)
    answers: list[str] = []
    page.on("response", lambda response: answers.append(response.text()) if "/add/" in response.url else None)
    server.latency = 0.8
    page.click("input[name=_save]")
    expect(page.locator("#mc-adding .mc-stage-open")).to_contain_text("under way")
    expect(page.locator("#mc-adding .mc-stage-ok").first).to_contain_text("ms")
    take(page, "adding-under-way")

    expect(page.locator("#mc-adding")).to_contain_text("Not saved – failed at: login")
    expect(page.locator("#mc-adding")).to_contain_text("Check the user name and the password")
    expect(page.locator("#id_secret")).to_have_value(WRONG)
    expect(page.locator("#id_secret")).to_be_focused()
    expect(page.locator("#id_secret")).to_have_attribute("aria-invalid", "true")
    take(page, "adding-refused")
    assert not Account.objects.exists()
    assert answers
    assert not any(WRONG in answer for answer in answers)

    server.latency = 0.0
    page.fill("#id_secret", SECRET)
    page.click("input[name=_save]")
    expect(page.locator(".messagelist")).to_contain_text("it works")
    assert Account.objects.get().from_email == LOGIN
    assert server.auth_attempts[-1][2] == SECRET


def test_a_field_that_is_folded_away_is_opened_where_something_is_wrong_with_it(page: Page) -> None:
    page.goto("/admin/mailconfig/smtpprovider/add/")
    page.fill("#id_from_email", "bob@unknown.test")
    page.fill("#id_secret", SECRET)
    page.keyboard.press("Enter")

    expect(page.locator("#id_host")).to_be_visible()
    expect(page.locator("#id_host")).to_be_focused()
    expect(page.locator("#id_secret")).to_have_value(SECRET)
    take(page, "adding-unknown-server")
