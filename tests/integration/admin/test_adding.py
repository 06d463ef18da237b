"""Adding an account: the one list over all kinds, the choice of one, and the answers that the page's own script gets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from mailconfig.models import Account, CheckState, ConnectionCheck, SMTPProvider, TenantMailConfig
from tests.factories import make_mailbox, make_oauth2_client, make_tenant, make_user
from tests.servers.certificates import Certificates
from tests.servers.chaos import ChaosServer
from tests.servers.name_server import NameServer

from .conftest import permitted
from .pages import LOGIN, SECRET, admin_url, entered, values

pytestmark = pytest.mark.one_database

BOB = "bob@localhost"
WRONG = "not-the-password-either"
SCRIPT = {"accept": "application/json"}


@pytest.fixture
def names(settings: Any) -> Iterator[NameServer]:
    """A name server that is asked."""
    with NameServer() as server:
        settings.MAILCONFIG = {**settings.MAILCONFIG, "DNS_SERVERS": [server.address]}
        yield server


@pytest.fixture
def encrypting(certificates: Certificates, settings: Any) -> Iterator[ChaosServer]:
    """A mail server with TLS, at the name localhost, that lets Bob of that domain in."""
    settings.MAILCONFIG = {**settings.MAILCONFIG, "CA_FILE": certificates.ca_file}
    with ChaosServer(tls=certificates.good, credentials={BOB: SECRET}) as server:
        yield server


def two_fields(client: Client, url: str, address: str = BOB, **changes: Any) -> dict[str, Any]:
    """What a browser sends when two fields were filled in."""
    return entered(client, url, from_email=address, secret=SECRET, **changes)


def make_provider(**changes: Any) -> SMTPProvider:
    """A connection of the back office."""
    provider = SMTPProvider(name="Receipts", host="127.0.0.1", authentication="none", **changes)
    provider.save()
    return provider


def test_one_list_shows_accounts_of_every_kind_and_leads_to_their_pages(client: Client) -> None:
    mailbox, provider = make_mailbox(name="Front desk"), make_provider()
    config = TenantMailConfig(
        name="Their mail", host="127.0.0.1", authentication="none", tenant=make_tenant()
    )
    config.save()

    page = client.get(admin_url("account")).content.decode()

    for account, model in ((mailbox, "mailbox"), (provider, "smtpprovider"), (config, "tenantmailconfig")):
        assert f'href="{admin_url(model, "change", account.pk)}' in page
    answer = client.get(admin_url("account", "change", provider.pk))
    assert answer["Location"] == admin_url("smtpprovider", "change", provider.pk)


def test_the_list_asks_as_often_for_many_accounts_as_for_few(client: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert client.get(admin_url("account")).status_code == 200
        return len(seen)

    make_mailbox(name="First")
    make_provider()
    client.get(admin_url("account"))
    few = queries()
    for number in range(8):
        make_mailbox(name=f"Mailbox {number}", tenant=make_tenant())
        make_provider()
    assert queries() == few


def test_only_kinds_that_one_may_see_are_listed_filtered_and_found(db: None) -> None:
    dave = permitted("dave", "view_mailbox")
    mailbox, provider = make_mailbox(name="Front desk"), make_provider()

    page = dave.get(admin_url("account")).content.decode()

    assert "Front desk" in page
    assert "Receipts" not in page
    assert "kind=smtp_provider" not in page
    assert dave.get(admin_url("account", "change", provider.pk)).status_code == 404
    assert dave.get(admin_url("account", "change", mailbox.pk)).status_code == 302
    assert dave.get(f"{admin_url('account')}?kind=smtp_provider").content.decode().count("Receipts") == 0
    assert permitted("erin", "view_message").get(admin_url("account")).status_code == 403


def test_only_kinds_that_one_may_add_are_offered(client: Client, db: None) -> None:
    everything = client.get(admin_url("account", "add")).content.decode()
    assert all(
        admin_url(kind, "add") in everything
        for kind in ("mailbox", "outboundemail", "smtpprovider", "tenantmailconfig")
    )

    two = permitted("dave", "add_mailbox", "add_smtpprovider").get(admin_url("account", "add"))
    assert admin_url("mailbox", "add") in two.content.decode()
    assert admin_url("outboundemail", "add") not in two.content.decode()

    one = permitted("erin", "add_smtpprovider").get(admin_url("account", "add"))
    assert one["Location"] == admin_url("smtpprovider", "add")
    assert permitted("frank", "view_mailbox").get(admin_url("account", "add")).status_code == 403


def test_nothing_is_deleted_or_changed_in_the_list_of_all_kinds(client: Client) -> None:
    provider = make_provider()

    answer = client.post(admin_url("account", "delete", provider.pk), {"post": "yes"})
    client.post(
        admin_url("account"), {"action": "delete_selected", "_selected_action": provider.pk, "post": "yes"}
    )

    assert answer["Location"] == admin_url("smtpprovider", "change", provider.pk)
    assert Account.objects.kept().filter(pk=provider.pk).exists()


def test_the_script_is_told_what_is_wrong_and_never_the_password(client: Client, server: ChaosServer) -> None:
    url = admin_url("smtpprovider", "add")

    answer = client.post(url, entered(client, url, **values(server.port, secret=WRONG)), headers=SCRIPT)

    told = answer.json()
    assert set(told["errors"]) == {"secret"}
    assert told["labels"] == {"secret": "Password"}
    assert told["check"]["failed_at"] == "login"
    assert [stage["outcome"] for stage in told["check"]["stages"]].count("ok") >= 3
    assert WRONG not in answer.content.decode()
    assert not Account.objects.exists()


def test_the_script_is_told_where_to_go_once_it_is_saved(client: Client, server: ChaosServer) -> None:
    url = admin_url("smtpprovider", "add")

    answer = client.post(url, entered(client, url, **values(server.port)), headers=SCRIPT)

    assert answer.json() == {"url": admin_url("smtpprovider"), "check": ""}
    assert "it works" in client.get(admin_url("smtpprovider")).content.decode()
    assert LogEntry.objects.get().object_repr == "Bob's mail"


def test_the_script_watches_the_check_that_a_worker_makes(
    client: Client, server: ChaosServer, settings: Any
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "CHECKS_AT_ONCE": 0}
    url = admin_url("smtpprovider", "add")

    told = client.post(url, entered(client, url, **values(server.port)), headers=SCRIPT).json()

    check = ConnectionCheck.objects.get()
    assert told["check"] == str(check.uuid)
    (watched,) = client.get(f"{admin_url('account', 'watch')}?check={check.uuid}").json()["checks"]
    assert watched["is_open"] is True
    assert not server.sessions


def test_nobody_watches_the_checks_of_others(client: Client, alice: User) -> None:
    newest = ConnectionCheck.objects.create(
        kind="connection", state=CheckState.RUNNING, host="mail.example.com", requested_by=alice
    )
    url = admin_url("account", "watch")
    assert len(client.get(f"{url}?after=0").json()["checks"]) == 1
    assert client.get(f"{url}?after={newest.pk}").json() == {"checks": []}

    dave = permitted("dave", "add_mailbox")
    for query in (f"check={newest.uuid}", "after=0", "after=-1", "check=x", "after=" + "9" * 30, ""):
        assert dave.get(f"{url}?{query}").json() == {"checks": []}
    nobody = Client()
    nobody.force_login(make_user("zoe"))
    assert nobody.get(f"{url}?after=0").status_code == 302
    assert client.post(url).status_code == 405


def test_an_account_is_added_only_with_the_token_of_its_page(alice: User, server: ChaosServer) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)

    answer = strict.post(admin_url("smtpprovider", "add"), values(server.port), headers=SCRIPT)

    assert answer.status_code == 403
    assert not server.sessions
    assert not Account.objects.exists()


def test_who_saves_untested_is_written_down(client: Client, alice: User) -> None:
    url = admin_url("smtpprovider", "add")

    client.post(url, entered(client, url, **values(9)) | {"_save_untested": "1"})

    words = [entry.get_change_message() for entry in LogEntry.objects.filter(user=alice)]
    assert "Saved without trying the connection." in words
    assert Account.objects.get().from_email == LOGIN
    assert SECRET not in "".join(words)


def test_address_and_password_are_enough_where_the_domain_names_its_own_server(
    client: Client, encrypting: ChaosServer, names: NameServer
) -> None:
    names.records["_submissions._tcp.localhost", "SRV"] = [f"0 0 {encrypting.port} localhost."]
    url = admin_url("smtpprovider", "add")

    answer = client.post(url, two_fields(client, url), follow=True)

    assert "it works" in answer.content.decode()
    account = Account.objects.get()
    assert (account.host, account.port, account.security) == ("localhost", encrypting.port, "tls")
    assert (account.username, account.from_email) == (BOB, BOB)
    assert encrypting.auth_attempts[0][1:] == (BOB, SECRET)


def test_where_no_server_is_found_the_page_says_so_and_proposes_the_address_as_user_name(
    client: Client, names: NameServer
) -> None:
    url = admin_url("smtpprovider", "add")

    told = client.post(url, two_fields(client, url), headers=SCRIPT).json()

    assert set(told["errors"]) == {"host"}
    assert "No server was found for localhost." in told["errors"]["host"][0]
    assert told["filled"] == {"username": BOB}
    assert not Account.objects.exists()
    chosen = client.post(url, two_fields(client, url) | {"preset": "gmail"}, headers=SCRIPT).json()
    assert "No server was found" not in str(chosen)


def test_a_server_outside_the_domain_gets_no_password_before_somebody_has_seen_its_name(
    client: Client, encrypting: ChaosServer, names: NameServer
) -> None:
    names.records["_submissions._tcp.example.com", "SRV"] = [f"0 0 {encrypting.port} localhost."]
    encrypting.credentials = {"bob@example.com": SECRET}
    url = admin_url("smtpprovider", "add")
    data = two_fields(client, url, "bob@example.com")

    page = client.post(url, data)

    assert not encrypting.sessions
    assert "names the server localhost" in page.content.decode()
    assert SECRET not in page.content.decode()
    shown = page.context["adminform"].form
    assert shown["host"].value() == "localhost"
    told = client.post(url, data, headers=SCRIPT).json()
    assert not encrypting.sessions
    assert told["filled"]["host"] == "localhost"
    assert "names the server localhost" in told["proposal"]

    again = {**data, **told["filled"]}
    assert "it works" in client.post(url, again, follow=True).content.decode()
    assert Account.objects.get().host == "localhost"


def test_what_was_entered_is_tried_and_nothing_else(
    client: Client, server: ChaosServer, names: NameServer
) -> None:
    names.records["_submissions._tcp.example.com", "SRV"] = ["0 0 465 mail.example.com."]
    url = admin_url("smtpprovider", "add")

    client.post(url, entered(client, url, **values(server.port)))

    assert names.asked == []
    assert Account.objects.get().host == "127.0.0.1"


def test_nobody_is_asked_for_those_who_may_not_add(names: NameServer, db: None) -> None:
    dave = permitted("dave", "view_smtpprovider")

    answer = dave.post(admin_url("smtpprovider", "add"), {"from_email": BOB, "secret": SECRET})

    assert answer.status_code == 403
    assert names.asked == []


def test_a_mailbox_is_filled_in_for_both_halves(client: Client, names: NameServer) -> None:
    names.records["_submissions._tcp.example.com", "SRV"] = ["0 0 465 mail.example.net."]
    names.records["_imap._tcp.example.com", "SRV"] = ["0 0 143 imap.example.net."]
    url = admin_url("mailbox", "add")

    told = client.post(url, two_fields(client, url, "bob@example.com"), headers=SCRIPT).json()

    assert told["filled"] == {
        "host": "mail.example.net",
        "port": "465",
        "security": "tls",
        "preset": "",
        "username": "bob@example.com",
        "imap_host": "imap.example.net",
        "imap_port": "143",
        "imap_ssl": "True",
    }


def test_somebody_signs_in_at_the_service_instead_of_entering_a_password(client: Client) -> None:
    app = make_oauth2_client(name="Our Google app", provider="google")
    url = admin_url("smtpprovider", "add")
    page = client.get(url).content.decode()
    assert f'name="_connect" value="{app.pk}"' in page
    data = entered(client, url, from_email="bob@gmail.com") | {"_connect": str(app.pk)}

    answer = client.post(url, data)

    account = Account.objects.get()
    assert (
        answer["Location"].startswith(f"/mail/connect/{account.uuid}/")
        or str(account.uuid) in answer["Location"]
    )
    assert (account.host, account.username) == ("smtp.gmail.com", "bob@gmail.com")
    assert account.authentication == "oauth2"
    assert not account.has_secret


def test_somebody_signs_in_where_the_page_had_filled_in_the_service(client: Client) -> None:
    app = make_oauth2_client(name="Our Google app", provider="google")
    url = admin_url("smtpprovider", "add")
    shown = {"preset": "gmail", "host": "smtp.gmail.com", "port": "587", "security": "starttls"}
    data = two_fields(client, url, "bob@gmail.com", username="bob@gmail.com", **shown)

    answer = client.post(url, data | {"_connect": str(app.pk)}, headers=SCRIPT).json()

    account = Account.objects.get()
    assert str(account.uuid) in answer["url"]
    assert account.authentication == "oauth2"
    assert not account.has_secret


def test_signing_in_is_offered_to_those_who_may_choose_the_app_only(db: None) -> None:
    app = make_oauth2_client(name="Our Google app", provider="google")
    dave = permitted("dave", "add_smtpprovider")
    url = admin_url("smtpprovider", "add")

    assert "_connect" not in dave.get(url).content.decode()
    dave.post(url, entered(dave, url, from_email="bob@gmail.com") | {"_connect": str(app.pk)})

    assert not Account.objects.exists()


def test_no_password_goes_to_what_was_found_for_an_address_that_was_mistyped(
    client: Client, encrypting: ChaosServer, names: NameServer
) -> None:
    names.records["_submissions._tcp.localhost", "SRV"] = [f"0 0 {encrypting.port} localhost."]
    names.records["_submissions._tcp.example.com", "SRV"] = ["0 0 465 mail.example.net."]
    encrypting.credentials = {}
    url = admin_url("smtpprovider", "add")
    first = client.post(url, two_fields(client, url))
    tried = len(encrypting.auth_attempts)
    assert tried
    form = first.context["adminform"].form
    assert form["host"].value() == "localhost"
    shown = {name: form[name].value() for name in form.fields if form[name].value() not in {None, False}}
    noted = first.context["filled_in"].noted
    assert SECRET not in noted

    same = client.post(url, {**shown, "secret": SECRET, "_filled_in": noted})
    assert len(encrypting.auth_attempts) > tried
    tried = len(encrypting.auth_attempts)
    kept = same.context["filled_in"].noted
    corrected = {**shown, "from_email": " bob@example.com ", "secret": SECRET, "_filled_in": kept}
    again = client.post(url, corrected)

    assert len(encrypting.auth_attempts) == tried
    form = again.context["adminform"].form
    assert (form["host"].value(), form["username"].value()) == ("mail.example.net", "bob@example.com")


@pytest.mark.parametrize("noted", ["x", "[]", '{"values": 1}', '{"values": {"host": 1}}', "[" * 5000, "null"])
def test_a_note_that_is_none_of_ours_changes_nothing(client: Client, server: ChaosServer, noted: str) -> None:
    url = admin_url("smtpprovider", "add")

    client.post(url, entered(client, url, **values(server.port)) | {"_filled_in": noted})

    assert Account.objects.get().host == "127.0.0.1"
