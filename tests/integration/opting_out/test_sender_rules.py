"""Rules of Gmail and Yahoo for senders, as they read what a server was handed: one click, one From, and domains that match."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client

from mailconfig import delivery
from mailconfig.models import Account, AccountKind, Message, MessageKind, MessageState, Suppression, Tenant
from tests.bearer import client_of
from tests.factories import account_values, make_account, make_email, make_mailbox, make_tenant, make_user
from tests.resolver import PATH, Resolver
from tests.servers.chaos import ChaosServer, ReceivedMessage
from tests.servers.faults import Reply

pytestmark = pytest.mark.django_db(transaction=True)

BASE = "https://mail.example.com"
TO, TOKEN = "customer@example.net", "NS-EU-CUSTOMER-1"
SAID = {"recipient": TO, "subject": "News", "message": "There is news.", "unsubscribe": True}


@pytest.fixture(autouse=True)
def _deployment(settings: Any) -> Iterator[None]:
    settings.MAILCONFIG = {
        **settings.MAILCONFIG,
        "PUBLIC_BASE_URL": f"{BASE}/",
        "PII_RESOLVER": PATH,
        "LIMIT_WAIT_SECONDS": 20.0,
    }
    Resolver.mend()
    Resolver.known["acme", TOKEN] = TO
    yield
    Resolver.mend()


@pytest.fixture
def server() -> Iterator[ChaosServer]:
    with ChaosServer() as server:
        yield server


@pytest.fixture
def acme() -> Tenant:
    return make_tenant(slug="acme")


@pytest.fixture
def alice(acme: Tenant) -> User:
    alice = make_user("alice")
    acme.members.add(alice)
    return alice


def configured(acme: Tenant, server: ChaosServer) -> Account:
    return make_account(server.port, kind=AccountKind.TENANT_CONFIG, tenant=acme)


def post_of_service(alice: User, **changes: Any) -> Any:
    values = {name: value for name, value in {**SAID, **changes}.items() if value is not None}
    return client_of(alice).generic(
        "POST",
        "/email-service/send-email",
        json.dumps(values),
        content_type="application/json",
        headers={"Tenant": "acme", "Request-ID": "news-1"},
    )


def post_mailing(alice: User, mailbox: Account, **changes: Any) -> Any:
    attributes = {"subject": "News", "bodyText": "There is news.", "recipients": [TO], "unsubscribe": True}
    data = {
        "type": "mailing",
        "attributes": {**attributes, **changes},
        "relationships": {"mailbox": {"data": {"type": "mailbox", "id": mailbox.pk}}},
    }
    raw = json.dumps({"data": data})
    return client_of(alice).generic("POST", "/api/v2/mailings", raw, content_type="application/vnd.api+json")


def one_click_of(mail: Any) -> str:
    """Return where a mail program posts to, read as RFC 8058 §3.1 and §4 want it.

    One https address in angle brackets, and the one pair that is posted; each field once, and nothing that was not ASCII.
    """
    (link,), (form,) = mail.get_all("List-Unsubscribe", []), mail.get_all("List-Unsubscribe-Post", [])
    assert str(form) == "List-Unsubscribe=One-Click"
    urls = [url for url in re.findall(r"<([^<>\s]+)>", str(link)) if url.lower().startswith("https:")]
    assert len(urls) == 1
    assert urls[0].isascii()
    assert urlsplit(urls[0]).username is None
    return str(urls[0])


def is_aligned(domain: str, with_from: str) -> bool:
    """Return whether DMARC finds both to be of one organisation (RFC 7489 §3.1, relaxed), of those with two labels."""
    return domain.lower().split(".")[-2:] == with_from.lower().split(".")[-2:]


def read_as_gmail_does(received: ReceivedMessage) -> Any:
    """Return the mail, if it breaks no rule that can be read in it."""
    mail = message_from_bytes(received.data, policy=policy.default)
    for name in ("From", "To", "Subject", "Date", "Message-ID"):
        assert len(mail.get_all(name, [])) == 1, name
    (sender,) = mail["From"].addresses
    assert "." in sender.domain
    assert is_aligned(received.mail_from.rpartition("@")[2], sender.domain), "SPF counts for this From"
    assert parseaddr(str(mail["To"]))[1] == TO
    return mail


Sends = Callable[["ChaosServer", Tenant, User], Account]


def by_code(server: ChaosServer, acme: Tenant, alice: User) -> Account:
    account = make_account(server.port, tenant=acme, from_email="shop@example.com")
    account.envelope_from = "bounces@mta.example.com"
    account.save(update_fields=["envelope_from"])
    delivery.enqueue(make_email(to=[TO]), account=account, unsubscribe=True)
    return account


def by_mailing(server: ChaosServer, acme: Tenant, alice: User) -> Account:
    values = account_values(server.port, from_email="me@example.com")
    mailbox = make_mailbox(owner=alice, opt_out_signature="Tired of me? <%Say so%>", **values)
    assert post_mailing(alice, mailbox).status_code == 201
    return mailbox


def by_service(server: ChaosServer, acme: Tenant, alice: User) -> Account:
    account = configured(acme, server)
    assert post_of_service(alice).status_code == 202
    return account


def by_service_with_tokens(server: ChaosServer, acme: Tenant, alice: User) -> Account:
    account = configured(acme, server)
    assert post_of_service(alice, recipient=TOKEN).status_code == 202
    return account


@pytest.mark.parametrize("send", [by_code, by_mailing, by_service, by_service_with_tokens])
def test_whatever_was_handed_over_keeps_their_rules_and_one_click_opts_out(
    server: ChaosServer, acme: Tenant, alice: User, send: Sends
) -> None:
    account = send(server, acme, alice)
    delivery.drain_account(account_id=account.pk)

    (received,) = server.messages
    mail = read_as_gmail_does(received)
    url = one_click_of(mail)
    assert url in mail.get_body(["plain"]).get_content()
    assert Message.objects.get().kind == MessageKind.BULK

    # RFC 8058 §3.2: without cookies or anything else that would say who asks, and with no redirect.
    answer = Client(enforce_csrf_checks=True).post(
        url.removeprefix(BASE),
        "List-Unsubscribe=One-Click",
        content_type="application/x-www-form-urlencoded",
    )
    assert (answer.status_code, "Location" in answer.headers) == (200, False)
    entry = Suppression.objects.get()
    assert (entry.address, entry.reason, entry.tenant_id) == (TO, "opt_out", account.tenant_id)
    delivery.enqueue(make_email(to=[TO]), account=account, bulk=True)
    delivery.drain_account(account_id=account.pk)
    assert len(server.messages) == 1


def test_each_attempt_at_mail_with_tokens_has_the_same_link(
    server: ChaosServer, acme: Tenant, alice: User
) -> None:
    server.on("dot", Reply.of("451 4.3.0 later"), at=1, accept=True)
    account = by_service_with_tokens(server, acme, alice)
    delivery.drain_account(account_id=account.pk)
    Message.objects.update(not_before=delivery.database_now() - timedelta(seconds=1))
    delivery.drain_account(account_id=account.pk)

    first, second = server.messages
    assert first.data == second.data


def test_mail_with_tokens_says_that_the_site_lost_its_address_and_goes_once_it_has_it_again(
    server: ChaosServer, acme: Tenant, alice: User, settings: Any
) -> None:
    account = by_service_with_tokens(server, acme, alice)
    known = settings.MAILCONFIG
    settings.MAILCONFIG = {**known, "PUBLIC_BASE_URL": None}
    delivery.drain_account(account_id=account.pk)

    message = Message.objects.get()
    assert (message.state, message.error_code) == (MessageState.FAILED, "no_way_out")

    settings.MAILCONFIG = known
    delivery.requeue(message_id=message.pk)
    delivery.drain_account(account_id=account.pk)
    (received,) = server.messages
    one_click_of(read_as_gmail_does(received))


def test_the_same_call_is_the_same_mail_and_without_the_way_out_another_one(
    server: ChaosServer, acme: Tenant, alice: User
) -> None:
    configured(acme, server)
    first, again = post_of_service(alice), post_of_service(alice)

    assert first["Location"] == again["Location"]
    assert post_of_service(alice, unsubscribe=False).status_code == 409
    assert Message.objects.count() == 1


def test_a_mailing_that_several_people_could_refuse_for_each_other_is_not_taken(alice: User) -> None:
    answer = post_mailing(alice, make_mailbox(owner=alice), recipients=[TO, "other@example.net"])

    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["source"]["pointer"]) == (422, "/data/attributes/unsubscribe")


def test_a_site_that_does_not_say_where_it_is_takes_no_mail_that_would_lead_there(
    server: ChaosServer, acme: Tenant, alice: User, settings: Any
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "PUBLIC_BASE_URL": None}
    configured(acme, server)

    service, mailing = post_of_service(alice), post_mailing(alice, make_mailbox(owner=alice))

    assert service.status_code == 400
    assert service.json()["message"].startswith("unsubscribe: This site does not say")
    assert mailing.status_code == 422
    assert not Message.objects.exists()
