"""History of accounts: who changed what, in words, and never a secret; the admin and REST alike."""

from __future__ import annotations

import html

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils.translation import override

from mailconfig.delivery import delete_account, save_account
from mailconfig.models import Account, AccountChange, Mailbox, SMTPProvider
from mailconfig.values import Secret
from tests.canary import CANARY, LOGIN, hits
from tests.factories import account_values, make_tenant

from .pages import admin_url, entered, values

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]


def changed(account: Account) -> list[dict[str, object]]:
    """What the latest change says of its fields."""
    return list(AccountChange.objects.filter(account_id=account.pk).latest("pk").fields)


def test_the_page_says_who_changed_what_in_words_and_never_a_secret(client: Client, alice: User) -> None:
    add = admin_url("smtpprovider", "add")
    data = values(2525, username=LOGIN, secret=CANARY, _save_untested="1")
    assert client.post(add, entered(client, add, **data)).status_code == 302
    account = SMTPProvider.objects.get()
    url = admin_url("smtpprovider", "change", account.pk)
    new = {"limit_per_day": "500", "security": "starttls", "secret": CANARY + "2", "_save_untested": "1"}
    assert client.post(url, entered(client, url, **new)).status_code == 302
    account.refresh_from_db()

    assert changed(account) == [
        {"field": "security", "old": "none", "new": "starttls"},
        {"field": "secret", "secret": "changed"},
        {"field": "limit_per_day", "old": None, "new": 500},
    ]
    for address in (admin_url("smtpprovider", "history", account.pk), admin_url("accountchange")):
        page = html.unescape(client.get(address).content.decode())
        assert "alice" in page
        assert "<b>mails per day</b>: <del>–</del> → <ins>500</ins>" in page
        assert "STARTTLS" in page
        assert "<b>password</b>: changed" in page
        assert "<b>password</b>: set" in page
        assert not hits(address, page)
    with override("ja"):
        page = client.get(
            admin_url("smtpprovider", "history", account.pk), headers={"accept-language": "ja"}
        ).content.decode()
    assert "変更" in page
    assert "mails per day" not in page
    assert not hits("the table", str(list(AccountChange.objects.values())))


def test_saving_what_is_stored_leaves_no_trace_and_a_refused_save_none(client: Client) -> None:
    account = SMTPProvider.objects.create(**account_values(2525, kind="smtp_provider"))
    url = admin_url("smtpprovider", "change", account.pk)
    client.post(url, entered(client, url))
    client.post(url, entered(client, url, port="0"))
    assert not AccountChange.objects.exists()


def test_columns_of_mailboxes_and_names_of_what_is_referred_to_are_recorded(alice: User) -> None:
    acme = make_tenant(name="Acme ltd")
    mailbox = Mailbox(**account_values(2525, kind="mailbox"))
    save_account(account=mailbox, by=alice)
    mailbox = Mailbox.objects.get()
    mailbox.tenant, mailbox.owner = acme, alice
    mailbox.authentication, mailbox.secret = "password", Secret(CANARY)
    mailbox.imap_host, mailbox.imap_secret, mailbox.username = "imap.example.com", Secret(CANARY), LOGIN

    mailbox.signature = "<p>" + "long " * 200 + "</p>"
    save_account(account=mailbox, by=None)

    found = {str(entry["field"]): entry for entry in changed(mailbox)}
    assert found["tenant"] == {"field": "tenant", "old": None, "new": "Acme ltd"}
    assert found["owner"]["new"] == "alice"
    assert found["imap_host"]["new"] == "imap.example.com"
    assert found["imap_secret"] == {"field": "imap_secret", "secret": "set"}
    assert len(str(found["signature"]["new"])) == 200
    assert AccountChange.objects.latest("pk").by_name == ""


def test_the_history_outlives_the_account_and_who_made_it(client: Client, alice: User) -> None:
    bob = User.objects.create_user("bob")
    account = SMTPProvider(**account_values(2525, kind="smtp_provider", name="Newsletter"))
    save_account(account=account, by=bob)
    delete_account(account_id=account.pk, by=bob)
    Account.all_rows.filter(pk=account.pk).delete()
    bob.delete()

    page = client.get(admin_url("accountchange")).content.decode()
    assert page.count("Newsletter") >= 2
    assert "bob" in page
    left = AccountChange.objects.filter(account=None, by=None).order_by("pk")
    assert list(left.values_list("kind", flat=True)) == ["added", "deleted"]
