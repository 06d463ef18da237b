"""The drain against a real server, on whichever database the tests run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from mailconfig import delivery
from mailconfig.models import Attempt, Body, Lane, Message, MessageState, Recipient, WaitReason
from mailconfig.values import Secret
from tests.factories import PASSWORD, body_of, make_account, make_email, make_message
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Close, Reply, Reset

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=[True, False], ids=["pipelining", "lockstep"])
def server(request: pytest.FixtureRequest) -> Iterator[ChaosServer]:
    """A server of each kind."""
    with ChaosServer(pipelining=request.param) as server:
        yield server


@pytest.fixture(params=[1, 10], ids=["each", "window10"])
def window(request: pytest.FixtureRequest, settings: Any) -> int:
    """One mail in flight, and ten."""
    settings.MAILCONFIG = {**settings.MAILCONFIG, "WINDOW": request.param}
    return int(request.param)


def state_of(message: Message) -> str:
    """As the database says."""
    return Message.objects.values_list("state", flat=True).get(pk=message.pk)


def test_what_was_queued_arrives_in_order_over_one_session(server: ChaosServer, window: int) -> None:
    account = make_account(server.port)
    messages = [delivery.enqueue(make_email(number), account=account) for number in range(25)]

    report = delivery.drain_account(account_id=account.pk)

    assert report.settled == 25
    assert not report.is_due
    assert [message.recipients for message in server.messages] == [
        (f"to{number}@example.net",) for number in range(25)
    ]
    assert server.sessions == 1
    assert {state_of(message) for message in messages} == {MessageState.SENT}
    assert Attempt.objects.filter(outcome="sent", recipients=1).count() == 25
    assert not Body.objects.exists(), "the bytes of a sent mail are erased"
    assert server.verbs()[-1] == "QUIT"


def test_the_lane_is_free_afterwards_and_due_at_nothing(server: ChaosServer) -> None:
    account = make_account(server.port)
    delivery.enqueue(make_email(), account=account)
    delivery.drain_account(account_id=account.pk)
    lane = Lane.objects.get(account=account)
    assert (lane.lease_token, lane.due_at, lane.wait_reason) == (None, None, "")
    assert lane.last_success_at is not None


def test_a_worker_told_to_stop_as_it_takes_the_lane_frees_it_for_the_next_one(server: ChaosServer) -> None:
    account = make_account(server.port)
    message = make_message(account)
    report = delivery.drain_account(account_id=account.pk, should_stop=lambda: True)
    assert (report.owned, report.settled, report.is_due) == (True, 0, True)
    lane = Lane.objects.get(account=account)
    assert (lane.lease_token, lane.wait_reason) == (None, "")
    assert lane.due_at is not None
    assert lane.due_at <= timezone.now()
    assert (server.sessions, state_of(message)) == (0, "queued")


def test_a_lane_that_is_owned_is_left_alone(server: ChaosServer) -> None:
    account = make_account(server.port)
    delivery.enqueue(make_email(), account=account)
    until = timezone.now() + timedelta(minutes=1)
    Lane.objects.filter(account=account).update(
        lease_token="00000000-0000-0000-0000-000000000001", lease_until=until
    )
    assert not delivery.drain_account(account_id=account.pk).owned
    assert server.messages == []


def test_a_lease_that_ran_out_is_taken_over(server: ChaosServer) -> None:
    account = make_account(server.port)
    delivery.enqueue(make_email(), account=account)
    past = timezone.now() - timedelta(seconds=1)
    Lane.objects.filter(account=account).update(
        lease_token="00000000-0000-0000-0000-000000000001", lease_until=past
    )
    assert delivery.drain_account(account_id=account.pk).settled == 1


def test_a_refused_message_fails_alone(server: ChaosServer, window: int) -> None:
    server.on("dot", Reply.of("554 5.6.0 no such content here"), at=2)
    account = make_account(server.port)
    messages = [make_message(account) for _ in range(4)]
    delivery.drain_account(account_id=account.pk)
    assert [state_of(message) for message in messages] == ["sent", "failed", "sent", "sent"]
    failed = Message.objects.get(pk=messages[1].pk)
    assert failed.error_text == "no such content here"
    assert body_of(failed) is not None, "a failed mail can be queued again"


def test_a_message_put_off_is_tried_later_with_the_same_bytes(server: ChaosServer, window: int) -> None:
    server.on("dot", Reply.of("451 4.3.0 try again"), at=1)
    account = make_account(server.port)
    message = delivery.enqueue(make_email(), account=account)
    before = timezone.now()
    delivery.drain_account(account_id=account.pk)
    message.refresh_from_db()
    assert (message.state, message.attempts, message.wait_reason) == ("queued", 1, WaitReason.RETRY)
    assert before + timedelta(seconds=239) < message.not_before < before + timedelta(seconds=420)
    Message.objects.update(not_before=before)
    body = body_of(message)
    delivery.drain_account(account_id=account.pk)
    assert [received.data for received in server.messages] == [body]


def test_each_recipient_has_an_outcome_of_its_own(server: ChaosServer, window: int) -> None:
    server.on("rcpt", Reply.of("550 5.1.1 unknown"), when=lambda line: "two@" in line)
    server.on("rcpt", Reply.of("450 4.2.0 grey"), at=1, when=lambda line: "three@" in line)
    account = make_account(server.port)
    to = ["one@example.net", "two@example.net", "three@example.net"]
    message = make_message(account, to=to)
    delivery.drain_account(account_id=account.pk)
    rows = {row.address: row for row in Recipient.objects.filter(message=message)}
    assert [rows[address].state for address in to] == ["sent", "failed", ""]
    assert rows["two@example.net"].reply_code == 550
    message.refresh_from_db()
    assert message.state == "queued"
    assert message.not_before >= message.created_at + timedelta(seconds=299), "greylisting wants patience"
    past = timezone.now() - timedelta(seconds=1)
    Message.objects.update(not_before=past)
    Recipient.objects.exclude(not_before=None).update(not_before=past)
    delivery.drain_account(account_id=account.pk)
    assert [received.recipients for received in server.messages] == [
        ("one@example.net",),
        ("three@example.net",),
    ]
    assert state_of(message) == "partial"


def test_too_many_recipients_go_out_in_several_transactions(server: ChaosServer) -> None:
    account = make_account(server.port)
    to = [f"to{number}@example.net" for number in range(230)]
    message = make_message(account, to=to)
    delivery.drain_account(account_id=account.pk)
    assert [len(received.recipients) for received in server.messages] == [100, 100, 30]
    assert [address for received in server.messages for address in received.recipients] == to
    assert (state_of(message), Message.objects.get().attempts) == ("sent", 1)


def test_a_refused_login_is_tried_twice_and_told_once() -> None:
    with ChaosServer(credentials={}, mechanisms=("PLAIN",), auth_in_clear=True) as server:
        account = make_account(server.port, username="me")
        message = make_message(account)
        told = []
        from mailconfig.signals import account_paused

        def listener(**kwargs: object) -> None:
            told.append(kwargs["reason"])

        account_paused.connect(listener)
        try:
            delivery.drain_account(account_id=account.pk)
            lane = Lane.objects.get(account=account)
            assert lane.wait_reason == WaitReason.LOGIN_RETRY
            for _ in range(4):
                Lane.objects.exclude(wait_until=None).update(wait_until=timezone.now(), due_at=timezone.now())
                delivery.sweep()
                delivery.drain_account(account_id=account.pk)
        finally:
            account_paused.disconnect(listener)
        assert len(server.auth_attempts) == 2
        assert told == [WaitReason.PAUSED_LOGIN]
        assert state_of(message) == "queued"
        server.credentials = {"me": PASSWORD}
        account.refresh_from_db()
        account.secret = Secret(PASSWORD)
        account.save()
        delivery.drain_account(account_id=account.pk)
        assert state_of(message) == "sent"


def test_a_session_that_ends_after_a_while_is_opened_anew(server: ChaosServer, window: int) -> None:
    server.on("mail", Close(), at=4)
    account = make_account(server.port)
    for _ in range(6):
        make_message(account)
    delivery.drain_account(account_id=account.pk)
    assert len(server.messages) == 6
    assert server.sessions == 2


def test_a_421_in_the_middle_gives_the_rest_back_and_rests(server: ChaosServer, window: int) -> None:
    server.on("mail", Reply.of("421 4.3.2 going down"), at=3)
    account = make_account(server.port)
    messages = [make_message(account) for _ in range(5)]
    before = timezone.now()
    delivery.drain_account(account_id=account.pk)
    assert [state_of(message) for message in messages] == ["sent", "sent", "queued", "queued", "queued"]
    assert set(Message.objects.filter(state="queued").values_list("attempts", flat=True)) == {0}
    lane = Lane.objects.get(account=account)
    assert lane.wait_reason == WaitReason.SERVER_AWAY
    assert lane.wait_until
    assert lane.wait_until > before + timedelta(seconds=50)
    assert lane.due_at == lane.wait_until


@pytest.mark.parametrize("policy", ["retry", "hold"])
def test_what_may_have_been_accepted_is_never_sent_at_once(
    server: ChaosServer, settings: Any, policy: str
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "AMBIGUITY": policy}
    server.on("dot", Reset(), at=2, accept=True)
    account = make_account(server.port)
    messages = [make_message(account) for _ in range(4)]
    before = timezone.now()
    delivery.drain_account(account_id=account.pk)
    delivery.drain_account(account_id=account.pk)
    unsure = Message.objects.get(pk=messages[1].pk)
    assert [state_of(message) for message in messages][2:] == ["sent", "sent"]
    assert unsure.state == ("queued" if policy == "retry" else "held")
    assert unsure.wait_reason == ("unknown_outcome" if policy == "retry" else "maybe_sent")
    if policy == "retry":
        assert unsure.not_before > before + timedelta(seconds=600)
    assert len(server.messages) == 4


def test_a_message_cancelled_before_the_journal_is_not_sent(server: ChaosServer, window: int) -> None:
    account = make_account(server.port)
    first, second, third = (make_message(account) for _ in range(3))

    def cancel(line: str) -> bool:
        # In the server's thread, while the drain has read ahead and journaled nothing yet.
        if state_of(second) == MessageState.QUEUED:
            delivery.cancel(message_id=second.pk)
        connection.close()
        return False

    server.on("ehlo", Reply.of("250 ok"), when=cancel)
    delivery.drain_account(account_id=account.pk)
    assert [state_of(message) for message in (first, second, third)] == ["sent", "cancelled", "sent"]
    assert len(server.messages) == 2


def test_a_poisoned_row_fails_alone_and_visibly(server: ChaosServer, window: int) -> None:
    account = make_account(server.port)
    good = [make_message(account) for _ in range(2)]
    bad = make_message(account, body=None)
    last = make_message(account)
    for _ in range(3):
        Message.objects.filter(state="queued").update(not_before=timezone.now())
        delivery.drain_account(account_id=account.pk)
    assert [state_of(message) for message in (*good, last)] == ["sent"] * 3
    bad.refresh_from_db()
    assert (bad.state, bad.error_code) == ("failed", "internal_error")


def test_a_message_larger_than_the_server_takes_fails_without_being_offered(server: ChaosServer) -> None:
    server.size = 100
    account = make_account(server.port)
    big = make_message(account, body=b"x" * 200)
    small = make_message(account, body=b"Subject: x\r\n\r\nx\r\n")
    delivery.drain_account(account_id=account.pk)
    assert (state_of(big), state_of(small)) == ("failed", "sent")
    assert Message.objects.get(pk=big.pk).error_code == "too_large"
