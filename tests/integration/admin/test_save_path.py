"""The admin stores accounts by the operation that every interface uses: what holds there holds here."""

from __future__ import annotations

import html
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.signals import post_save
from django.test import Client

from mailconfig.delivery import adopt, delete_account
from mailconfig.models import Account, ConnectionCheck, Mailbox
from mailconfig.values import Secret
from tests.factories import make_account, make_mailbox, make_tenant, make_user
from tests.servers.chaos import ChaosServer

from .conftest import permitted
from .pages import LOGIN, SECRET, admin_url, entered, values
from .test_saving import opened


def test_the_mark_of_the_project_is_for_those_who_may_choose(server: ChaosServer, alice: User) -> None:
    url = admin_url("smtpprovider", "add")
    clerk = permitted("clerk", "add_smtpprovider", "change_smtpprovider", "view_smtpprovider")
    chooser = permitted("chooser", "add_smtpprovider", "view_smtpprovider", "choose_project_accounts")
    assert not {"serves_project", "is_default"} & set(clerk.get(url).context["adminform"].form.fields)
    marks = {"serves_project": "on", "is_default": "on"}

    clerk.post(url, entered(clerk, url, **values(server.port)) | marks)
    chooser.post(url, entered(chooser, url, **values(server.port, name="The project's", serves_project="on")))

    found = set(Account.objects.values_list("name", "serves_project", "is_default"))
    assert found == {("Bob's mail", False, False), ("The project's", True, False)}
    page = clerk.get(admin_url("smtpprovider"), {"serves_project__exact": "1"})
    assert [account.name for account in page.context["cl"].result_list] == ["The project's"]


def test_a_marked_account_is_led_elsewhere_only_by_those_who_may_choose(
    server: ChaosServer, db: None
) -> None:
    provider = make_account(2525, kind="smtp_provider", serves_project=True, name="The project's")
    clerk = permitted("clerk", "change_smtpprovider", "view_smtpprovider", "see_all_tenants")
    url = admin_url("smtpprovider", "change", provider.pk)

    before = Account.objects.values().get()
    owner, tenant = User.objects.get(username="clerk"), make_tenant()
    for change in (
        {"name": "Newsletter"},
        {"port": server.port},
        {"host": "localhost"},
        {"from_email": "other@example.com"},
        {"envelope_from": "other@example.com"},
        {"reply_to_email": "other@example.com"},
        {"owner": owner.pk},
        {"tenant": tenant.pk},
    ):
        answer = clerk.post(url, entered(clerk, url, **change))
        assert "This account sends for the project" in answer.content.decode(), change
        assert Account.objects.values().get() == before
    assert server.sessions == 0
    clerk.post(url, entered(clerk, url, limit_per_day="7"))
    assert Account.objects.get().limit_per_day == 7


@pytest.mark.parametrize(
    ("permission", "is_member", "may"),
    [
        ("", False, False),
        ("", True, True),
        ("choose_project_accounts", False, True),
        ("change_tenantmailconfig", False, True),
    ],
)
def test_an_account_gets_in_the_way_of_a_tenants_mail_only_by_those_who_have_a_say_over_it(
    server: ChaosServer, db: None, permission: str, is_member: bool, may: bool
) -> None:
    acme = make_tenant(slug="acme")
    theirs = make_account(2525, kind="smtp_provider", tenant=acme, name="Acme's")
    names = ["add_smtpprovider", "change_smtpprovider", "view_smtpprovider", *filter(None, [permission])]
    clerk = permitted("clerk", *names, *([] if is_member else ["see_all_tenants"]))
    if is_member:
        acme.members.add(User.objects.get(username="clerk"))
    add, change = admin_url("smtpprovider", "add"), admin_url("smtpprovider", "change", theirs.pk)

    clerk.post(add, entered(clerk, add, **values(server.port, tenant=acme.pk)))
    clerk.post(change, entered(clerk, change, port=server.port))

    assert Account.objects.filter(name="Bob's mail").exists() is may
    assert Account.objects.get(pk=theirs.pk).port == (server.port if may else 2525)
    assert (server.sessions > 0) is may
    clerk.post(change, entered(clerk, change, limit_per_day="7"))
    assert Account.objects.get(pk=theirs.pk).limit_per_day == 7


@pytest.mark.parametrize("button", ["_save", "_save_untested"])
def test_credentials_over_the_system_server_are_refused_in_words_where_there_is_none(
    client: Client, server: ChaosServer, alice: User, button: str
) -> None:
    url = admin_url("outboundemail", "add")
    data = entered(client, url, **values(server.port, host="", scope="system-override", owner=alice.pk))

    answer = client.post(url, data | {button: "1"})

    assert answer.status_code == 200
    assert "no system account" in answer.content.decode()
    assert not Account.objects.exists()


def test_credentials_whose_system_account_is_gone_can_be_looked_at_disabled_and_deleted(
    client: Client, server: ChaosServer, alice: User
) -> None:
    system = make_account(server.port, scope="system")
    override = make_account(server.port, scope="system-override", owner=alice, username=LOGIN)
    delete_account(account_id=system.pk, by=None)
    url = admin_url("outboundemail", "change", override.pk)

    assert client.get(admin_url("outboundemail")).status_code == 200
    for page in ("test", "test_mail"):
        data = {"recipient": "anna@example.net"}
        answer = client.post(admin_url("outboundemail", page, override.pk), data, follow=True)
        assert "no system account" in answer.content.decode()
    answer = client.post(url, entered(client, url, secret=SECRET, _save_untested="1"))
    assert "no system account" in answer.content.decode()
    data = entered(client, url)
    del data["is_enabled"]
    assert client.post(url, data).status_code == 302
    assert not Account.objects.get(pk=override.pk).is_enabled
    assert client.post(admin_url("outboundemail", "delete", override.pk), {"post": "yes"}).status_code == 302
    assert not Account.objects.kept().exists()


def test_a_password_proved_for_one_system_server_is_not_sealed_for_another(
    client: Client, server: ChaosServer, alice: User
) -> None:
    with ChaosServer(credentials={LOGIN: SECRET}, auth_in_clear=True) as moved_to:
        system = make_account(server.port, scope="system")

        def move(**kwargs: object) -> None:
            """Somebody else stores the system account while its server is tried."""
            account = Account.objects.get(pk=system.pk)
            account.port = moved_to.port
            account.save()

        post_save.connect(move, sender=ConnectionCheck)
        url = admin_url("outboundemail", "add")
        data = entered(
            client, url, **values(server.port, host="", scope="system-override", owner=alice.pk, name="Own")
        )
        try:
            answer = client.post(url, data)
        finally:
            post_save.disconnect(move, sender=ConnectionCheck)

        assert "Somebody else changed this at the same moment" in answer.content.decode()
        assert answer.context["adminform"].form["name"].value() == "Own"
        assert SECRET not in answer.content.decode()
        assert not Account.objects.filter(scope="system-override").exists()
        assert client.post(url, data).status_code == 302
        assert opened(Account.objects.get(scope="system-override")) == SECRET


@pytest.mark.parametrize("field", ["owner", "tenant"])
def test_moving_an_account_to_somebody_else_asks_for_the_password_again(
    client: Client, server: ChaosServer, field: str
) -> None:
    mailbox = make_mailbox(server.port, username=LOGIN, secret=Secret(SECRET))
    other = make_user("carol") if field == "owner" else make_tenant()
    url = admin_url("mailbox", "change", mailbox.pk)

    answer = client.post(url, entered(client, url, **{field: other.pk}))

    assert "The owner or tenant changed" in str(answer.context["adminform"].form.errors["secret"])
    assert server.sessions == 0
    assert client.post(url, entered(client, url, **{field: other.pk}, secret=SECRET)).status_code == 302
    assert getattr(Mailbox.objects.get(), field) == other
    assert opened(mailbox) == SECRET


def test_a_copied_database_logs_in_with_no_stored_password(
    client: Client, server: ChaosServer, settings: Any
) -> None:
    mailbox = make_mailbox(server.port, username=LOGIN, secret=Secret(SECRET))
    settings.MAILCONFIG = {**settings.MAILCONFIG, "INSTALLATION_ID": "production"}
    adopt()
    settings.MAILCONFIG = {**settings.MAILCONFIG, "INSTALLATION_ID": "copy"}
    url = admin_url("mailbox", "change", mailbox.pk)

    tested = client.post(admin_url("mailbox", "test", mailbox.pk), follow=True)
    saved = client.post(url, entered(client, url, from_email="bob2@example.com"))

    for answer in (tested, saved):
        assert "belongs to the installation" in html.unescape(answer.content.decode())
    assert server.sessions == 0
    assert Mailbox.objects.get().from_email != "bob2@example.com"
    # What is typed here is nobody else's.
    assert client.post(url, entered(client, url, secret=SECRET)).status_code == 302
    assert server.sessions == 1
