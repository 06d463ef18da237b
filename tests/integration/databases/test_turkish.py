"""Addresses under a database's language in which the small letter of I is none of ASCII."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.db import DatabaseError, IntegrityError, connection, transaction

from mailconfig import delivery
from mailconfig.delivery.monitoring.mailings import with_mailing_states
from mailconfig.models import Account, Bounce, MailAlias, Message, MessageState, Recipient
from mailconfig.models.small_letters import SmallLetters
from tests.factories import make_account, make_mailbox, make_message

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

COLUMNS = (
    ("mailalias", "email"),
    ("account", "from_email"),
    ("account", "username"),
    ("recipient", "address"),
    ("bounce", "address"),
)


@pytest.fixture(autouse=True)
def turkish() -> None:
    """The columns of addresses as a database in Turkish has them; gone with the test's transaction."""
    with connection.cursor() as cursor:
        turkish = _turkish(cursor)
        for table, column in COLUMNS:
            cursor.execute(
                f'ALTER TABLE mailconfig_{table} ALTER COLUMN {column} TYPE varchar(320) COLLATE "{turkish}"'
            )
        cursor.execute(f"SELECT lower('I' COLLATE \"{turkish}\")")
        assert cursor.fetchone() == ("ı",)


def _turkish(cursor: Any) -> str:
    """Return a collation; a server without ICU has it where its machine has the locale (``LOCPATH`` names others)."""
    cursor.execute("SELECT max(collname) FROM pg_collation WHERE collname ~ '^tr(-x-icu|_TR)'")
    (found,) = cursor.fetchone()
    if found is None:
        found = "mailconfig_turkish"
        try:
            with transaction.atomic():
                cursor.execute(f"CREATE COLLATION {found} (provider = libc, locale = 'tr_TR.UTF-8')")
        except DatabaseError:
            pytest.skip("this server knows no Turkish")
    return str(found)


def test_two_spellings_of_an_alias_are_one() -> None:
    mailbox = make_mailbox()
    MailAlias.objects.create(mailbox=mailbox, email="INFO@example.com")

    with pytest.raises(ValidationError):
        MailAlias(mailbox=mailbox, email="info@example.com").full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        MailAlias.objects.create(mailbox=mailbox, email="info@example.com")
    MailAlias.objects.create(mailbox=make_mailbox(), email="info@example.com")


def test_an_alias_may_be_sent_from_in_any_case() -> None:
    mailbox = make_mailbox()
    MailAlias.objects.create(mailbox=mailbox, email="INFO@Example.com", can_send=True)

    assert delivery.may_send_from(mailbox, "info@example.com")
    assert delivery.may_send_from(mailbox, "Info@EXAMPLE.COM")
    assert not delivery.may_send_from(mailbox, "ınfo@example.com")


@pytest.mark.parametrize(
    "values", [{"from_email": "INFO@EXAMPLE.COM"}, {"from_email": "", "username": "INFO@EXAMPLE.COM"}]
)
def test_an_account_is_found_by_its_address_in_any_case(values: dict[str, Any]) -> None:
    account = make_account(serves_project=True, **values)

    message = delivery.enqueue(EmailMessage("a", "b", "info@example.com", ["a@example.net"]))

    assert message.account_id == account.pk


def test_a_bounce_of_an_address_in_another_case_is_the_recipients() -> None:
    message = make_message(
        make_mailbox(), to=["INFO@example.net"], state=MessageState.SENT, settled_at="2026-01-01T00:00Z"
    )
    Bounce.objects.create(message=message, address="info@example.net", is_permanent=True)

    [found] = with_mailing_states(Message.objects.filter(pk=message.pk))

    assert found.mailing_state == "bounced"
    assert Recipient.objects.filter(address__small_letters="info@example.net").exists()


def test_small_letters_are_those_of_ascii() -> None:
    make_account(from_email="INFO@example.com")

    assert list(Account.objects.values_list(SmallLetters("from_email"), flat=True)) == ["info@example.com"]
