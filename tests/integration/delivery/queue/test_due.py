"""What is due next, in which order, and how much of it is read at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mailconfig.delivery.clock import database_now
from mailconfig.delivery.queue import due
from mailconfig.models import Account, Message, Priority, RecipientState
from tests.factories import body_of, make_account, make_message

pytestmark = pytest.mark.django_db(transaction=True)

LARGE = b"x" * (due.READ_AHEAD_BYTES // 4)


def read(
    account: Account, *, limit: int = 100, without: tuple[int, ...] = (), times: int = 1
) -> list[due.DueMessage]:
    """What the last of so many readings found."""
    for _ in range(times - 1):
        due.read(account_id=account.pk, now=database_now(), limit=limit, without=without)
    return due.read(account_id=account.pk, now=database_now(), limit=limit, without=without).messages


def queue(account: Account, count: int, **values: Any) -> list[Message]:
    return [make_message(account, **values) for _ in range(count)]


@pytest.mark.parametrize("times", [1, 4], ids=["first", "prepared"])
def test_higher_priorities_come_first_and_then_who_waited_longest(times: int) -> None:
    account = make_account()
    low, normal, high = (
        queue(account, 2, priority=priority) for priority in (Priority.LOW, Priority.NORMAL, Priority.HIGH)
    )
    found = read(account, times=times)
    assert [message.pk for message in found] == [message.pk for message in (*high, *normal, *low)]
    assert [message.body for message in found] == [body_of(message) for message in (*high, *normal, *low)]


@pytest.mark.parametrize("times", [1, 4], ids=["first", "prepared"])
def test_large_mails_that_are_not_read_yet_do_not_let_a_lower_priority_pass(times: int) -> None:
    account = make_account()
    urgent = queue(account, 8, priority=Priority.HIGH, body=LARGE)
    queue(account, 2, priority=Priority.LOW)
    found = read(account, times=times)
    assert [message.pk for message in found] == [message.pk for message in urgent[:4]]


@pytest.mark.parametrize("times", [1, 4], ids=["first", "prepared"])
def test_what_is_in_hand_is_left_out_and_others_fill_the_batch(times: int) -> None:
    account = make_account()
    messages = queue(account, 5)
    found = read(account, limit=3, without=(messages[0].pk, messages[2].pk), times=times)
    assert [message.pk for message in found] == [messages[1].pk, messages[3].pk, messages[4].pk]


def test_a_single_mail_larger_than_the_read_ahead_is_read_alone() -> None:
    account = make_account()
    first, _second = queue(account, 2, body=LARGE * 5)
    assert [message.pk for message in read(account)] == [first.pk]


@pytest.mark.parametrize(
    ("bodies", "limit", "is_all"),
    [
        pytest.param([], 3, True, id="none"),
        pytest.param([b"x", b"x"], 3, True, id="fewer than asked for"),
        pytest.param([b"x", b"x", b"x"], 3, False, id="as many as asked for"),
        pytest.param([LARGE, LARGE, LARGE, LARGE, b"x"], 9, False, id="more than is read ahead"),
        pytest.param([LARGE * 5], 9, False, id="one larger than is read ahead"),
        pytest.param([LARGE * 5, b"x"], 9, False, id="one larger than is read ahead, and another"),
    ],
)
@pytest.mark.parametrize("times", [1, 4], ids=["first", "prepared"])
def test_a_batch_says_whether_that_is_all_that_is_due(
    bodies: list[bytes], limit: int, is_all: bool, times: int
) -> None:
    account = make_account()
    for body in bodies:
        make_message(account, body=body)
    for _ in range(times):
        assert due.read(account_id=account.pk, now=database_now(), limit=limit).is_all == is_all


@pytest.mark.parametrize("times", [1, 4], ids=["first", "prepared"])
def test_recipients_come_in_the_order_of_their_rows_and_only_those_that_are_due(times: int) -> None:
    account, later = make_account(), database_now() + timedelta(hours=1)
    waits, sent, plain = (
        make_message(account, to=[f'"{name} \\ü"@example.com' for name in "abc"]) for _ in range(3)
    )
    waits.recipients.filter(address__startswith='"b').update(not_before=later, attempts=2)
    sent.recipients.filter(address__startswith='"a').update(state=RecipientState.SENT)
    found = {message.pk: message for message in read(account, times=times)}

    def names(message: Message) -> str:
        return "".join(recipient.address[1] for recipient in found[message.pk].recipients)

    assert [(names(message), found[message.pk].others) for message in (waits, sent, plain)] == [
        ("ac", True),
        ("bc", True),
        ("abc", False),
    ]
    assert found[plain.pk].recipients[0].address == '"a \\ü"@example.com'
    waits.recipients.update(not_before=later)
    only_later = next(message for message in read(account, times=times) if message.pk == waits.pk)
    assert [recipient.attempts for recipient in only_later.recipients] == [0, 2, 0]
