"""Journeys of people who look after mail, from the index on, in clicks; with scripts, and without."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from mailconfig.models import Account, AccountKind, Lane, Mailbox, Message
from tests.factories import make_account, make_mailbox, make_message, make_tenant
from tests.servers.chaos import ChaosServer

from .conftest import LOGIN, SECRET, logged_in
from .journeys import Clicks
from .pictures import take

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

COLUMNS = "kind,name,from_email,host,port,security,authentication,username,password\n"
FIFTY = 50


@pytest.fixture(params=[True, False], ids=["with scripts", "without scripts"])
def page(
    request: pytest.FixtureRequest, browser: Browser, live_server: LiveServer, transactional_db: None
) -> Iterator[Page]:
    """Alice's page, at the index."""
    with logged_in(browser, live_server.url, scripts=request.param) as page:
        yield page


@pytest.fixture
def clicks(page: Page) -> Clicks:
    return Clicks(page)


def go_to(clicks: Clicks, model: str) -> None:
    """Press the name of a list."""
    clicks.on(f"#content-main .model-{model} th a")


def test_a_mail_is_found_by_a_part_of_an_address(page: Page, clicks: Clicks) -> None:
    make_message(make_mailbox(name="Front desk"), subject="Your booking", to=["carol@example.net"])
    make_message(make_mailbox(name="Shop"), subject="Your order", to=["dave@example.net"])

    go_to(clicks, "message")
    page.fill("#searchbar", "arol@exam")
    page.press("#searchbar", "Enter")
    expect(page.locator(".mc-about").first).to_contain_text("in all mail there is")
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    take(page, "queue-search")
    clicks.on(page.locator("#result_list").get_by_role("link", name="Your booking"))

    expect(page.locator("#mc-recipients + table")).to_contain_text("carol@example.net")
    clicks.make("find a mail")


def test_an_account_is_paused_from_the_list(page: Page, clicks: Clicks) -> None:
    mailbox = make_mailbox(name="Front desk")
    make_account(name="Alerts")

    go_to(clicks, "account")
    clicks.on(page.get_by_role("row", name="Front desk").get_by_role("link", name="Pause"))
    page.fill("#id_reason", "Wrong newsletter")
    page.press("#id_reason", "Enter")

    expect(page.locator(".mc-glance")).to_contain_text("Wrong newsletter")
    assert Lane.objects.get(account_id=mailbox.pk).paused_because == "Wrong newsletter"
    clicks.make("pause an account")


def test_a_limit_is_raised_from_the_list(page: Page, clicks: Clicks) -> None:
    make_mailbox(name="Front desk", limit_count=3, limit_period=600)

    go_to(clicks, "account")
    clicks.on(page.get_by_role("row", name="Front desk").get_by_role("link", name="in 10 minutes"))
    page.fill("#id_limit_count", "50")
    page.press("#id_limit_count", "Enter")

    expect(page.locator(".messagelist")).to_contain_text("was changed")
    assert Mailbox.objects.get().limit_count == 50
    clicks.make("raise a limit")


def test_a_new_password_is_tried_and_stored(page: Page, clicks: Clicks, server: ChaosServer) -> None:
    make_mailbox(server.port, name="Front desk", username=LOGIN)

    go_to(clicks, "account")
    clicks.on(page.locator("#result_list").get_by_role("link", name="Front desk"))
    clicks.on("#id_secret")
    page.fill("#id_secret", SECRET)
    page.press("#id_secret", "Enter")

    expect(page.locator(".messagelist")).to_contain_text("it works")
    assert server.auth_attempts[-1][1:] == (LOGIN, SECRET)
    clicks.make("enter a new password")


def test_an_account_moves_to_another_server(page: Page, clicks: Clicks, server: ChaosServer) -> None:
    mailbox = make_mailbox(server.port, name="Front desk", username=LOGIN, host="127.0.0.2")

    go_to(clicks, "account")
    clicks.on(page.locator("#result_list").get_by_role("link", name="Front desk"))
    clicks.on("#id_host")
    page.fill("#id_host", "127.0.0.1")
    clicks.on("#id_secret")
    page.fill("#id_secret", SECRET)
    page.press("#id_secret", "Enter")

    expect(page.locator(".messagelist")).to_contain_text("it works")
    assert Mailbox.objects.get(pk=mailbox.pk).host == "127.0.0.1"
    clicks.make("move an account to another server")


def test_failed_mail_is_sent_again(page: Page, clicks: Clicks) -> None:
    message = make_message(make_mailbox(), subject="Wrong address", state="failed", settled_at=timezone.now())

    go_to(clicks, "message")
    clicks.on("#changelist-filter a[href='?state=failed']")
    clicks.on(page.get_by_role("link", name="Retry…"))
    expect(page.locator("#content")).to_contain_text("1 mail")
    take(page, "queue-bulk")
    clicks.on(page.get_by_role("button", name="Yes"))

    expect(page.locator(".messagelist")).to_contain_text("Retry: 1 mail.")
    assert Message.objects.get(pk=message.pk).state == "queued"
    clicks.make("send failed mail again")


def test_waiting_mail_moves_to_another_account(page: Page, clicks: Clicks) -> None:
    tenant = make_tenant(name="Acme")
    mailbox = make_mailbox(name="Newsletter", tenant=tenant)
    other = make_mailbox(name="Newsletter, new server", tenant=tenant)
    for number in range(5):
        make_message(mailbox, subject=f"Issue {number}", tenant=tenant)

    go_to(clicks, "mailbox")
    clicks.on(page.locator("#result_list").get_by_role("link", name="5", exact=True))
    expect(page.locator(".mc-about").first).to_contain_text("5 mails wait")
    take(page, "queue-of-account")
    clicks.on(page.get_by_role("link", name="Move to another account…"))
    take(page, "queue-move")
    page.select_option("select[name=account]", str(other.pk))
    clicks.on(page.get_by_role("button", name="Yes"))

    expect(page.locator(".messagelist")).to_contain_text("5 mails")
    assert Message.objects.filter(account=other, state="queued").count() == 5
    clicks.make("move waiting mail to another account")


def test_fifty_accounts_are_looked_at_tried_and_imported(
    page: Page, clicks: Clicks, server: ChaosServer, settings: Settings
) -> None:
    settings.MAILCONFIG = settings.MAILCONFIG | {"CHECKS_PER_MINUTE": 1000}
    server.credentials = {f"shop{number}@example.com": SECRET for number in range(FIFTY)}
    rows = (
        f"outbound_email,Shop {number},shop{number}@example.com,127.0.0.1,{server.port},none,password,shop{number}@example.com,{SECRET}\n"
        for number in range(FIFTY)
    )
    file = {
        "name": "shops.csv",
        "mimeType": "text/csv",
        "buffer": (COLUMNS + "".join(rows)).encode("utf-8-sig"),
    }

    go_to(clicks, "account")
    clicks.on(page.get_by_role("link", name="Import"))
    page.set_input_files("#id_file", file)  # type: ignore[arg-type]
    clicks.count += 1
    clicks.on(page.get_by_role("button", name="Show what would change"))
    expect(page.get_by_role("status")).to_contain_text(f"Nothing is stored yet. New: {FIFTY}.")
    assert not Account.objects.exists()
    take(page, "import-looked-at")
    clicks.on(page.get_by_role("button", name="Import"))

    expect(page.get_by_role("status")).to_contain_text(f"The import is done. New: {FIFTY}.")
    take(page, "import-done")
    assert Account.objects.filter(kind=AccountKind.OUTBOUND_EMAIL).count() == FIFTY
    assert SECRET not in page.content()
    clicks.make("import fifty accounts")
