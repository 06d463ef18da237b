"""Somebody who knows an address and a password, and nothing of SMTP, adds an account and sees it tried."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from mailconfig.models import Account
from tests.factories import make_oauth2_client
from tests.servers.certificates import Certificates
from tests.servers.chaos import ChaosServer
from tests.servers.name_server import NameServer

from .conftest import LOGIN, PATIENCE, SECRET, unfold
from .pictures import take

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

WRONG = "not-the-password-either"
BOB = "bob@localhost"
SECRET_WORD = "abcdefghijklmnop"
MOST_KEYS = 45
"""Of an account at a great mail service; there were 78, in six fields."""


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


@pytest.fixture
def encrypting(settings: Any) -> Iterator[ChaosServer]:
    """A mail server with TLS, which the domain localhost names as its own, as a great mail service does."""
    certificates = Certificates()
    with (
        NameServer() as names,
        ChaosServer(tls=certificates.good, credentials={BOB: SECRET_WORD}) as server,
    ):
        names.records["_submissions._tcp.localhost", "SRV"] = [f"0 0 {server.port} localhost."]
        settings.MAILCONFIG = {
            **settings.MAILCONFIG,
            "DNS_SERVERS": [names.address],
            "CA_FILE": certificates.ca_file,
        }
        yield server
    certificates.close()


def test_two_fields_and_few_keys_make_an_account_that_was_proved(page: Page, encrypting: ChaosServer) -> None:
    """The address is as long as one at Gmail, and the password as one that is made for an app there."""
    page.goto("/admin/mailconfig/account/add/")
    page.click("text=SMTP provider >> nth=-1")
    expect(page.locator("#id_from_email")).to_be_focused()
    keys = 0
    for typed in (*BOB, "Tab", *SECRET_WORD, "Enter"):
        page.keyboard.press(typed)
        keys += 1

    expect(page.locator(".messagelist")).to_contain_text("it works")
    take(page, "adding-done")
    account = Account.objects.get()
    assert (account.from_email, account.host, account.security) == (BOB, "localhost", "tls")
    assert keys <= MOST_KEYS
    assert encrypting.auth_attempts[0][1:] == (BOB, SECRET_WORD)


def test_a_known_service_fills_in_what_it_knows_and_takes_it_back(page: Page) -> None:
    page.goto("/admin/mailconfig/mailbox/add/")
    page.fill("#id_from_email", "bob@gmail.com")
    page.keyboard.press("Tab")
    expect(page.locator("#mc-service")).to_contain_text("smtp.gmail.com")
    expect(page.locator("#mc-service")).to_contain_text("app password")
    expect(page.locator("#id_host")).to_have_value("smtp.gmail.com")
    expect(page.locator("#id_imap_host")).to_have_value("imap.gmail.com")
    expect(page.locator("#id_username")).to_have_value("bob@gmail.com")
    take(page, "adding-gmail")

    page.fill("#id_from_email", "bobby@gmail.com")
    page.keyboard.press("Tab")
    expect(page.locator("#id_username")).to_have_value("bobby@gmail.com")

    page.fill("#id_from_email", "bob@outlook.com")
    page.keyboard.press("Tab")
    expect(page.locator("#id_host")).to_have_value("smtp-mail.outlook.com")
    expect(page.locator("#id_username")).to_have_value("bob@outlook.com")
    expect(page.locator("#mc-service")).to_contain_text("an administrator has to register an app")
    take(page, "adding-outlook")

    page.fill("#id_from_email", "bob@example.com")
    page.keyboard.press("Tab")
    expect(page.locator("#mc-service")).to_be_hidden()
    expect(page.locator("#id_host")).to_have_value("")
    expect(page.locator("#id_username")).to_have_value("")


def test_what_was_found_for_a_mistyped_address_goes_with_it(page: Page, encrypting: ChaosServer) -> None:
    page.goto("/admin/mailconfig/smtpprovider/add/")
    page.fill("#id_from_email", BOB)
    page.fill("#id_secret", WRONG)
    page.keyboard.press("Enter")
    expect(page.locator("#mc-adding")).to_contain_text("failed at: login")
    expect(page.locator("#id_host")).to_have_value("localhost")

    page.fill("#id_from_email", "bob@example.com")
    page.keyboard.press("Tab")

    expect(page.locator("#id_host")).to_have_value("")
    expect(page.locator("#id_username")).to_have_value("")
    expect(page.locator("#id_secret")).to_have_value(WRONG)
    assert encrypting.auth_attempts


def test_without_scripts_the_same_form_is_sent(browser: Browser, page: Page, encrypting: ChaosServer) -> None:
    context = browser.new_context(
        base_url=page.url.split("/admin/")[0],
        java_script_enabled=False,
        storage_state=page.context.storage_state(),
        viewport={"width": 1280, "height": 900},
    )
    plain = context.new_page()
    plain.set_default_timeout(PATIENCE)
    plain.goto("/admin/mailconfig/smtpprovider/add/")
    plain.fill("#id_from_email", BOB)
    plain.fill("#id_secret", WRONG)
    plain.keyboard.press("Enter")
    expect(plain.locator(".mc-result.mc-bad")).to_contain_text("failed at: login")
    take(plain, "adding-without-scripts")
    assert WRONG not in plain.content()

    attempts = len(encrypting.auth_attempts)
    plain.fill("#id_from_email", "bob@unknown.test")
    plain.fill("#id_secret", SECRET_WORD)
    plain.keyboard.press("Enter")
    expect(plain.locator("#id_host")).to_have_value("")
    assert len(encrypting.auth_attempts) == attempts

    plain.fill("#id_from_email", BOB)
    plain.fill("#id_secret", SECRET_WORD)
    plain.keyboard.press("Enter")
    expect(plain.locator(".messagelist")).to_contain_text("it works")
    context.close()
    assert Account.objects.get().host == "localhost"


def test_somebody_signs_in_at_the_service_that_the_address_tells(page: Page) -> None:
    make_oauth2_client(name="Our Google app", provider="google")
    page.goto("/admin/mailconfig/smtpprovider/add/")
    page.fill("#id_from_email", "bob@gmail.com")
    page.keyboard.press("Tab")

    page.click("text=Sign in with Our Google app")

    page.wait_for_url("**/connect/**")
    account = Account.objects.get()
    assert (account.host, account.authentication, account.has_secret) == ("smtp.gmail.com", "oauth2", False)
    take(page, "adding-sign-in")
