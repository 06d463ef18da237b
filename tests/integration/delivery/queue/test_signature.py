"""The signature of a mailbox stands in what it sends, in whatever way that was queued."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mailconfig.delivery import enqueue, enqueue_for, enqueue_many, read_content, save_account
from mailconfig.models import Account, Mailbox, Message
from tests.factories import make_account, make_email, make_mailbox

pytestmark = pytest.mark.django_db


def text_of(message: Message) -> str:
    return read_content(message=message).text.replace("\r\n", "\n")


def by_row(mailbox: Mailbox) -> Message:
    return enqueue(make_email(), account=mailbox)


def by_key(mailbox: Mailbox) -> Message:
    return enqueue(make_email(), account=mailbox.pk)


def with_many(mailbox: Mailbox) -> Message:
    return enqueue_many([make_email(), make_email()], account=mailbox.pk)[1]


def as_account(mailbox: Mailbox) -> Message:
    return enqueue_for([(make_email(), Account.objects.get(pk=mailbox.pk))])[0]


@pytest.mark.parametrize("way", [by_row, by_key, with_many, as_account])
def test_a_mailbox_signs_what_it_sends(way: Callable[[Mailbox], Message]) -> None:
    mailbox = make_mailbox(signature="<b>Ann</b><script>alert(1)</script>")

    assert text_of(way(mailbox)) == "Text 0\n\n-- \nAnn\n"


def test_of_many_mails_the_signature_is_asked_for_once() -> None:
    mailbox = make_mailbox(signature="Ann")
    with CaptureQueriesContext(connection) as asked:
        enqueue_many([make_email() for _ in range(5)], account=mailbox.pk)
    assert sum("signature" in query["sql"] for query in asked.captured_queries) == 1


def test_other_accounts_sign_nothing() -> None:
    assert text_of(enqueue(make_email(), account=make_account())) == "Text 0\n"


def test_what_is_stored_of_a_signature_is_harmless() -> None:
    mailbox = make_mailbox()
    mailbox.signature = "<b>Ann<script>alert(1)</script>"
    save_account(account=mailbox, by=None)
    assert Mailbox.objects.get().signature == "<b>Ann</b>"
