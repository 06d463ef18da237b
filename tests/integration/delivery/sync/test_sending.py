"""Syncing and sending of one mailbox: limits over both, and mail that waits to be synced."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F

from mailconfig import delivery
from mailconfig.delivery.clock import database_now
from mailconfig.models import Account, Lane, Mailbox, Message, Purpose, SyncedFolder, SyncedMessage
from tests.factories import make_email
from tests.servers.chaos import ChaosServer
from tests.servers.imap import FakeIMAP

from .mail import lane_of, make_synced

pytestmark = pytest.mark.django_db(transaction=True)


def make_both(imap_port: int, smtp: ChaosServer, **values: object) -> Mailbox:
    """A mailbox that sends without a login, and is synced."""
    mailbox = make_synced(imap_port, port=smtp.port, **values)
    Account.objects.filter(pk=mailbox.pk).update(authentication="none", secret=None)
    return mailbox


def receive(mailbox: Mailbox, *hours_ago: float) -> None:
    """Have messages come in as a sync would store them."""
    folder, _ = SyncedFolder.objects.get_or_create(
        mailbox=mailbox, name="INBOX", defaults={"uid_validity": 1}
    )
    first = SyncedMessage.objects.count() + 1
    SyncedMessage.objects.bulk_create(
        SyncedMessage(
            mailbox=mailbox,
            folder=folder,
            uid_validity=1,
            uid=first + number,
            received_at=database_now() - timedelta(hours=hours),
        )
        for number, hours in enumerate(hours_ago)
    )


def sent(mailbox: Mailbox) -> int:
    return Message.objects.filter(account=mailbox, state="sent").count()


def test_what_came_in_within_a_day_counts_together_with_what_is_sent() -> None:
    with ChaosServer() as smtp:
        mailbox = make_both(143, smtp, limit_in_out_per_day=4)
        receive(mailbox, 30, 23, 1)
        for number in range(3):
            delivery.enqueue(make_email(number), account=mailbox)

        delivery.drain_account(account_id=mailbox.pk)

    assert sent(mailbox) == 2
    lane = mailbox.lane
    assert lane.wait_reason == "limit"
    assert lane.wait_until is not None
    assert timedelta(minutes=50) < lane.wait_until - database_now() < timedelta(minutes=61)
    (window,) = delivery.usage([Account.objects.get(pk=mailbox.pk)], now=database_now())[mailbox.pk]
    assert (window.used, window.left) == (4, 0)


def test_no_other_limit_counts_what_came_in() -> None:
    with ChaosServer() as smtp:
        mailbox = make_both(143, smtp, limit_per_day=1)
        receive(mailbox, 1, 1, 1)
        delivery.enqueue(make_email(), account=mailbox)
        delivery.drain_account(account_id=mailbox.pk)

    assert sent(mailbox) == 1


def test_a_drain_sees_what_comes_in_before_its_next_hand_over() -> None:
    with ChaosServer() as smtp:
        mailbox = make_both(143, smtp, limit_in_out_per_day=5)
        for number in range(4):
            delivery.enqueue(make_email(number), account=mailbox)

        def should_stop() -> bool:
            if len(smtp.messages) == 2 and not SyncedMessage.objects.exists():
                receive(mailbox, 0.1, 0.1, 0.1)
            return False

        delivery.drain_account(account_id=mailbox.pk, should_stop=should_stop)

    assert sent(mailbox) == 2
    assert mailbox.lane.wait_reason == "limit"


def test_a_date_in_the_future_counts_for_a_day_from_when_it_was_found() -> None:
    with ChaosServer() as smtp:
        mailbox = make_both(143, smtp, limit_in_out_per_day=1)
        receive(mailbox, -1000)
        SyncedMessage.objects.update(synced_at=F("synced_at") - timedelta(hours=23))
        delivery.enqueue(make_email(), account=mailbox)
        delivery.drain_account(account_id=mailbox.pk)

    until = mailbox.lane.wait_until
    assert until is not None
    assert until - database_now() < timedelta(minutes=61)
    accounts = [Account.objects.get(pk=mailbox.pk)]
    for hours_later, used in ((0, 1), (2, 0)):
        now = database_now() + timedelta(hours=hours_later)
        assert [window.used for window in delivery.usage(accounts, now=now)[mailbox.pk]] == [used]


def test_mail_waits_for_a_sync_and_goes_once_there_was_one(server: FakeIMAP) -> None:
    with ChaosServer() as smtp:
        mailbox = make_both(server.port, smtp, sends_only_when_synced=True)
        delivery.enqueue(make_email(), account=mailbox)

        delivery.drain_account(account_id=mailbox.pk)
        assert mailbox.lane.wait_reason == "sync_stale"
        assert delivery.sync_account(account_id=mailbox.pk).is_complete
        lane = mailbox.lane
        assert (lane.wait_reason, lane.due_at is not None and lane.due_at <= database_now()) == ("", True)
        delivery.drain_account(account_id=mailbox.pk)
        assert sent(mailbox) == 1

        Lane.objects.filter(account=mailbox, purpose=Purpose.SYNC).update(
            last_success_at=database_now() - timedelta(seconds=2 * mailbox.sync_interval + 1)
        )
        delivery.enqueue(make_email(), account=mailbox)
        delivery.drain_account(account_id=mailbox.pk)

    assert (sent(mailbox), mailbox.lane.wait_reason) == (1, "sync_stale")


def test_a_failed_sync_keeps_no_mail_from_going_out_unless_it_is_to(server: FakeIMAP) -> None:
    server.folders.clear()
    with ChaosServer() as smtp:
        free = make_both(server.port, smtp)
        bound = make_both(server.port, smtp, from_email="bound@mail.test", sends_only_when_synced=True)
        for mailbox in (free, bound):
            delivery.sync_account(account_id=mailbox.pk)
            delivery.enqueue(make_email(), account=mailbox)
            delivery.drain_account(account_id=mailbox.pk)

    assert (sent(free), sent(bound)) == (1, 0)
    assert lane_of(free).last_success_at is None
