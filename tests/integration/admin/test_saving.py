"""Adding and editing accounts: what is saved was proved, and no secret comes back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.signals import got_request_exception
from django.db import connection
from django.http import HttpRequest
from django.test import Client
from django.views.debug import ExceptionReporter

from mailconfig.delivery import may_choose_addresses
from mailconfig.models import Account, ConnectionCheck, MailAlias, Mailbox, TenantMailConfig
from mailconfig.secrets.fields import SealedSecret
from tests.factories import make_mailbox, make_tenant, make_user
from tests.servers.chaos import ChaosServer
from tests.servers.imap import FakeIMAP

from .conftest import permitted
from .pages import LOGIN, SECRET, admin_url, entered, values

ADD = {
    kind: ("mailconfig", kind) for kind in ("mailbox", "outboundemail", "smtpprovider", "tenantmailconfig")
}


def opened(account: Account) -> str:
    """The stored secret."""
    secret = Account.objects.get(pk=account.pk).transport_settings().secret
    assert secret is not None
    return secret.reveal()


@pytest.mark.parametrize("kind", sorted(ADD))
def test_each_kind_is_added_once_its_connection_works(
    client: Client, server: ChaosServer, alice: User, kind: str
) -> None:
    url = admin_url(kind, "add")
    tenant = make_tenant()

    answer = client.post(url, entered(client, url, **values(server.port, tenant=tenant.pk)), follow=True)

    assert "it works" in answer.content.decode()
    account = Account.objects.get()
    assert account.kind.replace("_", "") in {kind, kind.replace("mail", "")}
    assert (account.created_by, account.updated_by) == (alice, alice)
    assert opened(account) == SECRET
    assert account.lane.validated_at is not None
    assert account.checks.get().state == "passed"


def test_a_wrong_password_names_the_login_and_keeps_the_form(client: Client, server: ChaosServer) -> None:
    url = admin_url("mailbox", "add")
    wrong = "not-the-password-either"

    answer = client.post(url, entered(client, url, **values(server.port, secret=wrong, name="Office")))

    page = answer.content.decode()
    assert answer.status_code == 200
    assert not Mailbox.objects.exists()
    assert answer.context["proof"]["stage"] == "login"
    assert answer.context["adminform"].form.errors["secret"]
    assert "failed at: login" in page
    assert 'value="Office"' in page
    assert wrong not in page
    assert server.auth_attempts[0][2] == wrong


@pytest.mark.parametrize(
    ("host", "names_the_setting"),
    [("mail_server", True), ("mailpit.", True), ("not a name", False), ("2130706433", False)],
)
def test_a_name_that_the_deployment_could_list_is_refused_with_the_setting(
    client: Client, host: str, names_the_setting: bool
) -> None:
    url = admin_url("smtpprovider", "add")

    answer = client.post(url, entered(client, url, **values(25, host=host)))

    (error,) = answer.context["adminform"].form.errors["host"]
    assert ("MAILCONFIG['ALLOWED_HOSTS']" in error) is names_the_setting
    assert "smtp.example.com" in error
    assert not Account.objects.exists()


def test_a_mailbox_starts_with_limits(client: Client) -> None:
    form = client.get(admin_url("mailbox", "add")).context["adminform"].form
    limits = [
        form[name].value() for name in ("limit_count", "limit_period", "limit_per_day", "limit_per_week")
    ]
    assert limits == [2, 60, 500, 5000]


def test_a_server_that_is_away_is_saved_untested_by_those_who_may(client: Client) -> None:
    url = admin_url("smtpprovider", "add")
    data = entered(client, url, **values(9))
    client.post(url, data)
    assert not Account.objects.exists()

    answer = client.post(url, data | {"_save_untested": "1"}, follow=True)

    assert "without trying" in answer.content.decode()
    account = Account.objects.get()
    assert account.lane.validated_at is None


def test_without_the_permission_nobody_saves_untested(server: ChaosServer, db: None) -> None:
    dave = permitted("dave", "add_smtpprovider", "view_smtpprovider")
    url = admin_url("smtpprovider", "add")
    assert "_save_untested" not in dave.get(url).content.decode()
    data = entered(dave, url, **values(server.port, secret="not-right"))

    dave.post(url, data | {"_save_untested": "1"})

    assert not Account.objects.exists()


def test_editing_the_name_connects_to_nothing(client: Client, server: ChaosServer) -> None:
    mailbox = make_mailbox(server.port, username=LOGIN)
    url = admin_url("mailbox", "change", mailbox.pk)

    client.post(url, entered(client, url, name="Another name"))

    assert Mailbox.objects.get().name == "Another name"
    assert server.sessions == 0


def test_a_new_server_wants_the_password_again_and_is_not_connected(
    client: Client, server: ChaosServer
) -> None:
    mailbox = make_mailbox(2525, username=LOGIN)
    url = admin_url("mailbox", "change", mailbox.pk)

    answer = client.post(url, entered(client, url, port=server.port))

    assert "enter the password again" in str(answer.context["adminform"].form.errors["secret"])
    assert Mailbox.objects.get().port == 2525
    assert server.sessions == 0


def test_a_changed_connection_is_proved_and_saved(client: Client, server: ChaosServer) -> None:
    mailbox = make_mailbox(2525, username=LOGIN)
    url = admin_url("mailbox", "change", mailbox.pk)

    answer = client.post(url, entered(client, url, port=server.port, secret=SECRET))

    assert answer.status_code == 302
    assert Mailbox.objects.get().port == server.port
    assert opened(mailbox) == SECRET


def test_the_stored_secret_is_said_to_be_set_and_is_on_no_page(client: Client, server: ChaosServer) -> None:
    url = admin_url("mailbox", "add")
    client.post(url, entered(client, url, **values(server.port)))
    mailbox = Mailbox.objects.get()
    assert isinstance(mailbox.secret, SealedSecret)

    pages = [
        client.get(address).content.decode()
        for address in (
            admin_url("mailbox"),
            admin_url("mailbox", "change", mailbox.pk),
            admin_url("mailbox", "history", mailbox.pk),
            admin_url("mailbox", "delete", mailbox.pk),
            admin_url("connectioncheck"),
            admin_url("connectioncheck", "change", ConnectionCheck.objects.get().pk),
        )
    ]

    assert "A password is stored." in pages[1]
    assert 'autocomplete="new-password"' in pages[1]
    for page in pages:
        assert SECRET not in page
        assert mailbox.secret.token not in page
    for entry in LogEntry.objects.all():
        assert SECRET not in f"{entry.object_repr}{entry.change_message}"


def test_the_password_is_removed_with_the_login(client: Client, server: ChaosServer) -> None:
    mailbox = make_mailbox(server.port, username=LOGIN)
    url = admin_url("mailbox", "change", mailbox.pk)

    answer = client.post(url, entered(client, url, clear_secret="on", authentication="password"))
    assert "needs a password" in str(answer.context["adminform"].form.errors["secret"])

    client.post(url, entered(client, url, clear_secret="on", authentication="none", username=""))
    assert Mailbox.objects.get().secret is None


def test_of_two_people_editing_the_second_is_told(client: Client, server: ChaosServer) -> None:
    mailbox = make_mailbox(server.port)
    url = admin_url("mailbox", "change", mailbox.pk)
    first, second = entered(client, url, name="First"), entered(client, url, name="Second")

    assert client.post(url, first).status_code == 302
    answer = client.post(url, second)

    assert "alice changed this account while you had it open" in answer.content.decode()
    assert Mailbox.objects.get().name == "First"


def test_a_second_configuration_of_a_tenant_is_refused_in_words(client: Client, server: ChaosServer) -> None:
    tenant = make_tenant()
    url = admin_url("tenantmailconfig", "add")
    data = entered(client, url, **values(server.port, tenant=tenant.pk))
    client.post(url, data)

    answer = client.post(url, data)

    assert "has a mail configuration already" in str(answer.context["adminform"].form.errors["tenant"])
    assert TenantMailConfig.objects.count() == 1


def test_a_second_default_account_is_refused_in_words(client: Client, server: ChaosServer) -> None:
    make_mailbox(server.port, is_default=True)
    url = admin_url("smtpprovider", "add")

    answer = client.post(url, entered(client, url, **values(server.port, is_default="on")))

    assert "default already" in str(answer.context["adminform"].form.errors["is_default"])


def test_too_many_tries_are_told_when_to_go_on(client: Client, server: ChaosServer) -> None:
    url = admin_url("mailbox", "add")
    data = entered(client, url, **values(server.port, secret="not-right"))
    pages = [client.post(url, data).content.decode() for _ in range(12)]
    assert "The next try is possible in 15 minutes." in pages[-1]
    assert not Mailbox.objects.exists()


def test_a_control_character_or_no_host_is_refused_before_connecting(
    client: Client, server: ChaosServer
) -> None:
    url = admin_url("mailbox", "add")
    for changes in (
        {"from_name": "a\r\nBcc: x@y.z"},
        {"host": "127.0.0.1:25"},
        {"port": "0"},
        {"port": "65536"},
    ):
        answer = client.post(url, entered(client, url, **values(server.port) | changes))
        assert set(changes) <= set(answer.context["adminform"].form.errors)
    assert server.sessions == 0


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_connecting_even_if_requests_are_transactions(
    server: ChaosServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    browser = Client()
    browser.force_login(make_user("alice", is_staff=True, is_superuser=True))
    url = admin_url("mailbox", "add")

    browser.post(url, entered(browser, url, **values(server.port)))

    mailbox = Mailbox.objects.get()
    assert mailbox.checks.get().state == "passed"
    assert browser.post(admin_url("mailbox", "test", mailbox.pk)).status_code == 302
    assert mailbox.checks.count() == 2


def test_the_report_of_a_page_that_broke_holds_no_password(
    client: Client, server: ChaosServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[str] = []

    def broken(self: Mailbox, **kwargs: object) -> None:
        raise ZeroDivisionError

    def report(request: HttpRequest, **kwargs: object) -> None:
        reporter = ExceptionReporter(request, *sys.exc_info())
        reports.extend([reporter.get_traceback_html(), reporter.get_traceback_text()])

    monkeypatch.setattr(Mailbox, "save", broken)
    got_request_exception.connect(report)
    client.raise_request_exception = False
    url = admin_url("mailbox", "add")

    answer = client.post(url, entered(client, url, **values(server.port)))

    assert answer.status_code == 500
    assert len(reports) == 2
    for text in reports:
        assert "ZeroDivisionError" in text
        assert SECRET not in text


def test_aliases_are_kept_in_the_page_of_their_mailbox(client: Client) -> None:
    mailbox = make_mailbox()
    url = admin_url("mailbox", "change", mailbox.pk)
    row = {"aliases-TOTAL_FORMS": 1, "aliases-0-email": "sales@example.com", "aliases-0-can_send": "on"}

    client.post(url, entered(client, url, **row))
    assert list(mailbox.aliases.values_list("email", "can_send")) == [("sales@example.com", True)]
    answer = client.post(url, entered(client, url, **{"aliases-0-email": "no address"}))
    assert answer.status_code == 200
    client.post(url, entered(client, url, **{"aliases-0-DELETE": "on"}))
    assert not mailbox.aliases.exists()


def test_two_spellings_of_one_alias_are_one(client: Client) -> None:
    mailbox = make_mailbox()
    url = admin_url("mailbox", "change", mailbox.pk)
    both = {
        "aliases-TOTAL_FORMS": 2,
        "aliases-0-email": "Sales@example.com",
        "aliases-1-email": "sales@EXAMPLE.com",
    }

    together = client.post(url, entered(client, url, **both))
    assert "The mailbox has this alias already." in together.content.decode()
    assert not mailbox.aliases.exists()
    MailAlias.objects.create(mailbox=mailbox, email="sales@example.com")
    later = client.post(url, entered(client, url, **{**both, "aliases-0-email": "sales@example.com"}))
    assert "The mailbox has this alias already." in later.content.decode()
    assert mailbox.aliases.count() == 1
    MailAlias.objects.create(mailbox=make_mailbox(from_email="b@example.com"), email="Sales@example.com")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("permission", "marks", "may"),
    [
        ("", {}, True),
        ("", {"serves_project": True}, False),
        ("choose_project_accounts", {"serves_project": True}, True),
    ],
)
def test_aliases_of_the_projects_mailbox_are_for_those_who_choose_it(
    permission: str, marks: dict[str, Any], may: bool
) -> None:
    """An alias that may send draws the project's mail of that address to the mailbox."""
    codes = ["view_mailbox", "change_mailbox"]
    codes += [f"{action}_mailalias" for action in ("view", "add", "change", "delete")]
    browser = permitted("carol", *codes, *filter(None, [permission]))
    mailbox = make_mailbox(owner=User.objects.get(username="carol"), **marks)
    url = admin_url("mailbox", "change", mailbox.pk)
    row = {
        "aliases-TOTAL_FORMS": 1,
        "aliases-INITIAL_FORMS": 0,
        "aliases-0-email": "boss@project.example",
        "aliases-0-can_send": "on",
    }

    answer = browser.post(url, {**entered(browser, url), **row})

    assert answer.status_code == 302
    assert mailbox.aliases.exists() is may


@pytest.mark.django_db
def test_aliases_of_a_tenants_mailbox_are_for_those_who_have_a_say_over_it() -> None:
    alice, bob = make_user("member"), make_user("other")
    tenant = make_tenant()
    tenant.members.add(alice)
    shared, own = make_mailbox(tenant=tenant), make_mailbox(from_email="b@example.com", owner=bob)

    found = [
        may_choose_addresses(account=account, by=user) for account in (shared, own) for user in (alice, bob)
    ]
    assert found == [True, False, True, True]


@pytest.fixture
def inbox() -> Iterator[FakeIMAP]:
    with FakeIMAP(credentials={LOGIN: SECRET}) as server:
        yield server


def receiving(inbox: FakeIMAP, **changes: Any) -> dict[str, Any]:
    """The fields that read a mailbox on loopback."""
    return {"imap_host": "127.0.0.1", "imap_port": inbox.port, "imap_ssl": "", **changes}


def test_a_mailbox_is_stored_once_both_halves_work(
    client: Client, server: ChaosServer, inbox: FakeIMAP
) -> None:
    url = admin_url("mailbox", "add")
    both = values(server.port, is_sync_enabled="on", **receiving(inbox))

    answer = client.post(url, entered(client, url, **both), follow=True)

    assert "it works" in answer.content.decode()
    mailbox = Mailbox.objects.get()
    assert sorted(mailbox.checks.values_list("kind", "state")) == [
        ("connection", "passed"),
        ("sync", "passed"),
    ]
    assert mailbox.lanes.filter(validated_at=None).count() == 0
    url = admin_url("mailbox", "change", mailbox.pk)
    logins = server.sessions, len(inbox.logins)
    client.post(url, entered(client, url, name="Renamed"))
    assert (server.sessions, len(inbox.logins)) == logins
    client.post(url, entered(client, url, syncs_outreach_folder="on"))
    assert not Mailbox.objects.get().syncs_outreach_folder, "there is none"
    client.post(url, entered(client, url, imap_secret=SECRET))
    assert (server.sessions, len(inbox.logins)) == (logins[0], logins[1] + 2)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"imap_secret": "not-the-password"}, "imap_secret"),
        ({"imap_username": "somebody"}, "imap_secret"),
        ({"imap_host": "not-a-name.invalid"}, "imap_host"),
        ({"syncs_outreach_folder": "on"}, "syncs_outreach_folder"),
        ({"secret": "not-the-password"}, "secret"),
    ],
)
def test_what_does_not_work_of_either_half_is_said_at_its_own_field(
    client: Client, server: ChaosServer, inbox: FakeIMAP, wrong: dict[str, str], field: str
) -> None:
    url = admin_url("mailbox", "add")
    both = values(server.port, is_sync_enabled="on", **receiving(inbox))

    answer = client.post(url, entered(client, url, **both | wrong))

    assert set(answer.context["adminform"].form.errors) == {field}
    assert not Mailbox.objects.exists()


@pytest.mark.parametrize("without", [{"is_sync_enabled": None}, {"imap_host": ""}, {"_save_untested": "1"}])
def test_a_half_that_is_not_to_be_read_is_not_looked_into(
    client: Client, server: ChaosServer, inbox: FakeIMAP, without: dict[str, Any]
) -> None:
    url = admin_url("mailbox", "add")
    both = values(server.port, is_sync_enabled="on", **receiving(inbox, imap_secret="not-the-password"))

    assert client.post(url, entered(client, url, **both | without)).status_code == 302
    assert not inbox.logins
