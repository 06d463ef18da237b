"""An admin who is no mail expert adds a mailbox, is told what is wrong, and sees a test mail arrive."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from mailconfig.models import Mailbox
from mailconfig.values import Secret
from tests.factories import make_mailbox
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Reply
from tests.servers.imap import FakeIMAP

from .conftest import LOGIN, SECRET, unfold
from .pictures import take

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def fill_in(page: Page, server: ChaosServer, password: str) -> None:
    """The form of a new mailbox."""
    page.goto("/admin/mailconfig/mailbox/add/")
    unfold(page)
    page.fill("#id_name", "Bob's mailbox")
    page.fill("#id_from_email", LOGIN)
    page.fill("#id_host", "127.0.0.1")
    page.select_option("#id_security", "none")
    page.fill("#id_port", str(server.port))
    page.fill("#id_username", LOGIN)
    page.fill("#id_secret", password)


def test_a_wrong_password_is_named_and_the_right_one_is_saved(page: Page, server: ChaosServer) -> None:
    fill_in(page, server, "not-the-password")
    take(page, "mailbox-add")
    page.click("input[name=_save]")

    expect(page.locator("#mc-adding h2")).to_contain_text("failed at: login")
    expect(page.locator(".field-secret .errorlist")).to_contain_text("Check the user name and the password")
    expect(page.locator("#id_name")).to_have_value("Bob's mailbox")
    expect(page.locator("#id_port")).to_have_value(str(server.port))
    expect(page.locator("#id_secret")).to_have_value("not-the-password")
    take(page, "mailbox-wrong-password")
    assert not Mailbox.objects.exists()

    page.fill("#id_secret", SECRET)
    page.click("input[name=_save]")

    expect(page.locator(".messagelist")).to_contain_text("it works")
    take(page, "mailbox-list")
    assert Mailbox.objects.get().name == "Bob's mailbox"


def test_a_test_mail_arrives_and_its_stages_are_shown(page: Page, server: ChaosServer) -> None:
    fill_in(page, server, SECRET)
    page.click("input[name=_continue]")
    expect(page.locator(".messagelist")).to_contain_text("it works")

    page.click("text=Send test mail")
    expect(page.locator("#id_recipient")).to_have_value("alice@example.com")
    take(page, "test-mail")
    page.click("input[type=submit]")

    expect(page.locator(".messagelist")).to_contain_text("accepted by the mail server")
    expect(page.locator(".mc-result.mc-good")).to_contain_text("hand the mail over")
    take(page, "mailbox-after-test-mail")
    assert [message.recipients for message in server.messages] == [("alice@example.com",)]

    page.click("button:has-text('Test connection')")
    expect(page.locator(".mc-result.mc-good")).to_contain_text("The connection works.")


def test_a_mail_service_fills_in_server_port_and_encryption(page: Page) -> None:
    page.goto("/admin/mailconfig/mailbox/add/")
    unfold(page)
    for service, host, port, security, imap_host in (
        ("rackspace", "secure.emailsrvr.com", "465", "tls", "secure.emailsrvr.com"),
        ("gmail", "smtp.gmail.com", "587", "starttls", "imap.gmail.com"),
        ("exchange_online", "smtp.office365.com", "587", "starttls", "outlook.office365.com"),
    ):
        page.select_option("#id_preset", service)
        expect(page.locator("#id_host")).to_have_value(host)
        expect(page.locator("#id_port")).to_have_value(port)
        expect(page.locator("#id_imap_host")).to_have_value(imap_host)
        expect(page.locator("#id_imap_ssl")).to_have_value("True")
        expect(page.locator("#id_security")).to_have_value(security)
    expect(page.locator(".mc-preset-note", has_text="30 mails a minute")).to_be_visible()
    take(page, "mailbox-preset")

    page.select_option("#id_security", "tls")
    expect(page.locator("#id_port")).to_have_value("465")
    page.fill("#id_port", "2465")
    page.select_option("#id_security", "starttls")
    expect(page.locator("#id_port")).to_have_value("2465")


def test_a_mail_service_by_its_own_interface_fills_in_the_send_method_and_another_one_takes_it_back(
    page: Page,
) -> None:
    page.goto("/admin/mailconfig/smtpprovider/add/")
    unfold(page)
    page.select_option("#id_preset", "rackspace")
    page.select_option("#id_preset", "mailjet_http")
    expect(page.locator("#id_send_method")).to_have_value("mailjet")
    expect(page.locator("#id_host")).to_have_value("")
    expect(page.locator("#id_port")).to_have_value("443")
    expect(page.locator("#id_security")).to_have_value("tls")
    expect(page.locator(".mc-preset-note", has_text="Password: the secret key.")).to_be_visible()
    take(page, "provider-by-service")

    page.select_option("#id_preset", "gmail")
    expect(page.locator("#id_send_method")).to_have_value("smtp")
    expect(page.locator("#id_host")).to_have_value("smtp.gmail.com")


def test_the_sync_of_a_mailbox_is_tested_beside_its_connection(page: Page) -> None:
    with FakeIMAP(credentials={LOGIN: SECRET}) as imap:
        mailbox = make_mailbox(
            name="Bob's mailbox",
            username=LOGIN,
            sync_method="imap",
            imap_host="127.0.0.1",
            imap_port=imap.port,
            imap_secret=Secret(SECRET),
        )
        page.goto(f"/admin/mailconfig/mailbox/{mailbox.pk}/change/")
        expect(page.locator("text=Test connection")).to_be_visible()
        page.click("text=Test sync")
        expect(page.locator(".messagelist")).to_contain_text("The mailbox can be synced.")
        expect(page.locator(".mc-result .mc-stage-ok")).to_have_count(5)
        take(page, "mailbox-sync-tested")

        imap.on("examine", Reply.of("NO [NONEXISTENT] there is none"))
        page.click("text=Test sync")
        expect(page.locator(".mc-result h2")).to_contain_text("failed at: open the folder")
        expect(page.locator(".mc-result")).to_contain_text("there is none")
        take(page, "mailbox-sync-failed")
