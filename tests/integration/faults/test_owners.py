"""An owner that was away for longer than its lease: what it heard counts as far as it is true, and no further."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from mailconfig import delivery
from mailconfig.models import Account, Attempt, HandOver, Lane, Message, Recipient
from tests.factories import body_of, make_account, make_hand_over, make_message
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Reply

from .conftest import attempts, lane, rewind, states

pytestmark = pytest.mark.django_db(transaction=True)

EIGHT = [f"to{number}@example.net" for number in range(8)]


def meanwhile(
    server: ChaosServer, verb: str, answer: str, what: Callable[[], object], *, at: int = 1
) -> None:
    """As others do while a worker is frozen, before the server answers the ``at``-th such command."""
    seen: list[str] = []

    def happen(line: str) -> bool:
        seen.append(line)
        if len(seen) != at:
            return False
        what()
        connection.close()  # of the server's thread
        return True

    server.on(verb, Reply.of(answer), when=happen)


def outlast(*, lease: bool = True) -> None:
    """Certainty is over for what is being handed over, and so is the lease."""
    long_ago = timezone.now() - timedelta(seconds=700)
    HandOver.objects.update(handed_over_at=long_ago)
    if lease:
        Lane.objects.update(lease_until=long_ago)


def give_up() -> None:
    """What the sweep does then."""
    outlast()
    assert delivery.sweep().reaped == 1


def recipients() -> list[str]:
    """Their states, in their order."""
    return list(Recipient.objects.order_by("pk").values_list("state", flat=True))


@pytest.mark.parametrize("policy", ["retry", "hold"])
def test_a_late_250_speaks_for_those_it_was_said_to(
    server: ChaosServer, window: int, configure: Callable[..., None], policy: str
) -> None:
    configure(AMBIGUITY=policy)
    account = make_account(server.port, limit_count=3, limit_period=30)
    make_message(account, to=EIGHT)
    meanwhile(server, "dot", "250 2.0.0 taken after all", give_up)
    # The sweep gave the hand-over up before the reply was read.
    delivery.drain_account(account_id=account.pk)

    assert recipients() == ["sent"] * 3 + [""] * 5
    assert states() == ["queued"]
    message = Message.objects.get()
    assert body_of(message) is not None
    assert message.wait_reason != "maybe_sent"
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.recipients, attempt.reply_code) == ("sent", 3, 250)

    Account.objects.update(limit_count=None)
    Lane.objects.update(wait_reason="", wait_until=None, lease_token=None, lease_until=None)
    rewind()
    delivery.drain_account(account_id=account.pk)
    assert states() == ["sent"]
    assert [message.recipients for message in server.messages[-1:]] == [tuple(EIGHT[3:])]


def test_a_late_250_for_everybody_ends_the_message(server: ChaosServer, window: int) -> None:
    account = make_account(server.port)
    make_message(account, to=EIGHT)
    meanwhile(server, "dot", "250 2.0.0 taken after all", give_up)
    delivery.drain_account(account_id=account.pk)
    assert (states(), set(recipients())) == (["sent"], {"sent"})
    assert body_of(Message.objects.get()) is None


@pytest.mark.parametrize(
    ("meant", "state"), [("failed", "sent"), ("cancelled", "cancelled"), ("queued", "sent"), ("held", "sent")]
)
def test_a_late_250_tells_the_truth_whatever_was_said_meanwhile(
    server: ChaosServer, meant: str, state: str
) -> None:
    account = make_account(server.port)
    make_message(account)

    def end() -> None:
        give_up()
        settled_at = timezone.now() if meant in {"failed", "cancelled"} else None
        Message.objects.update(state=meant, settled_at=settled_at)
        if meant == "failed":
            Recipient.objects.update(state="failed", reply_code=550, reply_text="no")

    meanwhile(server, "dot", "250 2.0.0 taken after all", end)
    delivery.drain_account(account_id=account.pk)
    assert (states(), recipients()) == ([state], ["sent"])
    assert Recipient.objects.get().reply_code is None


def hand_over_as_another() -> None:
    """What another worker commits that takes the lane after its lease ran out."""
    token, now = uuid.uuid4(), timezone.now()
    Lane.objects.update(lease_token=token, lease_until=now + timedelta(minutes=2), worker="other:1")
    message = Message.objects.get()
    make_hand_over(message, lease_token=token, worker="other:1")


def end_as_another(outcome: str) -> None:
    """What the other worker commits then."""
    hand_over, now = HandOver.objects.get(), timezone.now()
    hand_over.delete()
    Attempt.objects.create(
        account_id=hand_over.account_id,
        message_id=hand_over.message_id,
        worker="other:1",
        outcome=outcome,
        started_at=now,
        handed_over_at=now,
        ended_at=now,
    )


def send_as_another() -> None:
    """As :func:`hand_over_as_another`, with a 250 and the lane given back."""
    hand_over_as_another()
    end_as_another("sent")
    Message.objects.update(state="sent", settled_at=timezone.now(), attempts=1)
    Lane.objects.update(lease_token=None, lease_until=None)


def put_off_as_another() -> None:
    """As :func:`hand_over_as_another`, with a 451 and the lane still owned."""
    hand_over_as_another()
    end_as_another("deferred")
    Message.objects.update(attempts=1, not_before=timezone.now() + timedelta(minutes=5))


@pytest.mark.parametrize("verb", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("answer", ["450 4.2.0 later", "550 5.1.1 never"])
@pytest.mark.parametrize("other", [hand_over_as_another, send_as_another, put_off_as_another])
def test_a_refusal_before_the_dot_is_not_written_over_another_owners_work(
    verb: str, answer: str, other: Callable[[], None]
) -> None:
    with ChaosServer(pipelining=False) as server:
        account = make_account(server.port)
        make_message(account)
        meanwhile(server, verb, answer, other)
        delivery.drain_account(account_id=account.pk)
        expected = {
            hand_over_as_another: "handing_over",
            send_as_another: "sent",
            put_off_as_another: "queued",
        }
        assert (states(), recipients()) == ([expected[other]], [""])
        assert attempts() == [0 if other is hand_over_as_another else 1]
        told = Attempt.objects.count() + HandOver.objects.count()
        assert told == 2, "the try is told of all the same"
        assert lane().wait_reason == ""


@pytest.mark.parametrize("answer", ["535 5.7.8 no", "454 4.7.0 not now", "421 4.3.2 away"])
def test_a_drain_whose_lane_was_taken_notes_nothing_on_it(answer: str) -> None:
    with ChaosServer(credentials={"me": "x"}, auth_in_clear=True) as server:
        account = make_account(server.port, username="me")
        make_message(account)
        meanwhile(server, "auth", answer, hand_over_as_another)
        delivery.drain_account(account_id=account.pk)
        now = lane()
        assert (now.wait_reason, now.failures, now.last_error_code) == ("", 0, "")
        assert now.worker == "other:1"
