"""An account is deleted while mail of it is queued: either it is in use, or the mail is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from mailconfig import delivery
from mailconfig.exceptions import AccountInUse, InvalidTransition, NoAccount
from mailconfig.models import Account, Message, Recipient
from tests.editor import Editor
from tests.factories import make_account, make_email, make_message

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(account: Account) -> None:
    delivery.enqueue(make_email(), account=account)


def in_a_transaction(account: Account) -> None:
    with transaction.atomic():
        delivery.enqueue(make_email(), account=account)


def with_a_key(account: Account) -> None:
    delivery.enqueue(make_email(), account=account, idempotency_key="once")


def many(account: Account) -> None:
    delivery.enqueue_many([make_email(number) for number in range(3)], account=account)


def to_many(account: Account) -> None:
    delivery.enqueue(make_email(bcc=[f"b{number}@example.net" for number in range(1500)]), account=account)


WAYS = [at_once, in_a_transaction, with_a_key, many, to_many]


def delete(account: Account) -> None:
    delivery.delete_account(account_id=account.pk, by=None)


def nothing_is_left_behind() -> None:
    """No mail waits in an account that nobody drains any more."""
    waiting = Message.objects.filter(state="queued", account__deleted_at__isnull=False)
    assert not waiting.exists()


@pytest.mark.postgres
@pytest.mark.parametrize("enqueue", WAYS)
def test_mail_waits_for_a_deletion_under_way_and_is_refused(enqueue: Callable[[Account], None]) -> None:
    account = make_account()
    editor = Editor(lambda: delete(account))
    editor.begin()
    with pytest.raises(NoAccount):
        enqueue(account)
    editor.join()
    assert Message.objects.count() == 0
    assert Recipient.objects.count() == 0


@pytest.mark.postgres
@pytest.mark.parametrize("enqueue", WAYS)
def test_a_deletion_waits_for_mail_under_way_and_is_refused(enqueue: Callable[[Account], None]) -> None:
    account = make_account()
    editor = Editor(lambda: enqueue(account))
    editor.begin()
    with pytest.raises(AccountInUse):
        delete(account)
    editor.join()
    assert Account.objects.get().deleted_at is None


@pytest.mark.parametrize("enqueue", WAYS)
@pytest.mark.parametrize("statement", [1, 2, 3])
def test_a_deletion_between_any_two_statements_leaves_no_mail_behind(
    enqueue: Callable[[Account], None], statement: int
) -> None:
    """On SQLite the one that comes second waits for the other; so nobody waits here for longer than it takes."""
    account = make_account()
    seen: list[str] = []
    outcome: list[Exception | None] = []

    def delete_meanwhile() -> None:
        try:
            delete(account)
        except AccountInUse as error:
            outcome.append(error)
        else:
            outcome.append(None)
        finally:
            connection.close()

    deleter = threading.Thread(target=delete_meanwhile)

    def between(execute: Callable[..., Any], sql: str, params: Any, is_many: bool, context: Any) -> Any:
        result = execute(sql, params, is_many, context)
        seen.append(sql)
        if len(seen) == statement:
            deleter.start()
            deleter.join(0.5)
        return result

    refused = False
    with connection.execute_wrapper(between):
        try:
            enqueue(account)
        except NoAccount:
            refused = True
    if deleter.ident is None:
        deleter.start()
    deleter.join(100)
    (error,) = outcome
    assert (error is None) is refused
    nothing_is_left_behind()


@pytest.mark.parametrize(("steer", "state"), [(delivery.requeue, "failed"), (delivery.release, "held")])
def test_mail_of_a_deleted_account_is_not_queued_again(steer: Callable[..., None], state: str) -> None:
    account = make_account()
    settled_at = timezone.now() if state == "failed" else None
    message = make_message(account, state=state, settled_at=settled_at)
    Account.objects.update(deleted_at=timezone.now(), secret=None)
    with pytest.raises(InvalidTransition, match="deleted"):
        steer(message_id=message.pk)
    message.refresh_from_db()
    assert message.state == state
