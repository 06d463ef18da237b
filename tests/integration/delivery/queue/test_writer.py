"""One writer commits for all lanes of a process: together, and each as if it were alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace

import pytest
from django.db import DataError, connection, transaction

from mailconfig import delivery
from mailconfig.delivery import lanes
from mailconfig.delivery.queue import due
from mailconfig.delivery.queue.parts import Part
from mailconfig.delivery.queue.turn import Turn
from mailconfig.delivery.queue.writer import Writer, shared_writer
from mailconfig.models import Account, Attempt, HandOver, Message
from mailconfig.values import Envelope
from tests.factories import make_account, make_message
from tests.servers.chaos import ChaosServer

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def idle() -> Iterator[Writer]:
    """A writer that has not begun, so that what is handed in waits; it is ended after the test."""
    writer = Writer()
    yield writer
    writer.stop()


def part_of(account: Account, *, slots: int = 1) -> Part:
    """The journal of one mail, in a lane that is ours."""
    make_message(account)
    ownership = lanes.take(account_id=account.pk, lease=60)
    assert ownership
    now = ownership.clock.now()
    (message,) = due.read(account_id=account.pk, now=now, limit=1)
    envelope = Envelope("sender@example.com", ("to@example.net",), size=message.size)
    turn = Turn(message, message.recipients, envelope, slots, started_at=now)
    return Part(ownership, (), [turn], account.revision)


def submit(writer: Writer, part: Part) -> Future[None]:
    """Hand it in."""
    future = writer.submit(part)
    assert future
    return future


@contextmanager
def locking(message_id: int) -> Iterator[None]:
    """Somebody else's transaction that changes the message and is not over yet."""
    changed, over = threading.Event(), threading.Event()

    def change() -> None:
        with transaction.atomic():
            delivery.hold(message_id=message_id)
            changed.set()
            over.wait(60)
        connection.close()

    thread = threading.Thread(target=change)
    thread.start()
    assert changed.wait(60)
    yield
    over.set()
    thread.join()


def test_what_waits_is_committed_together(idle: Writer) -> None:
    parts = [part_of(make_account()) for _ in range(5)]
    futures = [submit(idle, part) for part in parts]
    idle.start()
    for future in futures:
        future.result(10)
    assert idle.commits == 1
    assert [len(part.opened) for part in parts] == [1] * 5
    assert HandOver.objects.count() == 5


def test_a_part_whose_lane_was_lost_is_refused_alone(idle: Writer) -> None:
    lost, edited, sound = (part_of(make_account()) for _ in range(3))
    lanes.free(lost.ownership, due_at=None)
    edited = replace(edited, revision=edited.revision + 1)
    futures = [submit(idle, part) for part in (lost, edited, sound)]
    idle.start()
    for future in futures:
        future.result(10)
    assert [len(part.opened) for part in (lost, edited, sound)] == [0, 0, 1]


def test_a_part_that_cannot_be_written_fails_alone(idle: Writer) -> None:
    broken, sound = part_of(make_account(), slots=2**40), part_of(make_account())
    failing, passing = submit(idle, broken), submit(idle, sound)
    idle.start()
    assert isinstance(failing.exception(10), DataError)
    passing.result(10)
    assert (len(broken.opened), len(sound.opened)) == (0, 1)


def test_a_message_that_somebody_has_locked_keeps_no_other_lane_waiting(idle: Writer) -> None:
    locked, sound = part_of(make_account()), part_of(make_account())
    with locking(locked.group[0].message.pk):
        futures = [submit(idle, part) for part in (locked, sound)]
        idle.start()
        for future in futures:
            future.result(10)
    assert (len(locked.opened), len(sound.opened)) == (0, 1)


def test_two_parts_of_one_lane_are_two_commits(idle: Writer) -> None:
    first = part_of(make_account())
    futures = [submit(idle, part) for part in (first, replace(first, group=[], finished=[]), first)]
    idle.start()
    for future in futures[::2]:
        future.result(10)
    assert idle.commits > 1


def test_a_writer_that_has_ended_takes_no_more() -> None:
    writer = Writer()
    writer.start()
    writer.stop()
    assert writer.submit(part_of(make_account())) is None


def test_drains_of_many_accounts_commit_through_it() -> None:
    with ChaosServer() as server:
        accounts = [make_account(server.port) for _ in range(4)]
        for account in accounts:
            for _ in range(5):
                make_message(account)

        def drain(account_id: int) -> None:
            try:
                delivery.drain_account(account_id=account_id)
            finally:
                connection.close()

        with shared_writer() as writer:
            threads = [threading.Thread(target=drain, args=(account.pk,)) for account in accounts]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
        assert len(server.messages) == 20
    assert set(Message.objects.values_list("state", flat=True)) == {"sent"}
    assert Attempt.objects.filter(outcome="sent").count() == 20
    assert not HandOver.objects.exists()
    assert 6 <= writer.commits <= 24
