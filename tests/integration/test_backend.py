"""A host project sends as it always did, and its mail is queued."""

import uuid
from typing import Any

import django
import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.core.mail.message import BadHeaderError
from django.db import transaction

from mailconfig import delivery
from mailconfig.backend import EmailBackend
from mailconfig.exceptions import InvalidMessage, NoAccount
from mailconfig.models import Account, AccountKind, Message
from mailconfig.testing import OutboxMail, clear_outbox, mails_to, outbox
from tests.factories import make_account, make_tenant

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "mailconfig.backend.EmailBackend"


def new_account(from_email: str, **values: object) -> Account:
    given = {"kind": "outbound_email", "host": "h", "authentication": "none", "name": from_email} | values
    return Account.objects.create(from_email=from_email, **given)


@pytest.fixture
def accounts() -> dict[str, Account]:
    return {
        "default": new_account("default@example.com", is_default=True),
        "shop": new_account("Shop@Example.com", serves_project=True),
    }


@pytest.fixture(autouse=True)
def ours(settings: object) -> None:
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": PATH}}  # type: ignore[attr-defined]
    else:
        settings.EMAIL_BACKEND = PATH  # type: ignore[attr-defined]
    settings.ADMINS = ["boss@example.org"] if django.VERSION >= (6,) else [("Boss", "boss@example.org")]  # type: ignore[attr-defined]


def test_whatever_django_sends_is_queued(accounts: dict[str, Account]) -> None:
    assert mail.send_mail("one", "b", None, ["a@example.org"], html_message="<b>b</b>") == 1
    assert mail.send_mass_mail([(f"m{n}", "b", "shop@example.com", ["a@example.org"]) for n in range(3)]) == 3
    mail.mail_admins("admins", "b")
    assert EmailMessage("own", "b", "Shop <shop@example.com>", ["a@example.org"]).send() == 1
    assert EmailMessage("nobody", "b").send() == 0

    found = dict(Message.objects.values_list("subject", "account__from_email"))
    assert found == {
        "one": "default@example.com",
        "m0": "Shop@Example.com",
        "m1": "Shop@Example.com",
        "m2": "Shop@Example.com",
        "[Django] admins": "default@example.com",
        "own": "Shop@Example.com",
    }


def test_the_option_names_the_account(accounts: dict[str, Account]) -> None:
    shop = accounts["shop"]
    for option in (shop.uuid, str(shop.uuid), shop.pk, shop.name):
        EmailBackend(account=option).send_messages(
            [EmailMessage("s", "b", "default@example.com", ["a@example.org"])]
        )
    assert set(Message.objects.values_list("account", flat=True)) == {shop.pk}
    assert Message.objects.count() == 4


@pytest.mark.parametrize("option", [uuid.uuid4(), "nobody", 0, "twice"])
def test_an_option_that_names_no_account_is_told(
    accounts: dict[str, Account], option: Any, caplog: pytest.LogCaptureFixture
) -> None:
    new_account("x@example.com", name="twice", serves_project=True)
    new_account("y@example.com", name="twice", serves_project=True)
    message = EmailMessage("s", "b", None, ["a@example.org"])
    with pytest.raises(NoAccount):
        EmailBackend(account=option).send_messages([message])
    assert EmailBackend(fail_silently=True, account=option).send_messages([message]) == 0
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "NoAccount" in caplog.text


def test_without_any_account_it_is_told(caplog: pytest.LogCaptureFixture) -> None:
    message = EmailMessage("s", "b", None, ["a@example.org"])
    with pytest.raises(NoAccount):
        EmailBackend().send_messages([message])
    assert EmailBackend(fail_silently=True).send_messages([message]) == 0
    assert "NoAccount" in caplog.text


def test_of_several_accounts_with_one_address_the_choice_is_always_the_same(
    accounts: dict[str, Account],
) -> None:
    new_account("shop@example.com", name="younger", serves_project=True)
    message = EmailMessage("s", "b", "shop@example.com", ["a@example.org"])
    EmailBackend().send_messages([message])
    accounts["shop"].is_enabled = False
    accounts["shop"].save()
    EmailBackend().send_messages([message])
    assert list(Message.objects.order_by("pk").values_list("account__name", flat=True)) == [
        "Shop@Example.com",
        "younger",
    ]


@pytest.mark.skipif(django.VERSION < (6, 1), reason="MAILERS came with Django 6.1")
def test_a_mailers_entry_names_its_account_and_no_unknown_option(
    accounts: dict[str, Account], settings: Any
) -> None:
    settings.MAILERS = {
        "default": {"BACKEND": PATH, "OPTIONS": {"account": "Shop@Example.com"}},
        "wrong": {"BACKEND": PATH, "OPTIONS": {"acount": "Shop@Example.com"}},
    }
    message = EmailMessage("s", "b", None, ["a@example.org"])
    assert message.send() == 1
    assert Message.objects.get().account == accounts["shop"]
    with pytest.raises(mail.InvalidMailer, match="acount"):
        message.send(using="wrong")


@pytest.mark.skipif(django.VERSION < (6, 1), reason="MAILERS came with Django 6.1")
def test_a_mailers_entry_names_its_tenant_whoever_is_sent_for_around_it(
    accounts: dict[str, Account], settings: Any
) -> None:
    settings.MAILERS = {
        "default": {"BACKEND": PATH},
        "acme": {"BACKEND": PATH, "OPTIONS": {"tenant": "acme"}},
    }
    acme, other = make_tenant(slug="acme"), make_tenant(slug="other")
    mine = make_account(kind=AccountKind.TENANT_CONFIG, tenant=acme, from_email="mail@acme.example")
    theirs = make_account(kind=AccountKind.TENANT_CONFIG, tenant=other, from_email="mail@other.example")
    message = EmailMessage("s", "b", None, ["a@example.org"])
    with delivery.sending_for(other):
        message.send(using="acme")
        message.send()
    assert [row.account for row in Message.objects.order_by("pk")] == [mine, theirs]


def test_a_bad_mail_stops_all_of_its_call_unless_silent(
    accounts: dict[str, Account], caplog: pytest.LogCaptureFixture
) -> None:
    good = EmailMessage("good", "b", None, ["a@example.org"])
    bad = EmailMessage("bad\nBcc: x@example.org", "b", None, ["a@example.org"])
    with pytest.raises(InvalidMessage):
        EmailBackend().send_messages([good, bad])
    assert not Message.objects.exists()
    assert EmailBackend(fail_silently=True).send_messages([bad, good, bad]) == 1
    assert Message.objects.get().subject == "good"
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "Bcc" in caplog.text


def test_whoever_catches_a_bad_header_can_go_on_with_the_transaction(accounts: dict[str, Account]) -> None:
    with transaction.atomic():
        with pytest.raises(BadHeaderError):
            mail.send_mail("a\nb", "b", None, ["a@example.org"])
        assert mail.send_mail("good", "b", None, ["a@example.org"]) == 1
    assert Message.objects.get().subject == "good"


def test_what_fails_silently_leaves_the_transaction_as_it_was(
    caplog: pytest.LogCaptureFixture,
) -> None:
    message = EmailMessage("s", "b", None, ["a@example.org"])
    with transaction.atomic():
        assert EmailBackend(fail_silently=True).send_messages([message]) == 0
        new_account("default@example.com", is_default=True)
        assert EmailBackend(fail_silently=True).send_messages([message]) == 1
        transaction.set_rollback(True)
        assert EmailBackend(fail_silently=True).send_messages([message]) == 0
    assert not Message.objects.exists()
    assert "TransactionManagementError" in caplog.text


def test_the_outbox_of_a_host_project_finds_its_mail() -> None:
    outbox.append(
        OutboxMail("s@example.com", ("a@example.org",), b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nx\r\n")
    )
    assert [found.subject for found in mails_to("A@example.org")] == ["Grüße"]
    assert mails_to("b@example.org") == []
    clear_outbox()
    assert outbox == []
