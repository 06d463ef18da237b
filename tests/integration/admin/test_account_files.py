"""Accounts out of the admin into files without secrets, and back: nothing is stored before it was seen, and nobody gets more than a page allows."""

from __future__ import annotations

import codecs
import re
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from mailconfig.delivery import read_account_rows
from mailconfig.models import Account, AccountImport, Mailbox
from tests.factories import PASSWORD, make_account, make_mailbox, make_tenant
from tests.servers.chaos import ChaosServer

from .conftest import permitted
from .pages import LOGIN, SECRET, admin_url

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

IMPORT = "/admin/mailconfig/account/import/"
HEAD = "kind,name,from_email,host,port,security,authentication,username,password,limit_per_day\n"
UNTRIED: dict[str, Any] = {}
TRIED = {"is_trying": "on"}


def upload(browser: Client, text: str, *, name: str = "accounts.csv", **values: Any) -> Any:
    """Upload a file; the answer is the page that says what would change, or the form with what is wrong."""
    return browser.post(IMPORT, {"file": SimpleUploadedFile(name, text.encode()), **values}, follow=True)


def stored(browser: Client, response: Any) -> Any:
    """Press Import until nothing is left."""
    url = response.redirect_chain[-1][0]
    return browser.post(url, follow=True)


def exported(browser: Client, form: str, *accounts: Account, model: str = "account") -> str:
    data = {"action": f"export_as_{form}", ACTION_CHECKBOX_NAME: [one.pk for one in accounts]}
    response = browser.post(admin_url(model), data)
    assert response.headers["Content-Disposition"].startswith("attachment")
    return b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]


@pytest.mark.parametrize("form", ["csv", "yaml"])
def test_what_is_exported_has_no_secret_and_changes_nothing_when_it_comes_back(
    client: Client, alice: User, form: str
) -> None:
    tenant = make_tenant()
    one = make_account(
        name="=1+1", username="x@example.com", owner=alice, tenant=tenant, from_email="x@example.com"
    )
    two = make_mailbox(
        name='Æ "😀"',
        username="y@example.com",
        imap_host="127.0.0.1",
        from_email="y@example.com",
        signature="<p>a\nb</p>",
    )
    sealed = Account.objects.get(pk=one.pk).secret.token  # type: ignore[union-attr]

    text = exported(client, form, one, two)

    assert PASSWORD not in text
    assert sealed not in text
    assert ",=1+1" not in text
    assert "'=1+1" in text or form == "yaml"
    assert text.encode().startswith(codecs.BOM_UTF8) or form == "yaml"
    page = upload(client, text, name=f"a.{form}").content.decode()
    assert "New: 0. Changed: 0. Unchanged: 2. Refused: 0." in page, page[-2500:]


def test_rows_are_shown_first_and_stored_only_when_that_is_confirmed(
    client: Client, server: ChaosServer
) -> None:
    make_account(from_email="old@example.com", name="Old", limit_per_day=10)
    text = (
        f"{HEAD}outbound_email,New,{LOGIN},127.0.0.1,{server.port},none,password,{LOGIN},{SECRET},7\n"
        "outbound_email,Old,old@example.com,127.0.0.1,2525,none,none,,,20\n"
        "outbound_email,Bad,bad@example.com,127.0.0.1,x,none,none,,,\n"
        "letter,Worse,worse@example.com,127.0.0.1,25,none,none,,,\n"
    )
    seen = upload(client, text, **TRIED)
    page = seen.content.decode()
    assert "New: 1. Changed: 1. Unchanged: 0. Refused: 2." in page
    assert "10 → 20" in page
    assert "<code>port</code>" in page
    assert SECRET not in page
    assert Account.objects.count() == 1
    assert SECRET not in AccountImport.objects.get().sealed

    page = stored(client, seen).content.decode()

    assert "The import is done." in page, page[-2500:]
    assert set(Account.objects.values_list("name", "limit_per_day")) == {("New", 7), ("Old", 20)}
    assert AccountImport.objects.get().sealed == ""
    assert LogEntry.objects.count() == 2
    assert SECRET not in page
    assert Account.objects.get(name="New").checks.get().state == "passed"


def test_what_does_not_work_is_not_stored_where_connections_are_tried(
    client: Client, server: ChaosServer
) -> None:
    row = f"outbound_email,New,{LOGIN},127.0.0.1,{server.port},none,password,{LOGIN},wrong,\n"
    page = stored(client, upload(client, HEAD + row, **TRIED)).content.decode()
    assert "refused" in page
    assert not Account.objects.exists()
    stored(client, upload(client, HEAD + row))
    assert Account.objects.exists()
    assert "without trying" in "".join(LogEntry.objects.values_list("change_message", flat=True))


def test_where_no_more_may_be_tried_the_page_goes_on_by_itself_when_it_may(
    client: Client, server: ChaosServer, settings: Settings
) -> None:
    settings.MAILCONFIG = settings.MAILCONFIG | {"CHECKS_PER_MINUTE": 1}
    rows = "".join(
        f"outbound_email,{name},{name}@example.com,127.0.0.1,{server.port},none,password,{LOGIN},{SECRET},\n"
        for name in ("one", "two")
    )
    page = stored(client, upload(client, HEAD + rows, **TRIED)).content.decode()
    assert "1 account is left." in page
    found = re.search(r'data-wait="(\d+)"', page)
    assert found
    assert 0 < int(found[1]) <= 60
    assert "account_import.js" in page
    assert Account.objects.count() == 1


def test_a_password_that_is_not_there_stays_and_goes_to_no_other_server(client: Client) -> None:
    account = make_account(username="x@example.com", from_email="x@example.com", name="Old")
    head = "uuid,name,host\n"
    stored(client, upload(client, f"{head}{account.uuid},New name,127.0.0.1\n"))
    account.refresh_from_db()
    assert (account.name, account.has_secret) == ("New name", True)
    page = upload(client, f"{head}{account.uuid},New name,127.0.0.2\n").content.decode()
    assert "Refused: 1" in page
    assert "<code>password</code>" in page


def test_nobody_imports_what_their_pages_refuse(db: None, alice: User) -> None:
    mine, other = make_tenant(slug="mine"), make_tenant(slug="other")
    theirs = make_account(tenant=other, from_email="x@example.com", kind="smtp_provider")
    dave = permitted("dave", "add_smtpprovider", "change_smtpprovider", "view_smtpprovider")
    mine.members.add(User.objects.get(username="dave"))
    head = "kind,uuid,from_email,host,security,authentication,owner,tenant,serves_project\n"
    for row in (
        f"smtp_provider,{theirs.uuid},x@example.com,127.0.0.1,none,none,,other,",
        "smtp_provider,,a@example.com,127.0.0.1,none,none,,other,",
        "smtp_provider,,a@example.com,127.0.0.1,none,none,alice,mine,",
        "smtp_provider,,a@example.com,127.0.0.1,none,none,alice@example.com,mine,",
        "smtp_provider,,a@example.com,127.0.0.1,none,none,,mine,true",
        "mailbox,,a@example.com,127.0.0.1,none,none,,mine,",
    ):
        page = upload(dave, f"{head}{row}\n").content.decode()
        assert "Refused: 1" in page, row
    good = upload(dave, f"{head}smtp_provider,,x@example.com,127.0.0.1,none,none,dave,mine,\n")
    assert "New: 1" in good.content.decode()
    assert "tried before it is stored" in good.content.decode()
    url = good.redirect_chain[-1][0]
    again = Client()
    again.force_login(User.objects.get(username="dave"))
    for stranger in (again, permitted("erin", "add_smtpprovider"), permitted("frank", "view_smtpprovider")):
        assert stranger.post(url).status_code in {302, 403}
    assert permitted("grace", "view_smtpprovider").get(IMPORT).status_code == 403
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = dave.cookies
    assert strict.post(url).status_code == 403
    assert strict.post(IMPORT).status_code == 403
    assert Account.objects.count() == 1


def test_a_row_that_names_an_account_again_is_refused(client: Client) -> None:
    row = "outbound_email,A,a@example.com,127.0.0.1,25,none,none,,,\n"
    page = stored(client, upload(client, HEAD + row + row)).content.decode()
    assert "New: 1. Changed: 0. Unchanged: 0. Refused: 1." in page
    assert Account.objects.count() == 1


def test_mailboxes_are_imported_with_both_halves(client: Client) -> None:
    head = "kind,from_email,host,username,password,imap_host,imap_ssl,is_sync_enabled\n"
    stored(
        client,
        upload(client, f"{head}mailbox,m@example.com,127.0.0.1,m@example.com,{SECRET},127.0.0.1,true,no\n"),
    )
    mailbox = Mailbox.objects.get()
    assert (mailbox.imap_host, mailbox.imap_ssl, mailbox.is_sync_enabled) == ("127.0.0.1", True, False)
    assert mailbox.has_secret


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "kind\n", "names no account"),
        ("a.csv", "kind,hunter2\nmailbox,x\n", "no account has"),
        ("a.csv", "name\nx\n", "does not name a column"),
        ("a.csv", 'kind,name\nmailbox,"x\n', "cannot be read"),
        ("a.csv", "kind,name\n" + "mailbox,x\n" * 501, "divide it"),
        ("a.csv", "kind\n" + "m" * 1024 * 1024, "too large"),
        ("a.yaml", "- kind: &a mailbox\n  name: *a\n", "cannot be read"),
        ("a.yaml", "- kind: [[[[x]]]]\n", "cannot be read"),
        ("a.yaml", "[" * 100_000, "cannot be read"),
        ("a.yaml", "- !!python/object/apply:os.system {kind: x}\n- kind: {\n", "cannot be read"),
        ("a.yaml", "kind: mailbox\n", "cannot be read"),
        ("a.yaml", "--- [{kind: mailbox}]\n--- [{kind: mailbox}]\n", "cannot be read"),
    ],
)
def test_a_file_that_is_none_is_refused_with_a_reason(
    client: Client, name: str, text: str, words: str
) -> None:
    page = upload(client, text, name=name).content.decode()
    assert words in page
    assert "hunter2" not in page
    assert not AccountImport.objects.exists()


def test_yaml_is_read_as_the_text_that_stands_there() -> None:
    data = b"- kind: mailbox\n  name: no\n  port: 0587\n  tenant: ~\n  password: ' x '\n"
    (row,) = read_account_rows(data, is_yaml=True)
    assert row.values == {"kind": "mailbox", "name": "no", "port": "0587", "tenant": "", "password": " x "}
    assert " x " not in repr(row)
