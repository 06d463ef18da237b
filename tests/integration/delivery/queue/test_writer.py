"""One writer commits for all lanes of a process: together, and each as if it were alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from django.db.backends.signals import connection_created
from django.db.models.functions import Now

from mailconfig import delivery
from mailconfig.delivery import lanes
from mailconfig.delivery.postgres import statements
from mailconfig.delivery.queue import due, parts
from mailconfig.delivery.queue.parts import Part
from mailconfig.delivery.queue.turn import Settlement, Turn
from mailconfig.delivery.queue.writer import KeptWaiting, Pending, Writer, shared_writer, start
from mailconfig.models import Account, Attempt, AttemptOutcome, HandOver, Lane, Message, Priority
from mailconfig.values import Answer, Envelope, Stage
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
    (message,) = due.read(account_id=account.pk, now=now, limit=1).messages
    envelope = Envelope("sender@example.com", ("to@example.net",), size=message.size)
    turn = Turn(message, message.recipients, envelope, slots, started_at=now)
    return Part(ownership, (), [turn], account.revision)


def submit(writer: Writer, part: Part) -> Pending:
    """Hand it in."""
    pending = writer.submit(part)
    assert pending
    return pending


def failure_of(pending: Pending) -> Exception | None:
    """What kept a part from being committed, once that is known."""
    try:
        pending.wait(60)
    except Exception as error:  # noqa: BLE001 - whatever it is
        return error
    return None


def outcome_of(part: Part) -> Part:
    """The outcome of its mail, which the server took; its journal is committed by itself before."""
    parts.start([part])()
    (turn,) = part.group
    turn.handed_over_at = part.opened[turn.message.pk]
    sent = Settlement(
        turn=turn,
        outcome=AttemptOutcome.SENT,
        ended_at=part.ownership.clock.now(),
        stage=Stage.DOT,
        reply=Answer(250, "ok", "2.0.0"),
        handed_over=1,
        sent=list(turn.recipients),
    )
    return replace(part, finished=[sent], group=[], done={}, opened={})


def hold(message_id: int) -> None:
    """What a person does."""
    delivery.hold(message_id=message_id)


def give_priority(message_id: int) -> None:
    """What a host's own code may do, whatever becomes of the message meanwhile."""
    Message.objects.filter(pk=message_id).update(priority=Priority.HIGH)


@contextmanager
def locking(message_id: int, change_message: Callable[[int], object] = give_priority) -> Iterator[None]:
    """Somebody else's transaction that changes the message and is not over yet."""
    changed, over = threading.Event(), threading.Event()

    def change() -> None:
        with transaction.atomic():
            change_message(message_id)
            changed.set()
            over.wait(60)
        connection.close()

    thread = threading.Thread(target=change)
    thread.start()
    assert changed.wait(60)
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_what_waits_is_committed_together(idle: Writer) -> None:
    five = [part_of(make_account()) for _ in range(5)]
    pendings = [submit(idle, part) for part in five]
    idle.start()
    for pending in pendings:
        pending.wait(60)
    assert idle.commits == 1
    assert [len(part.opened) for part in five] == [1] * 5
    assert HandOver.objects.count() == 5


def test_a_part_whose_lane_was_lost_is_refused_alone(idle: Writer) -> None:
    lost, edited, sound = (part_of(make_account()) for _ in range(3))
    lanes.free(lost.ownership, due_at=None)
    edited = replace(edited, revision=edited.revision + 1)
    pendings = [submit(idle, part) for part in (lost, edited, sound)]
    idle.start()
    for pending in pendings:
        pending.wait(60)
    assert [len(part.opened) for part in (lost, edited, sound)] == [0, 0, 1]


def test_a_part_that_cannot_be_written_fails_alone(idle: Writer) -> None:
    broken, sound = part_of(make_account(), slots=2**40), part_of(make_account())
    failing, passing = submit(idle, broken), submit(idle, sound)
    idle.start()
    assert isinstance(failure_of(failing), DataError)
    passing.wait(60)
    assert (len(broken.opened), len(sound.opened)) == (0, 1)


def test_a_message_that_somebody_has_locked_keeps_no_other_lane_waiting(idle: Writer) -> None:
    locked, sound = part_of(make_account()), part_of(make_account())
    with locking(locked.group[0].message.pk, hold):
        pendings = [submit(idle, part) for part in (locked, sound)]
        idle.start()
        for pending in pendings:
            pending.wait(60)
    assert (len(locked.opened), len(sound.opened)) == (0, 1)


@pytest.mark.parametrize("of", ["journal", "outcome"])
def test_a_part_that_waits_for_a_lock_is_given_back_and_no_later_one_waits(idle: Writer, of: str) -> None:
    """By itself in its commit as well as with others, since the writer is everybody's."""
    alone, together, beside, later = (part_of(make_account()) for _ in range(4))
    if of == "outcome":
        alone, together = outcome_of(alone), outcome_of(together)
    with locking(message_of(alone)), locking(message_of(together)):
        first = submit(idle, alone)
        idle.start()
        failures = [failure_of(first)]
        pendings = [submit(idle, part) for part in (together, beside)]
        failures += map(failure_of, pendings)
        submit(idle, later).wait(60)
        assert [len(part.opened) + len(part.done) for part in (alone, together, beside, later)] == [
            0,
            0,
            1,
            1,
        ]
        if of == "outcome":
            assert [isinstance(failure, KeptWaiting) for failure in failures] == [True, True, False]


def test_a_lane_waits_by_itself_for_an_outcome_that_somebody_has_locked() -> None:
    locked = outcome_of(part_of(make_account()))
    is_asked = threading.Event()

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if "mailconfig_handover" in sql:
            is_asked.set()
        return execute(sql, params, many, context)

    with shared_writer():
        with locking(message_of(locked)):
            wait, is_shared = start(locked)
            assert is_shared
            lane = threading.Thread(target=in_a_lane, args=(wait, note))
            lane.start()
            assert is_asked.wait(60), "the writer kept it"
            assert lane.is_alive()
        lane.join(60)
    assert len(locked.done) == 1
    message = Message.objects.get()
    assert (message.state, message.priority) == ("sent", Priority.HIGH)


def in_a_lane(wait: Callable[[], None], wrapper: Callable[..., Any]) -> None:
    """Wait for a commit in a thread of its own, on a connection of its own."""
    try:
        with connection.execute_wrapper(wrapper):
            wait()
    finally:
        connection.close()


def message_of(part: Part) -> int:
    """The only message that it is about."""
    turns = [*part.group, *(settlement.turn for settlement in part.finished)]
    return turns[0].message.pk


def test_a_lane_that_another_worker_took_while_its_part_waited_changes_nothing(idle: Writer) -> None:
    """Neither its journal nor its outcome counts, which the new owner has given up; the others' parts are committed."""
    journal, outcome, sound = (
        part_of(make_account()),
        outcome_of(part_of(make_account())),
        outcome_of(part_of(make_account())),
    )
    pendings = [submit(idle, part) for part in (journal, outcome, sound)]
    for part in (journal, outcome):
        Lane.objects.filter(pk=part.ownership.lane_id).update(lease_until=Now() - timedelta(seconds=1))
        assert lanes.take(account_id=part.ownership.account_id, lease=60)
    HandOver.objects.filter(message_id=message_of(outcome)).update(
        handed_over_at=Now() - timedelta(seconds=1000)
    )
    assert delivery.sweep().reaped == 1
    idle.start()
    for pending in pendings:
        pending.wait(60)

    assert [len(part.opened) + len(part.done) for part in (journal, outcome, sound)] == [0, 0, 1]
    assert not HandOver.objects.exists()
    attempts = dict(Attempt.objects.values_list("message_id", "outcome"))
    assert attempts == {message_of(outcome): "unknown", message_of(sound): "sent"}
    states = dict(Message.objects.values_list("pk", "state"))
    assert states == {message_of(journal): "queued", message_of(outcome): "queued", message_of(sound): "sent"}


@pytest.mark.parametrize("position", [0, 1, 2])
def test_an_outcome_that_its_table_does_not_take_fails_alone_wherever_it_stands(
    idle: Writer, position: int
) -> None:
    batch = [outcome_of(part_of(make_account())) for _ in range(3)]
    batch[position].finished[0].reply = Answer(250, "ok", "2.0.0" * 10)
    pendings = [submit(idle, part) for part in batch]
    idle.start()
    failures = [failure_of(pending) for pending in pendings]
    assert [isinstance(failure, DataError) for failure in failures] == [
        number == position for number in range(3)
    ]
    assert [len(part.done) for part in batch] == [int(number != position) for number in range(3)]
    assert Attempt.objects.count() == 2
    assert HandOver.objects.count() == 1, "what became of it is for the sweep to say"


def test_an_outcome_that_only_the_commit_refuses_fails_alone(idle: Writer) -> None:
    """Foreign keys are looked at when a transaction ends: its rows are all written then, and none is committed."""
    idle.start()
    for _ in range(statements.PREPARE_AFTER + 2):
        often = [outcome_of(part_of(make_account())) for _ in range(2)]
        parts_together(idle, often)
    broken, sound = batch = [outcome_of(part_of(make_account())) for _ in range(2)]
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # nobody looks at foreign keys
        cursor.execute("DELETE FROM mailconfig_message WHERE id = %s", [message_of(broken)])
        cursor.execute("SET session_replication_role = DEFAULT")
    failures = parts_together(idle, batch)
    assert [isinstance(failure, IntegrityError) for failure in failures] == [True, False]
    assert [len(part.done) for part in batch] == [0, 1]
    assert Message.objects.get(pk=message_of(sound)).state == "sent"


def parts_together(writer: Writer, batch: list[Part]) -> list[Exception | None]:
    """Have parts committed in one commit, while the writer is kept by another one; what kept each from being."""
    keeping = part_of(make_account())
    with locking(message_of(outcome := outcome_of(keeping))):
        first = submit(writer, outcome)
        pendings = [submit(writer, part) for part in batch]
        failures = [failure_of(pending) for pending in pendings]
    failure_of(first)
    return failures


def test_two_parts_of_one_lane_are_two_commits(idle: Writer) -> None:
    first = part_of(make_account())
    pendings = [submit(idle, part) for part in (first, replace(first, group=[], finished=[]), first)]
    idle.start()
    for pending in pendings[::2]:
        pending.wait(60)
    assert idle.commits > 1


def test_a_writer_that_has_ended_takes_no_more() -> None:
    writer = Writer()
    writer.start()
    writer.stop()
    assert writer.submit(part_of(make_account())) is None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_writer_that_ends_in_a_commit_leaves_no_lane_waiting() -> None:
    """A receiver of the project's ends its thread when it connects; all mail goes without it."""

    def throw(sender: object, **values: object) -> None:
        if threading.current_thread().name == "mailconfig-writer":
            raise SystemExit

    def drain() -> None:
        try:
            delivery.drain_account(account_id=account.pk)
        finally:
            connection.close()

    connection_created.connect(throw)
    try:
        with ChaosServer() as server, shared_writer():
            account = make_account(server.port)
            for _ in range(3):
                make_message(account)
            thread = threading.Thread(target=drain, daemon=True)
            thread.start()
            thread.join(60)
            assert not thread.is_alive()
            assert len(server.messages) == 3
    finally:
        connection_created.disconnect(throw)
    assert set(Message.objects.values_list("state", "attempts")) == {("sent", 1)}


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
