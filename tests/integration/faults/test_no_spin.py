"""What cannot go on waits: a drain never tries the same thing again and again, and a worker never asks without a pause."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailconfig import delivery
from mailconfig.delivery import lanes
from mailconfig.delivery.worker import picking
from mailconfig.models import Lane, Message, WaitReason
from tests.factories import make_account, make_email, make_hand_over, make_message
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Close, Reply
from tests.storages import ObjectStorage

from .conftest import attempts, lane, rewind, states

pytestmark = pytest.mark.django_db(transaction=True)

FEW = 60
"""Statements of a drain that does not spin."""


def test_a_mail_that_stands_aside_is_not_asked_about_again_in_the_same_drain(
    server: ChaosServer, window: int
) -> None:
    server.on("rcpt", Reply.of("554 5.7.1 Relay access denied"))
    account = make_account(server.port)
    make_message(account)

    with CaptureQueriesContext(connection) as queries:
        report = delivery.drain_account(account_id=account.pk)
    assert len(queries) < FEW
    assert report.is_due, "its turn comes again, in a drain of its own"
    assert server.verbs().count("MAIL") == 1

    before = timezone.now()
    report = delivery.drain_account(account_id=account.pk)
    assert not report.is_due, "and then it waits"
    assert server.verbs().count("MAIL") == 2
    assert Message.objects.get().not_before > before + timedelta(seconds=60)


@pytest.mark.parametrize("verb", ["rcpt", "dot"])
@pytest.mark.parametrize(
    "words", ["451 4.7.1 not over this connection", "421 4.7.0 too many errors in this session"]
)
def test_one_mail_for_which_no_session_is_good_enough_uses_up_its_retries(
    server: ChaosServer, verb: str, words: str
) -> None:
    account = make_account(server.port, max_retries=2)
    make_message(account, to=["bad@example.net"])
    for _ in range(3):
        make_message(account)

    def is_bad(line: str) -> bool:
        paths = [said for _, said in server.commands if said.startswith("RCPT")]
        return "<bad@" in (line if line.startswith("RCPT") else paths[-1])

    server.on(verb, Reply.of(words), when=is_bad)
    for _ in range(8):
        delivery.drain_account(account_id=account.pk)
        rewind()
    assert states() == ["failed", "sent", "sent", "sent"]
    assert server.verbs().count("MAIL") < 12


def test_an_open_hand_over_of_a_worker_that_is_gone_is_waited_for_once(
    server: ChaosServer, configure: Callable[..., None]
) -> None:
    """Nobody has given it up yet, though no window can hold it any more."""
    configure(LIMIT_WAIT_SECONDS=3.0)
    account = make_account(server.port, limit_count=1, limit_period=1)
    past = timezone.now() - timedelta(hours=1)
    make_hand_over(make_message(account), handed_over_at=past)
    make_message(account)
    with CaptureQueriesContext(connection) as queries:
        delivery.drain_account(account_id=account.pk, slice_seconds=10.0)
    assert len(queries) < FEW
    assert states() == ["handing_over", "sent"]


def test_a_storage_that_opens_and_cannot_be_read_is_away(
    server: ChaosServer, window: int, settings: Any, tmp_path: Path
) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "tests.storages.ObjectStorage", "OPTIONS": {"location": str(tmp_path)}},
    }
    settings.MAILCONFIG = {**settings.MAILCONFIG, "INLINE_BYTES": 1000}
    account = make_account(server.port)
    for number in range(3):
        large = make_email(number, attachments=[("a.txt", "x" * 5000, "text/plain")])
        delivery.enqueue(large, account=account)
    delivery.enqueue(make_email(3), account=account)
    ObjectStorage.mend()
    ObjectStorage.broken.add("read")
    try:
        delivery.drain_account(account_id=account.pk, slice_seconds=20.0)
    finally:
        ObjectStorage.mend()
    assert (states(), attempts()) == (["queued"] * 3 + ["sent"], [0, 0, 0, 1])
    assert lane().wait_reason == WaitReason.STORAGE_AWAY
    assert server.sessions <= 2
    rewind()
    delivery.drain_account(account_id=account.pk)
    assert states() == ["sent"] * 4


def test_a_lane_that_somebody_drains_is_no_reason_to_look_again_at_once() -> None:
    account = make_account()
    lanes.make_due_at(account.pk, timezone.now())
    assert picking.next_due_at() is not None
    ownership = lanes.take(account_id=account.pk, lease=60)
    assert ownership is not None
    assert picking.next_due_at() is None, "whoever owns it sees to it"
    lanes.free(ownership, due_at=timezone.now())
    assert picking.next_due_at() is not None
    Lane.objects.update(lease_token=ownership.token, lease_until=timezone.now() - timedelta(seconds=1))
    assert picking.next_due_at() is not None, "the owner is gone"


def test_a_server_that_closes_instead_of_answering_a_dot_is_not_asked_for_so_many_again(
    server: ChaosServer, window: int
) -> None:
    """The mail whose dot was not answered is none of those that the server takes in a session."""
    taken: dict[int, int] = {}

    def is_second(_line: str) -> bool:
        session = server.commands[-1][0]
        taken[session] = taken.get(session, 0) + 1
        return taken[session] == 2

    server.on("dot", Close(), when=is_second)
    account = make_account(server.port)
    for _ in range(12):
        make_message(account)
    delivery.drain_account(account_id=account.pk)
    assert lane().session_mails == 1
    assert states().count("queued") == 2, "in doubt until it was learnt"


def test_one_mail_alone_never_pauses_its_account_by_a_command_that_is_refused(server: ChaosServer) -> None:
    server.on("rcpt", Reply.of("501 malformed address"), when=lambda line: "bad@" in line)
    account = make_account(server.port)
    make_message(account, to=["bad@example.net"])
    for _ in range(8):
        delivery.drain_account(account_id=account.pk)
        rewind()
    assert (states(), attempts()) == (["queued"], [0])
    assert lane().wait_reason != WaitReason.PAUSED_PROTOCOL
    make_message(account)
    delivery.drain_account(account_id=account.pk)
    assert states() == ["queued", "sent"]
