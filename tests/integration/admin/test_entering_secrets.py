"""Who changes an account's settings need not be who enters its password, key or login."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from mailconfig.admin.entering_secrets import FIELDS, NOT_YOURS
from mailconfig.delivery import begin_sign_in, finish_sign_in
from mailconfig.exceptions import SignInRefused
from mailconfig.models import Account, AccountChange, Mailbox, OAuth2Grant
from mailconfig.values import Secret, SignInFault
from tests.factories import PASSWORD, account_values, make_oauth2_client, make_oauth2_grant
from tests.servers.chaos import ChaosServer

from .conftest import permitted
from .pages import LOGIN, SECRET, admin_url, entered

pytestmark = [pytest.mark.django_db, pytest.mark.one_database]

NEW = "not-a-real-password-but-new"
KINDS = {"outboundemail": "outbound_email", "smtpprovider": "smtp_provider", "mailbox": "mailbox"}


def changer(model: str, *more: str, name: str = "dave") -> Client:
    return permitted(name, f"view_{model}", f"change_{model}", "see_all_tenants", "test_account", *more)


def full_mailbox(**values: Any) -> Mailbox:
    """A mailbox with each secret that there is."""
    made = {"username": LOGIN, "imap_host": "imap.example.com", "login_name": LOGIN, "sync_method": "imap"}
    return Mailbox.objects.create(
        **account_values(
            2525, kind="mailbox", imap_secret=Secret(PASSWORD), sendgrid_secret=Secret(PASSWORD), **made | values
        )
    )  # fmt: skip


def stored(account: Account) -> dict[str, Any]:
    return dict(type(account)._base_manager.filter(pk=account.pk).values().get())


@pytest.mark.parametrize("model", KINDS)
def test_without_the_permission_the_page_has_no_field_for_a_secret_and_takes_none(
    model: str, db: None
) -> None:
    account = Account.objects.create(**account_values(2525, kind=KINDS[model], username=LOGIN)) if (
        model != "mailbox"
    ) else full_mailbox()  # fmt: skip
    dave, url = changer(model), admin_url(model, "change", account.pk)
    page = dave.get(url)
    assert not FIELDS.intersection(page.context["adminform"].form.fields)
    assert 'type="password"' not in page.content.decode()
    assert '<div class="readonly">set</div>' in page.content.decode()

    sent = dict.fromkeys(FIELDS, NEW) | {"clear_secret": "on", "name": "renamed"}
    assert dave.post(url, entered(dave, url, **sent)).status_code == 302

    changed = AccountChange.objects.get(account_id=account.pk)
    assert [entry["field"] for entry in changed.fields] == ["name"]
    secret = Account.objects.get(pk=account.pk).transport_settings().secret
    assert secret is not None
    assert secret.reveal() == PASSWORD


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        ("outboundemail", {"host": "127.0.0.2"}),
        ("outboundemail", {"username": "eve@example.com"}),
        ("outboundemail", {"authentication": "none"}),
        ("smtpprovider", {"port": "2526"}),
        ("smtpprovider", {"security": "starttls"}),
        ("smtpprovider", {"owner": "1"}),
        ("mailbox", {"host": "127.0.0.2"}),
        ("mailbox", {"imap_host": "imap.example.net"}),
        ("mailbox", {"imap_username": "eve@example.com"}),
        ("mailbox", {"ews_endpoint": "https://eve.example.com/EWS/Exchange.asmx"}),
    ],
)
def test_what_would_need_the_secret_anew_or_lose_it_is_refused_in_plain_words(
    model: str, changes: dict[str, str], alice: User
) -> None:
    values = {"username": LOGIN, "name": "kept"}
    account: Account = full_mailbox(**values) if model == "mailbox" else Account.objects.create(
        **account_values(2525, kind=KINDS[model], **values)
    )  # fmt: skip
    if "owner" in changes:
        changes = {"owner": str(alice.pk)}
    dave, url = changer(model), admin_url(model, "change", account.pk)
    sees_users = Permission.objects.get(codename="view_user")  # or the key of one is refused
    User.objects.get(username="dave").user_permissions.add(sees_users)
    before = stored(account)

    page = dave.post(url, entered(dave, url, _save_untested="1", name="renamed", **changes))

    assert page.status_code == 200
    assert page.context["adminform"].form.non_field_errors() == [NOT_YOURS]
    assert stored(account) == before


def test_with_the_permission_or_as_its_owner_one_enters_it(db: None) -> None:
    for name, more, is_own in (("erin", ("set_secret",), False), ("olga", (), True)):
        browser = changer("smtpprovider", *more, name=name)
        owner = User.objects.get(username=name) if is_own else None
        values = account_values(2525, kind="smtp_provider", username=LOGIN, owner=owner)
        url = admin_url("smtpprovider", "change", (account := Account.objects.create(**values)).pk)
        sent = {"host": "127.0.0.2", "secret": NEW, "_save_untested": "1"}
        assert browser.post(url, entered(browser, url, **sent)).status_code == 302
        found = Account.objects.get(pk=account.pk).transport_settings()
        assert (found.host, found.secret.reveal() if found.secret else "") == ("127.0.0.2", NEW)


def test_a_new_account_is_added_with_its_secret(server: ChaosServer, db: None) -> None:
    dave = permitted("dave", "add_smtpprovider")
    url = admin_url("smtpprovider", "add")
    sent = account_values(server.port, username=LOGIN) | {"secret": SECRET}
    assert dave.post(url, {key: value for key, value in sent.items() if key != "kind"}).status_code == 302
    assert Account.objects.get().has_secret


def test_a_file_sets_the_passwords_of_new_accounts_only(db: None) -> None:
    account = Account.objects.create(
        **account_values(2525, kind="smtp_provider", username=LOGIN, name="kept")
    )
    dave = changer("smtpprovider", "add_smtpprovider")
    lines = (
        "kind,uuid,name,from_email,host,port,security,authentication,username,password",
        f"smtp_provider,{account.uuid},kept,sender@example.com,127.0.0.1,2525,none,password,{LOGIN},{NEW}",
        f"smtp_provider,,added,new@example.com,127.0.0.1,2525,none,password,new@example.com,{NEW}",
    )
    file = SimpleUploadedFile("accounts.csv", "\n".join(lines).encode())
    page = dave.post(reverse("admin:mailconfig_account_import"), {"file": file}, follow=True)
    assert [row.state for row in page.context["rows"]] == ["refused", "new"]
    assert [field for field, _words in page.context["rows"][0].problems] == ["password"]


def test_a_login_by_oauth_2_is_set_by_the_owner_and_by_permission_only(db: None) -> None:
    values = account_values(
        2525, kind="smtp_provider", username=LOGIN, authentication="oauth2", secret=None, name="kept"
    )
    account = Account.objects.create(**values)
    make_oauth2_grant(account, client=make_oauth2_client(mail_servers="127.0.0.1"))
    connect = reverse("mailconfig-connect", args=[account.uuid])
    disconnect = reverse("mailconfig-disconnect", args=[account.uuid])
    dave, erin = (
        changer("smtpprovider", "use_oauth2client"),
        changer("smtpprovider", "set_secret", name="erin"),
    )
    url = admin_url("smtpprovider", "change", account.pk)
    assert connect in erin.get(url).content.decode()
    assert connect not in dave.get(url).content.decode()
    assert erin.get(connect).status_code == 200
    assert dave.get(connect).status_code == 404
    assert dave.post(disconnect).status_code == 404
    by = User.objects.get(username="dave")
    _url, sign_in = begin_sign_in(account=account, by=by, redirect_uri="https://mail.example.com/back")
    with pytest.raises(SignInRefused) as refused:
        finish_sign_in(sign_in=sign_in, answer={"code": "any"}, by=by)
    assert refused.value.fault == SignInFault.UNKNOWN
    before = stored(account)
    for changes in ({"username": "eve@example.com"}, {"authentication": "none"}):
        page = dave.post(url, entered(dave, url, _save_untested="1", **changes))
        assert page.context["adminform"].form.non_field_errors() == [NOT_YOURS]
    assert stored(account) == before
    assert OAuth2Grant.objects.get().is_connected
