"""What people do with a message: send it now, send it again, give it to another account; and what the forecast says."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from mailconfig.delivery import forecast, move_messages, resend, send_now
from mailconfig.exceptions import InvalidTransition
from mailconfig.models import Attempt, Lane, Message, MessageState, Recipient, WaitReason
from tests.factories import body_of, make_account, make_hand_over, make_message, make_tenant

pytestmark = pytest.mark.django_db


def sent(**values: object) -> Message:
    """A message that was sent."""
    return make_message(make_account(), state="sent", settled_at=timezone.now(), **values)  # type: ignore[arg-type]


def test_sent_mail_goes_once_more_under_another_number_to_all_its_recipients() -> None:
    body = b"Message-ID: <old\r\n @example.com>\r\nReferences: <first@example.com>\r\nSubject: x\r\n\r\nMessage-ID: kept\r\n"
    old = sent(body=body, to=["bob@example.net", "carol@example.net"], message_id="<old@example.com>")

    new = resend(message_id=old.pk)

    assert (new.state, new.resent_of) == (MessageState.QUEUED, old.uuid)
    assert new.message_id != old.message_id
    assert (
        body_of(new)
        == (
            f"Message-ID: {new.message_id}\r\nReferences: <first@example.com>\r\n <old@example.com>\r\nSubject: x\r\n\r\n"
            "Message-ID: kept\r\n"
        ).encode()
    )
    assert new.size == len(body_of(new) or b"")
    addresses = Recipient.objects.filter(message=new).order_by("pk").values_list("address", flat=True)
    assert list(addresses) == ["bob@example.net", "carol@example.net"]
    assert Message.objects.get(pk=old.pk).state == "sent"


def test_mail_that_was_sent_to_some_goes_to_the_others() -> None:
    old = make_message(
        make_account(),
        state="partial",
        settled_at=timezone.now(),
        to=["bob@example.net", "carol@example.net"],
    )
    Recipient.objects.filter(address="bob@example.net").update(state="sent")
    Recipient.objects.filter(address="carol@example.net").update(state="failed")
    new = resend(message_id=old.pk)
    assert [recipient.address for recipient in new.recipients.all()] == ["carol@example.net"]


def test_the_same_wish_queues_one_mail() -> None:
    old = sent()
    first, again = (resend(message_id=old.pk, once="wish") for _ in range(2))
    assert first.pk == again.pk
    assert resend(message_id=old.pk, once="another").pk != first.pk


@pytest.mark.parametrize("state", ["queued", "held", "failed"])
def test_what_was_not_sent_or_is_erased_is_not_sent_again(state: str) -> None:
    settled = timezone.now() if state == "failed" else None
    message = make_message(make_account(), state=state, settled_at=settled)
    for pk in (message.pk, sent(body=None).pk, 0):
        with pytest.raises(InvalidTransition):
            resend(message_id=pk)
    assert not Message.objects.exclude(resent_of=None).exists()


def test_mail_goes_now_unless_it_is_due_may_have_arrived_or_is_being_handed_over() -> None:
    later = timezone.now() + timedelta(hours=1)
    account = make_account()
    waits, under_way = make_message(account, not_before=later), make_message(account, not_before=later)
    waits.recipients.update(not_before=later)
    make_hand_over(under_way)
    doubted = make_message(account, not_before=later, wait_reason=WaitReason.UNKNOWN_OUTCOME)
    due = make_message(account, not_before=timezone.now() - timedelta(hours=1))

    send_now(message_id=waits.pk)

    assert Message.objects.get(pk=waits.pk).not_before < later
    assert waits.recipients.get().not_before is None
    for message in (under_way, doubted, due):
        before = Message.objects.get(pk=message.pk).not_before
        with pytest.raises(InvalidTransition):
            send_now(message_id=message.pk)
        assert Message.objects.get(pk=message.pk).not_before == before


def test_waiting_mail_is_given_to_another_account_and_nothing_that_may_have_arrived() -> None:
    old, new = make_account(), make_account()
    now = timezone.now()
    waits, held = make_message(old), make_message(old, state="held", wait_reason="held")
    under_way, doubted = make_message(old), make_message(old)
    make_hand_over(under_way)
    Attempt.objects.create(account=old, message=doubted, outcome="unknown", started_at=now, ended_at=now)
    done = make_message(old, state="sent", settled_at=now)
    foreign = make_message(old, tenant=make_tenant())
    twice = make_message(old, idempotency_key="one")
    make_message(new, idempotency_key="one")
    everything = (waits, held, under_way, doubted, done, foreign, twice)

    moved = move_messages(message_ids=[message.pk for message in everything], account_id=new.pk)

    assert moved == [waits.pk, held.pk]
    there = Message.objects.filter(account=new, idempotency_key=None)
    assert {(message.pk, message.failed_over_from_id) for message in there} == {
        (waits.pk, None),
        (held.pk, None),
    }
    new.deleted_at = now
    type(new).all_rows.filter(pk=new.pk).update(deleted_at=now)
    with pytest.raises(InvalidTransition):
        move_messages(message_ids=[waits.pk], account_id=new.pk)


def test_a_queue_is_foretold_by_limits_and_by_how_fast_it_went() -> None:
    now = timezone.now()
    limited = make_account(limit_count=2, limit_period=600)
    for _ in range(6):
        make_message(limited)
    known = forecast(account=limited)
    assert known.waiting == 6
    assert known.empty_at is not None
    assert timedelta(minutes=19) < known.empty_at - now < timedelta(minutes=21)

    quick = make_account()
    assert forecast(account=quick).waiting == 0
    make_message(quick)
    assert forecast(account=quick).empty_at is None
    for number in range(10):
        ended = now - timedelta(seconds=10 * number)
        Attempt.objects.create(account=quick, outcome="sent", started_at=ended, ended_at=ended)
    empty_at = forecast(account=quick).empty_at
    assert empty_at is not None
    assert timedelta(seconds=5) < empty_at - now < timedelta(seconds=30)

    Lane.objects.filter(account=quick).update(wait_reason=WaitReason.PAUSED_LOGIN)
    stuck = forecast(account=quick)
    assert (stuck.waiting, stuck.empty_at, stuck.reason) == (1, None, WaitReason.PAUSED_LOGIN)
