"""The sweep mends what a killed process leaves behind."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS, connection, transaction
from django.utils import timezone

from mailconfig import delivery, signals
from mailconfig.exceptions import InvalidTransition
from mailconfig.models import Account, Attempt, Body, HandOver, Lane, Message, Recipient
from tests.factories import account_values, body_of, make_account, make_email, make_hand_over, make_message
from tests.servers.chaos import ChaosServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def rung() -> Any:
    """The accounts for which a worker was called."""
    accounts: list[int] = []

    def listener(*, account_id: int, **kwargs: object) -> None:
        accounts.append(account_id)

    signals.message_queued.connect(listener)
    yield accounts
    signals.message_queued.disconnect(listener)


def hand_over(message: Message, *, seconds_ago: float, token: uuid.UUID | None = None) -> None:
    """As a drain leaves it that is killed between journal and outcome."""
    then = timezone.now() - timedelta(seconds=seconds_ago)
    make_hand_over(message, lease_token=token or uuid.uuid4(), handed_over_at=then)


def test_mail_whose_doorbell_was_lost_is_found(rung: list[int]) -> None:
    account = make_account()
    make_message(account)
    assert delivery.sweep().mended == 1
    assert rung == [account.pk]
    assert delivery.sweep().rung == 0, "nobody is rung twice within half a minute"


def test_a_lane_that_something_holds_back_is_left_alone(rung: list[int]) -> None:
    account = make_account()
    make_message(account)
    Lane.objects.update(wait_reason="paused_login")
    assert delivery.sweep().mended == 0
    Lane.objects.update(wait_reason="limit", wait_until=timezone.now() + timedelta(hours=1))
    assert delivery.sweep().mended == 0
    Lane.objects.update(wait_until=timezone.now())
    assert delivery.sweep().mended == 1
    assert rung == [account.pk]


def test_accounts_from_a_bulk_insert_get_their_lanes(rung: list[int]) -> None:
    (account,) = Account.objects.bulk_create([Account(**account_values(2525))])
    make_message(account)
    delivery.sweep()
    assert rung == [account.pk]


@pytest.mark.postgres
@pytest.mark.parametrize("what", ["message", "hand_over"])
def test_a_sweep_waits_for_nobody_who_has_locked_a_hand_over_or_its_message(what: str) -> None:
    """A worker that was stopped in the middle of its own sweep, say, or a host's transaction that takes its time."""
    locked, free = (make_message(make_account()) for _ in range(2))
    for message in (locked, free):
        hand_over(message, seconds_ago=661)
    rows = (
        Message.objects.filter(pk=locked.pk) if what == "message" else HandOver.objects.filter(message=locked)
    )
    is_locked, is_over = threading.Event(), threading.Event()

    def lock() -> None:
        with transaction.atomic():
            list(rows.select_for_update())
            is_locked.set()
            is_over.wait(60)
        connection.close()

    other = threading.Thread(target=lock)
    other.start()
    try:
        assert is_locked.wait(60)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '10s'")
        assert delivery.sweep().reaped == 1
        assert HandOver.objects.get().message_id == locked.pk
    finally:
        is_over.set()
        other.join()
        connection.close()
    assert delivery.sweep().reaped == 1


@pytest.mark.parametrize(("policy", "state"), [("retry", "queued"), ("hold", "held")])
def test_a_hand_over_whose_drain_is_gone_is_given_up(settings: Any, policy: str, state: str) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "AMBIGUITY": policy}
    message = make_message(make_account())
    hand_over(message, seconds_ago=661)
    assert delivery.sweep().reaped == 1
    message = Message.objects.get()
    assert (message.shown_state, message.attempts) == (state, 1)
    assert Attempt.objects.get().outcome == "unknown"


def test_a_hand_over_whose_message_was_deleted_is_given_up_and_those_behind_it_as_well() -> None:
    account = make_account()
    deleted, kept = make_message(account), make_message(account)
    hand_over(deleted, seconds_ago=700)
    hand_over(kept, seconds_ago=661)
    Recipient.objects.filter(message=deleted).delete()
    Body.objects.filter(message=deleted).delete()
    Message.objects.filter(pk=deleted.pk)._raw_delete(DEFAULT_DB_ALIAS)  # as SQL does it
    assert delivery.sweep().reaped == 2
    unknown = Attempt.objects.filter(outcome="unknown").order_by("handed_over_at")
    assert list(unknown.values_list("message_id", flat=True)) == [None, kept.pk]


def test_what_is_being_handed_over_is_neither_cancelled_nor_held_nor_a_reason_to_come(
    rung: list[int],
) -> None:
    message = make_message(make_account())
    hand_over(message, seconds_ago=100)
    for act in (delivery.cancel, delivery.hold):
        with pytest.raises(InvalidTransition, match="handed over"):
            act(message_id=message.pk)
    assert Message.objects.get().shown_state == "handing_over"
    delivery.sweep()
    assert not delivery.drain_account(account_id=message.account_id).is_due
    assert rung == []


def test_a_test_mail_whose_end_nobody_knows_is_not_sent_again() -> None:
    message = make_message(make_account(), is_test=True)
    hand_over(message, seconds_ago=661)
    assert delivery.sweep().reaped == 1
    message.refresh_from_db()
    assert (message.state, message.error_code) == ("failed", "unknown_outcome")


def test_a_hand_over_is_not_given_up_before_a_reply_could_have_come() -> None:
    message = make_message(make_account())
    hand_over(message, seconds_ago=600)
    assert delivery.sweep().reaped == 0


def test_a_drain_that_still_owns_its_lane_is_not_robbed() -> None:
    message = make_message(make_account())
    token = uuid.uuid4()
    hand_over(message, seconds_ago=5000, token=token)
    Lane.objects.update(lease_token=token, lease_until=timezone.now() + timedelta(seconds=30))
    assert delivery.sweep().reaped == 0


def test_an_open_hand_over_counts_in_every_window_while_the_account_moves_on() -> None:
    with ChaosServer() as server:
        account = make_account(server.port, limit_count=2, limit_period=60)
        hand_over(make_message(account), seconds_ago=100)
        for _ in range(3):
            make_message(account)
        delivery.drain_account(account_id=account.pk)
        assert len(server.messages) == 1


def test_what_people_do_by_hand_moves_a_message_only_where_it_may_go() -> None:
    account = make_account()
    message = make_message(account)
    delivery.hold(message_id=message.pk)
    with pytest.raises(InvalidTransition, match="held"):
        delivery.requeue(message_id=Message.objects.get(pk=message.pk).pk)
    delivery.release(message_id=message.pk)
    with pytest.raises(InvalidTransition):
        delivery.release(message_id=message.pk)
    delivery.cancel(message_id=message.pk)
    message.refresh_from_db()
    assert (message.state, body_of(message)) == ("cancelled", None)
    with pytest.raises(InvalidTransition):
        delivery.cancel(message_id=message.pk)


def test_a_failed_message_is_queued_again_for_those_it_did_not_reach() -> None:
    with ChaosServer() as server:
        account = make_account(server.port)
        message = make_message(account, state="failed", settled_at=timezone.now(), attempts=8)
        Recipient.objects.update(state="failed", reply_code=550)
        delivery.requeue(message_id=message.pk)
        message.refresh_from_db()
        assert (message.state, message.attempts) == ("queued", 0)
        assert delivery.drain_all(should_stop=lambda: False) == 1
        assert len(server.messages) == 1


def test_a_thousand_mails_ring_once(rung: list[int]) -> None:
    account = make_account()
    delivery.enqueue_many([make_email(number) for number in range(1000)], account=account)
    assert rung == [account.pk]


def test_the_purge_keeps_what_a_window_counts(settings: Any) -> None:
    account = make_account(limit_count=10, limit_period=60 * 86400)
    long_ago, lately = timezone.now() - timedelta(days=100), timezone.now() - timedelta(days=40)
    for then in (long_ago, lately):
        message = make_message(account, state="sent", settled_at=then)
        Attempt.objects.create(
            account=account,
            message=message,
            outcome="sent",
            started_at=then,
            handed_over_at=then,
            ended_at=then,
        )
    report = delivery.purge()
    assert (report.messages, report.attempts) == (2, 1)
    assert Attempt.objects.get().message_id is None


def test_status_tells_what_waits_and_whether_anything_moves() -> None:
    account = make_account(name="Shop")
    make_message(account, not_before=timezone.now() - timedelta(minutes=5))
    assert delivery.status().exit_code == 2, "nobody has ever swept"
    delivery.sweep()
    assert delivery.status().is_stale, "mail is due for minutes, and nothing holds it back"
    Lane.objects.update(wait_reason="paused_login", wait_since=timezone.now())
    status = delivery.status()
    assert (status.exit_code, status.accounts[0].name, status.accounts[0].queued) == (1, "Shop", 1)
    Message.objects.update(state="cancelled", settled_at=timezone.now())
    Lane.objects.update(wait_reason="")
    assert delivery.status().exit_code == 0


def test_the_end_of_a_pause_by_new_credentials_is_told() -> None:
    told: list[int] = []

    def listener(*, account_id: int, **kwargs: object) -> None:
        told.append(account_id)

    signals.account_resumed.connect(listener)
    try:
        account = make_account(username="me")
        Lane.objects.update(wait_reason="paused_sender")
        account = Account.objects.get(pk=account.pk)
        account.name = "Renamed"
        account.save()
        assert (told, Lane.objects.get().wait_reason) == ([], "paused_sender")
        account.from_email = "owned@example.com"
        account.save()
        assert (told, Lane.objects.get().wait_reason) == ([account.pk], "")
    finally:
        signals.account_resumed.disconnect(listener)


def test_a_worker_without_celery_sweeps_while_a_backlog_is_due(settings: Any) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "SWEEP_SECONDS": 0.2, "SLICE_SECONDS": 0.1}
    with ChaosServer(latency=0.02) as server:
        account = make_account(server.port)
        for _ in range(100):
            make_message(account)
        sweeps: set[object] = set()

        def should_stop() -> bool:
            sweeps.add(delivery.status().swept_at)
            return len(sweeps) >= 4 or len(server.messages) == 100

        delivery.run(should_stop=should_stop)
        assert len(sweeps) >= 4
        assert len(server.messages) < 100
