"""The buttons of an account's page, and deleting accounts."""

from __future__ import annotations

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from mailconfig.delivery.accounts.save import delete_account
from mailconfig.exceptions import AccountInUse, NoAccount
from mailconfig.models import Account, ConnectionCheck, Mailbox
from mailconfig.values import Secret
from tests.factories import make_mailbox, make_message
from tests.servers.certificates import Certificates
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Reply
from tests.servers.imap import FakeIMAP

from .conftest import permitted
from .pages import LOGIN, SECRET, admin_url, entered, values


def test_the_connection_is_tested_and_its_stages_are_shown(client: Client, server: ChaosServer) -> None:
    server.credentials = None
    mailbox = make_mailbox(server.port)

    answer = client.post(admin_url("mailbox", "test", mailbox.pk), follow=True)

    page = answer.content.decode()
    assert "The connection works." in page
    assert [stage["outcome"] for stage in answer.context["fresh_check"]["stages"]].count("ok") >= 3
    assert "Recent checks" in client.get(admin_url("mailbox", "change", mailbox.pk)).content.decode()
    assert (
        "connection test: passed" in client.get(admin_url("mailbox", "history", mailbox.pk)).content.decode()
    )


def test_a_refused_sender_is_named_with_the_servers_words(client: Client, server: ChaosServer) -> None:
    server.credentials = None
    server.on("mail", Reply.of("553 5.7.1 <b>not yours</b>"))
    mailbox = make_mailbox(server.port)

    page = client.post(admin_url("mailbox", "test", mailbox.pk), follow=True).content.decode()

    assert "failed at: sender" in page
    assert "&lt;b&gt;not yours&lt;/b&gt;" in page
    assert "Look at: from address" in page


def test_a_test_mail_goes_to_the_address_that_was_asked_for(
    client: Client, server: ChaosServer, alice: User
) -> None:
    server.credentials = None
    mailbox = make_mailbox(server.port)
    url = admin_url("mailbox", "test_mail", mailbox.pk)
    assert f'value="{alice.email}"' in client.get(url).content.decode()
    assert "errorlist" in client.post(url, {"recipient": "nobody"}).content.decode()

    answer = client.post(url, {"recipient": "carol@example.net"}, follow=True)

    assert "accepted by the mail server" in answer.content.decode()
    assert [message.recipients for message in server.messages] == [("carol@example.net",)]


def test_who_may_only_look_tests_nothing(server: ChaosServer, db: None) -> None:
    mailbox = make_mailbox(server.port, username=LOGIN)
    for dave in (permitted("dave", "view_mailbox"), permitted("erin", "change_mailbox")):
        page = dave.get(admin_url("mailbox", "change", mailbox.pk)).content.decode()
        assert "/test/" not in page
        assert "/test-mail/" not in page
        assert 'type="password"' not in page
        assert dave.post(admin_url("mailbox", "test", mailbox.pk)).status_code == 403
        assert (
            dave.post(admin_url("mailbox", "test_mail", mailbox.pk), {"recipient": "a@b.cd"}).status_code
            == 403
        )
    looker = permitted("frank", "view_mailbox", "test_account", "send_test_mail")
    assert looker.post(admin_url("mailbox", "change", mailbox.pk), {"name": "x"}).status_code == 403
    assert server.sessions == 0


def test_to_test_and_to_send_a_test_mail_are_two_permissions_and_take_none_to_change(
    server: ChaosServer, db: None
) -> None:
    server.credentials = None
    mailbox = make_mailbox(server.port)
    page, test = (admin_url("mailbox", name, mailbox.pk) for name in ("change", "test"))
    mail = admin_url("mailbox", "test_mail", mailbox.pk)
    tester = permitted("tester", "view_mailbox", "test_account")
    sender = permitted("sender", "view_mailbox", "send_test_mail")
    shown = {who: who.get(page).content.decode() for who in (tester, sender)}
    assert [f'"{test}"' in shown[tester], f'"{mail}"' in shown[tester]] == [True, False]
    assert [f'"{test}"' in shown[sender], f'"{mail}"' in shown[sender]] == [False, True]
    data = {"recipient": "carol@example.net"}
    assert [tester.post(test).status_code, tester.post(mail, data).status_code] == [302, 403]
    assert server.sessions == 1
    assert [sender.post(test).status_code, sender.post(mail, data).status_code] == [403, 302]
    assert [message.recipients for message in server.messages] == [("carol@example.net",)]


def test_a_test_is_asked_for_by_post_with_the_token_of_the_page(client: Client, server: ChaosServer) -> None:
    mailbox = make_mailbox(server.port)
    assert client.get(admin_url("mailbox", "test", mailbox.pk)).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    for page in ("test", "test_mail"):
        assert strict.post(admin_url("mailbox", page, mailbox.pk), {"recipient": "a@b.cd"}).status_code == 403
    assert (
        strict.post(admin_url("mailbox", "add"), {"host": "127.0.0.1", "port": server.port}).status_code
        == 403
    )
    assert server.sessions == 0
    assert not ConnectionCheck.objects.exists()


def test_too_many_tests_are_refused_with_words(client: Client, server: ChaosServer) -> None:
    server.credentials = None
    mailbox = make_mailbox(server.port)
    pages = [
        client.post(admin_url("mailbox", "test", mailbox.pk), follow=True).content.decode() for _ in range(11)
    ]
    assert "Too many checks" in pages[-1]


def test_an_account_with_mail_that_waits_is_not_deleted_and_says_how_many(client: Client) -> None:
    mailbox = make_mailbox(name="Busy")
    for _ in range(3):
        make_message(mailbox)
    url = admin_url("mailbox", "delete", mailbox.pk)

    assert "Busy: 3 mails wait" in client.get(url).content.decode()
    client.post(url, {"post": "yes"})

    assert Mailbox.objects.get().deleted_at is None


def test_deleting_wipes_the_secret_and_keeps_the_row(client: Client, alice: User) -> None:
    mailbox = make_mailbox(username=LOGIN)
    assert (
        "stored password is wiped" in client.get(admin_url("mailbox", "delete", mailbox.pk)).content.decode()
    )

    client.post(admin_url("mailbox", "delete", mailbox.pk), {"post": "yes"})

    account = Account.objects.get()
    assert account.deleted_at is not None
    assert account.secret is None
    assert not account.is_enabled
    assert account.updated_by == alice


def test_many_are_deleted_together_or_not_at_all(client: Client) -> None:
    idle, busy = make_mailbox(username=LOGIN), make_mailbox(name="Busy")
    message = make_message(busy)
    data = {"action": "delete_selected", ACTION_CHECKBOX_NAME: [idle.pk, busy.pk]}

    assert "Busy: 1 mails wait" in client.post(admin_url("mailbox"), data).content.decode()
    client.post(admin_url("mailbox"), data | {"post": "yes"})
    assert not Account.objects.exclude(deleted_at=None).exists()

    message.delete()
    client.post(admin_url("mailbox"), data | {"post": "yes"})
    assert Account.objects.exclude(deleted_at=None).filter(secret=None).count() == 2


def test_the_operation_refuses_what_is_in_use_or_gone(alice: User) -> None:
    mailbox = make_mailbox()
    message = make_message(mailbox)
    with pytest.raises(AccountInUse) as caught:
        delete_account(account_id=mailbox.pk, by=alice)
    assert caught.value.waiting == 1
    message.delete()
    delete_account(account_id=mailbox.pk, by=alice)
    with pytest.raises(NoAccount):
        delete_account(account_id=mailbox.pk, by=alice)


def test_where_only_workers_check_the_buttons_ask_one(
    client: Client, server: ChaosServer, settings: Settings
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "CHECKS_AT_ONCE": 0}
    mailbox = make_mailbox(server.port)

    pages = [
        client.post(admin_url("mailbox", "test", mailbox.pk), follow=True),
        client.post(
            admin_url("mailbox", "test_mail", mailbox.pk), {"recipient": "carol@example.net"}, follow=True
        ),
    ]

    assert all("A worker tries the connection" in page.content.decode() for page in pages)
    assert server.sessions == 0
    asked = mailbox.checks.values_list("kind", "state", "recipient")
    assert set(asked) == {
        ("connection", "pending", ""),
        ("test_mail", "pending", "carol@example.net"),
    }


def test_where_only_workers_check_what_is_saved_is_tried_by_one(
    client: Client, server: ChaosServer, settings: Settings
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "CHECKS_AT_ONCE": 0, "CHECKS_PER_MINUTE": 1}
    url = admin_url("mailbox", "add")

    page = client.post(url, entered(client, url, **values(server.port)), follow=True).content.decode()
    other = entered(client, url, **values(server.port, name="Another"))
    again = client.post(url, other, follow=True).content.decode()

    assert "A worker tries the connection" in page
    assert "Too many checks" in again, "and nothing is stored, as everywhere"
    assert Mailbox.objects.count() == 1
    client.post(url, other | {"_save_untested": "1"})
    assert Mailbox.objects.count() == 2
    assert server.sessions == 0
    assert ConnectionCheck.objects.get().state == "pending"


def test_the_sync_is_tested_and_its_stages_are_shown(
    client: Client, certificates: Certificates, settings: Settings
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "CA_FILE": certificates.ca_file}
    with FakeIMAP(tls=certificates.good, starttls=True, credentials={LOGIN: SECRET}) as imap:
        mailbox = make_mailbox(
            username=LOGIN,
            sync_method="imap",
            imap_host="127.0.0.1",
            imap_port=imap.port,
            imap_ssl=True,
            imap_secret=Secret(SECRET),
        )
        url = admin_url("mailbox", "test_sync", mailbox.pk)
        assert url in client.get(admin_url("mailbox", "change", mailbox.pk)).content.decode()
        assert client.get(url).status_code == 405

        answer = client.post(url, follow=True)

        assert "The mailbox can be synced." in answer.content.decode()
        assert [stage["outcome"] for stage in answer.context["fresh_check"]["stages"]] == ["ok"] * 6
        imap.on("examine", Reply.of("NO [NONEXISTENT] <b>none</b>"))
        page = client.post(url, follow=True).content.decode()
        assert "failed at: open the folder" in page
        assert "&lt;b&gt;none&lt;/b&gt;" in page
        assert "Look at: syncs the folder Outreach" in page
        client.logout()
        logins = len(imap.logins)
        assert permitted("viewer", "view_mailbox", "send_test_mail").post(url).status_code == 403
        assert permitted("editor", "view_mailbox", "change_mailbox").post(url).status_code == 403
        assert len(imap.logins) == logins


@pytest.mark.parametrize("method", ["", "pigeon"])
def test_where_nothing_syncs_there_is_nothing_to_test(client: Client, method: str) -> None:
    mailbox = make_mailbox(sync_method=method)
    assert "test-sync" not in client.get(admin_url("mailbox", "change", mailbox.pk)).content.decode()
    page = client.post(admin_url("mailbox", "test_sync", mailbox.pk), follow=True).content.decode()
    assert "Nothing here syncs in the way that the mailbox names." in page


def test_a_worker_tests_the_sync_where_only_workers_connect(client: Client, settings: Settings) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "CHECKS_AT_ONCE": 0}
    mailbox = make_mailbox(sync_method="imap", imap_host="127.0.0.1")
    page = client.post(admin_url("mailbox", "test_sync", mailbox.pk), follow=True).content.decode()
    assert "A worker tries the connection." in page
    assert ConnectionCheck.objects.get().kind == "sync"
