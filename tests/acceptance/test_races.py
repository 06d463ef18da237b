"""Several workers race one mailbox: one session at a time, order, no duplicate, windows exact at the server."""

from __future__ import annotations

import contextlib
from itertools import pairwise
from pathlib import Path

import pytest

from mailconfig import delivery
from mailconfig.models import Attempt, Message, MessageState
from tests.acceptance.invariants import overfull_windows
from tests.acceptance.kills import FAST
from tests.factories import make_account, make_email
from tests.servers.children import drain_worker, until
from tests.servers.sink import SessionTimes, Sink

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

RACING = {**FAST, "SWEEP_SECONDS": 5.0}
"""Nobody dies here, and sweeps of eight workers would take more than the race itself."""
MAILS, LIMIT, PERIOD = 220, 60, 2


@pytest.mark.parametrize(("workers", "window"), [(2, 10), (8, 1)])
def test_workers_race_one_mailbox_and_its_limits_stay_exact(
    workers: int, window: int, tmp_path: Path
) -> None:
    settings = {**RACING, "LEASE_SECONDS": 10.0, "SLICE_SECONDS": 0.3, "WINDOW": window}
    with Sink(tmp_path) as sink, contextlib.ExitStack() as stack:
        account = make_account(sink.port, limit_count=LIMIT, limit_period=PERIOD, limit_per_day=MAILS)
        delivery.enqueue_many((make_email(number) for number in range(MAILS + 5)), account=account)
        crew = [stack.enter_context(drain_worker(tmp_path, settings)) for _ in range(workers)]

        sink.await_messages(MAILS)
        sent = Message.objects.filter(state=MessageState.SENT)
        until(lambda: sent.count() == MAILS, why="the outcomes were not committed")
        until(lambda: Message.objects.exclude(account__lanes__wait_reason="limit").count() == 0)
        assert [worker.terminate() for worker in crew] == [0] * workers

        expected = [(f"to{number}@example.net",) for number in range(MAILS)]
        assert [message.recipients for message in sink.messages] == expected, "in order, once each"
        assert not overfull_windows(sink.messages, limit=LIMIT, seconds=PERIOD)
        assert Message.objects.filter(state=MessageState.QUEUED).count() == 5, "over the day's limit"
        by_start = sorted(sink.sessions, key=lambda session: session.began)
        assert all(one.last <= other.began for one, other in pairwise(by_start)), "one session at a time"
        assert len({message.session for message in sink.messages}) > 1, "the lane never changed hands"


ACCOUNTS, MAILS_EACH = 100, 4


@pytest.mark.postgres
def test_eight_workers_on_a_hundred_accounts_send_each_mail_once_and_in_order(tmp_path: Path) -> None:
    """Lanes change hands all the time, and belong to one worker at any moment."""
    settings = {**RACING, "LEASE_SECONDS": 30.0, "SLICE_SECONDS": 0.2, "CONCURRENCY": 8, "WINDOW": 2}
    with Sink(tmp_path, "--latency", "0.01") as sink, contextlib.ExitStack() as stack:
        accounts = [
            make_account(sink.port, from_email=f"from{number}@example.com") for number in range(ACCOUNTS)
        ]
        crew = [stack.enter_context(drain_worker(tmp_path, settings)) for _ in range(8)]
        for number in range(MAILS_EACH):
            for account in accounts:
                delivery.enqueue(make_email(number), account=account)
        sink.await_messages(ACCOUNTS * MAILS_EACH)
        until(
            lambda: not Message.objects.exclude(state="sent").exists(), why="the outcomes were not committed"
        )
        assert [worker.terminate() for worker in crew] == [0] * 8

        assert len(sink.messages) == ACCOUNTS * MAILS_EACH
        assert set(Message.objects.values_list("attempts", flat=True)) == {1}
        times = {session.number: session for session in sink.sessions}
        for account in accounts:
            mine = [message for message in sink.messages if message.mail_from == account.from_email]
            expected = [(f"to{number}@example.net",) for number in range(MAILS_EACH)]
            assert [message.recipients for message in mine] == expected, "in order, once each"
            sessions = sorted((times[number] for number in {message.session for message in mine}), key=began)
            assert all(one.last <= other.began for one, other in pairwise(sessions)), "one session at a time"
        workers = set(Attempt.objects.values_list("worker", flat=True))
        assert len(workers) > 2, "the others did nothing"


def began(session: SessionTimes) -> float:
    """When its client came."""
    return session.began
