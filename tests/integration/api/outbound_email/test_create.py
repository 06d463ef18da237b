"""Making an account: the seed's own request, its defaults, its spellings, and what is stored."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from mailconfig.models import Account, ConnectionCheck, OutboundEmail, Tenant
from tests.bearer import client_of
from tests.factories import make_user
from tests.integration.api.outbound_email.conftest import PASSWORD, URL, USERNAME, post, seed
from tests.servers.certificates import Certificates
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Reply

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_seeds_request_gets_the_seeds_answer(server: ChaosServer, alice: User) -> None:
    answer = post(alice, seed(server))

    assert answer.status_code == 200, answer.content
    record = answer.json()
    assert list(record.items()) == [
        ("id", str(uuid.UUID(record["id"]))),
        ("name", "My Exchange Account"),
        ("type", "user"),
        ("user_id", str(alice.pk)),
        ("mail_sendtype", "smtp"),
        ("mail_smtptype", "exchange"),
        ("mail_smtpserver", "127.0.0.1"),
        ("mail_smtpport", server.port),
        ("mail_smtpuser", USERNAME),
        ("mail_smtppass", True),
        ("mail_smtpauth_req", True),
        ("mail_smtpssl", "1"),
        ("deleted", False),
        ("my_favorite", False),
        ("_acl", {"fields": {}}),
        ("_module", "OutboundEmail"),
    ]
    assert answer["Content-Type"] == "application/json"
    assert client_of(alice).get(f"{URL}/{record['id']}").json() == record


def test_the_server_is_logged_in_to_and_no_mail_is_sent(server: ChaosServer, alice: User) -> None:
    post(alice, seed(server))

    assert server.auth_attempts == [("PLAIN", USERNAME, PASSWORD)]
    assert server.messages == []
    check = ConnectionCheck.objects.get()
    assert (check.ok, check.account, check.requested_by) == (True, Account.objects.get(), alice)


def test_without_mail_smtpauth_req_nobody_logs_in_and_no_password_is_kept(
    server: ChaosServer, alice: User
) -> None:
    answer = post(alice, seed(server, mail_smtpauth_req=False))

    assert answer.status_code == 200, answer.content
    assert server.sessions == 1
    assert server.auth_attempts == []
    record = answer.json()
    assert "mail_smtppass" not in record
    assert (record["mail_smtpauth_req"], record["mail_smtpuser"]) == (False, USERNAME)
    assert OutboundEmail.objects.get().secret is None


def test_what_is_not_said_has_the_seeds_defaults(alice: User, settings: Settings) -> None:
    settings.MAILCONFIG |= {"OUTBOX": True}  # nobody listens on port 465 here

    answer = post(alice, {"name": "Plain", "mail_smtpserver": "smtp.example.com"})

    assert answer.status_code == 200, answer.content
    record = answer.json()
    assert {name: record[name] for name in record if name.startswith("mail_")} == {
        "mail_sendtype": "smtp",
        "mail_smtptype": "other",
        "mail_smtpserver": "smtp.example.com",
        "mail_smtpport": 465,
        "mail_smtpuser": "",
        "mail_smtpauth_req": False,
        "mail_smtpssl": "1",
    }


@pytest.mark.parametrize(
    ("name", "sent", "answered"),
    [
        ("mail_smtptype", "google", "google"),
        ("mail_smtptype", "outlook", "outlook"),
        ("mail_smtptype", "other", "other"),
        ("mail_sendtype", "SMTP", "smtp"),
        ("mail_sendtype", "sMtP", "smtp"),
        ("mail_smtpssl", 1, "1"),
        ("name", "Büro 📧 =cmd() <b>", "Büro 📧 =cmd() <b>"),
        ("name", "n" * 255, "n" * 255),
        ("type", "user", "user"),
    ],
)
def test_a_value_is_answered_as_it_is_stored(
    server: ChaosServer, alice: User, name: str, sent: object, answered: object
) -> None:
    answer = post(alice, seed(server, **{name: sent}))

    assert answer.status_code == 200, answer.content
    assert answer.json()[name] == answered
    assert client_of(alice).get(f"{URL}/{answer.json()['id']}").json()[name] == answered


def test_a_port_of_digits_is_answered_as_a_number(server: ChaosServer, alice: User) -> None:
    assert post(alice, seed(server, mail_smtpport=str(server.port))).json()["mail_smtpport"] == server.port


@pytest.mark.parametrize("ssl", [0, "0"])
def test_no_encryption_is_0(plain: ChaosServer, alice: User, ssl: object) -> None:
    answer = post(alice, seed(plain, mail_smtpssl=ssl, mail_smtpauth_req=False))

    assert answer.status_code == 200, answer.content
    assert answer.json()["mail_smtpssl"] == "0"


@pytest.mark.parametrize("ssl", [2, "2"])
def test_starttls_is_2(certificates: Certificates, alice: User, ssl: object) -> None:
    with ChaosServer(tls=certificates.good, starttls=True, credentials={USERNAME: PASSWORD}) as server:
        answer = post(alice, seed(server, mail_smtpssl=ssl))

    assert answer.status_code == 200, answer.content
    assert answer.json()["mail_smtpssl"] == "2"
    assert OutboundEmail.objects.get().security == "starttls"


def test_starttls_is_required(plain: ChaosServer, alice: User) -> None:
    answer = post(alice, seed(plain, mail_smtpssl="2", mail_smtpauth_req=False))

    assert (answer.status_code, answer.json()["error"]) == (422, "smtp_server_error")
    assert answer.json()["error_message"].startswith("mail_smtpssl: ")


def test_mail_smtptype_changes_nothing_of_the_connection(server: ChaosServer, alice: User) -> None:
    answer = post(alice, seed(server, mail_smtptype="google"))

    record = answer.json()
    assert (record["mail_smtpserver"], record["mail_smtpport"]) == ("127.0.0.1", server.port)
    assert OutboundEmail.objects.get().preset == "gmail"


def test_the_owner_is_the_caller_whatever_the_body_says(server: ChaosServer, alice: User, bob: User) -> None:
    foreign = {
        "user_id": str(bob.pk),
        "id": "e04ce998-960e-11e6-8628-3c15c2d582c6",
        "deleted": True,
        "my_favorite": True,
        "_acl": {"fields": {"name": "no"}},
        "_module": "Users",
        "owner": bob.pk,
        "tenant": 1,
        "__class__": "x",
    }

    record = post(alice, seed(server, **foreign)).json()

    assert record["user_id"] == str(alice.pk)
    assert record["id"] != foreign["id"]
    assert (record["deleted"], record["_acl"], record["_module"]) == (False, {"fields": {}}, "OutboundEmail")
    account = OutboundEmail.objects.get()
    assert (account.owner, account.created_by, account.updated_by) == (alice, alice, alice)


@pytest.mark.parametrize("kind", ["system", "system-override"])
@pytest.mark.parametrize("rest", [True, False], ids=["whole", "alone"])
def test_other_types_are_made_by_the_application_only(
    server: ChaosServer, root: User, kind: str, rest: bool
) -> None:
    answer = post(root, (seed(server) if rest else {}) | {"type": kind})

    assert (answer.status_code, answer.json()["error"]) == (403, "not_authorized")
    assert OutboundEmail.objects.count() == 0
    assert server.sessions == 0


def test_the_account_belongs_to_the_only_tenant_of_its_owner(server: ChaosServer, alice: User) -> None:
    inactive = Tenant.objects.create(slug="gone", name="Gone", is_active=False)
    inactive.members.add(alice)

    post(alice, seed(server))

    assert OutboundEmail.objects.get().tenant == Tenant.objects.get(slug="acme")


def test_an_owner_of_several_tenants_has_the_account_alone(server: ChaosServer, alice: User) -> None:
    Tenant.objects.create(slug="second", name="Second").members.add(alice)

    post(alice, seed(server))

    assert OutboundEmail.objects.get().tenant is None


def test_a_superuser_belongs_to_no_tenant_by_that(server: ChaosServer, acme: Tenant, root: User) -> None:
    post(root, seed(server))

    assert OutboundEmail.objects.get().tenant is None


@pytest.mark.parametrize(
    ("username", "email", "sender"),
    [
        (USERNAME, "alice@example.com", USERNAME),
        ("foo", "alice@example.com", "alice@example.com"),
        ("foo", "", ""),
    ],
)
def test_mail_comes_from_the_user_name_or_else_the_owner(
    certificates: Certificates, username: str, email: str, sender: str
) -> None:
    user = make_user("anna", email=email)
    with ChaosServer(tls=certificates.good, credentials={username: PASSWORD}) as server:
        answer = post(user, seed(server, mail_smtpuser=username))

    assert answer.status_code == 200, answer.content
    assert OutboundEmail.objects.get().sender == sender
    assert [line for _session, line in server.commands if line.startswith("MAIL")] == (
        [f"MAIL FROM:<{sender}>"] if sender else []
    )


def test_a_refused_sender_is_no_reason_to_refuse(server: ChaosServer, alice: User) -> None:
    server.on("mail", Reply.of("553 5.7.1 not owned by user"))

    assert post(alice, seed(server)).status_code == 200
    assert "sender" in ConnectionCheck.objects.get().message


def test_it_may_send_at_once(
    server: ChaosServer, alice: User, django_capture_on_commit_callbacks: Any
) -> None:
    post(alice, seed(server))

    assert OutboundEmail.objects.get().lane.validated_at is not None
