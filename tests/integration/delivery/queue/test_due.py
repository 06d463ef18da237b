"""What is due next, in which order, and how much of it is read at once."""

from __future__ import annotations

from typing import Any

import pytest

from mailconfig.delivery.clock import database_now
from mailconfig.delivery.queue import due
from mailconfig.models import Account, Message, Priority
from tests.factories import body_of, make_account, make_message

pytestmark = pytest.mark.django_db(transaction=True)

LARGE = b"x" * (due.READ_AHEAD_BYTES // 4)


def read(
    account: Account, *, limit: int = 100, without: tuple[int, ...] = (), times: int = 1
) -> list[due.DueMessage]:
    """What the last of so many readings found."""
    for _ in range(times - 1):
        due.read(account_id=account.pk, now=database_now(), limit=limit, without=without)
    return due.read(account_id=account.pk, now=database_now(), limit=limit, without=without)


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
