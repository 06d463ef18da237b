"""Mail of the email service becomes rows: rendered at once, or kept as it was given where it has tokens."""

import threading
from typing import Any

import pytest
from django.db import connection

from mailconfig import delivery
from mailconfig.exceptions import InvalidMessage, KeyReused
from mailconfig.models import Account, AccountKind, Lane, Message, MessageSource, Recipient
from tests.factories import body_of, make_account, make_tenant
from tests.resolver import PATH

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "NS-EU-AB12-9"
TEXTS: dict[str, Any] = {"recipient": "anna@example.net", "subject": "Hello", "text": "Two\nlines"}
"""A mail without a token."""


@pytest.fixture(autouse=True)
def resolver(settings: Any) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "PII_RESOLVER": PATH}


@pytest.fixture
def account() -> Account:
    return make_account(
        kind=AccountKind.TENANT_CONFIG, tenant=make_tenant(), from_name="Shop", reply_to_email="r@example.com"
    )


def test_mail_without_tokens_is_rendered_at_once(account: Account) -> None:
    message = delivery.queue_service_mail(account, **TEXTS)

    assert b"To: anna@example.net\r\nReply-To: r@example.com\r\nSubject: Hello\r\n" in (
        body_of(message) or b""
    )
    assert not Message.objects.get().has_tokens
    assert not MessageSource.objects.exists()
    assert Lane.objects.get(account=account, purpose="send").due_at is not None


@pytest.mark.parametrize("field", ["recipient", "subject", "text"])
def test_mail_with_a_token_keeps_what_was_given(account: Account, field: str) -> None:
    given = TEXTS | {field: TOKEN}

    message = delivery.queue_service_mail(account, **given)

    stored = Message.objects.get(pk=message.pk)
    source = MessageSource.objects.get(message=stored)
    assert stored.has_tokens
    assert stored.subject == given["subject"]
    assert body_of(stored) is None
    assert (source.recipient, source.subject, source.text) == tuple(given.values())
    assert (source.from_email, source.from_name, source.reply_to_email) == (
        "sender@example.com",
        "Shop",
        "r@example.com",
    )
    assert Recipient.objects.get().address == given["recipient"]


@pytest.mark.parametrize(
    "text",
    [f"{TOKEN}\n", f" {TOKEN}", f"Dear {TOKEN}", TOKEN.lower(), "NS-EU-AB12", "NS-EU-Ü-1", "NS-EU-A-1-2"],
)
def test_what_only_holds_a_token_is_text(account: Account, text: str) -> None:
    delivery.queue_service_mail(account, **TEXTS | {"text": text})

    assert not Message.objects.get().has_tokens


@pytest.mark.parametrize(
    "changed",
    [
        {"recipient": "a@b.example,c@d.example"},
        {"recipient": "root"},
        {"recipient": f"{TOKEN}\n"},
        {"recipient": f"{TOKEN},{TOKEN}"},
        {"recipient": ""},
        {"subject": "Hello\r\nBcc: x@example.net", "text": TOKEN},
        {"subject": "Hello\ud800", "text": TOKEN},
        {"text": f"NS-EU-{'A' * 300}-1"},
    ],
    ids=ascii,
)
def test_what_cannot_be_sent_is_refused_whatever_else_is_a_token(
    account: Account, changed: dict[str, Any]
) -> None:
    with pytest.raises(InvalidMessage):
        delivery.queue_service_mail(account, **TEXTS | changed)

    assert not Message.objects.exists()


def test_tokens_need_a_tenant() -> None:
    with pytest.raises(InvalidMessage, match="tenant"):
        delivery.queue_service_mail(make_account(), **TEXTS | {"text": TOKEN})


def test_tokens_are_refused_where_nobody_resolves_them(account: Account, settings: Any) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "PII_RESOLVER": ""}
    with pytest.raises(InvalidMessage, match="PII_RESOLVER"):
        delivery.queue_service_mail(account, **TEXTS | {"text": TOKEN})
    delivery.queue_service_mail(account, **TEXTS)


@pytest.mark.parametrize("token", [True, False], ids=["token", "clear"])
def test_a_key_that_comes_again_is_the_same_mail_even_after_an_edit_of_the_account(
    account: Account, token: bool
) -> None:
    given = TEXTS | ({"recipient": TOKEN} if token else {})
    first = delivery.queue_service_mail(account, **given, idempotency_key="k")
    Account.objects.filter(pk=account.pk).update(from_email="other@example.com")
    account.refresh_from_db()

    assert delivery.queue_service_mail(account, **given, idempotency_key="k") == first
    with pytest.raises(KeyReused):
        delivery.queue_service_mail(account, **given | {"text": "other"}, idempotency_key="k")
    assert Message.objects.count() == 1
    assert MessageSource.objects.count() == int(token)


def test_ten_at_once_under_one_key_are_one_mail(account: Account) -> None:
    numbers: list[int] = []

    def queue() -> None:
        try:
            given = TEXTS | {"recipient": TOKEN}
            numbers.append(delivery.queue_service_mail(account, **given, idempotency_key="k").pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=queue) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(numbers) == 10
    assert set(numbers) == {Message.objects.get().pk}
    assert MessageSource.objects.count() == 1
