"""Several workers race one mailbox: one session at a time, order, no duplicate, windows exact at the server."""

from __future__ import annotations

import contextlib
from itertools import pairwise
from pathlib import Path

import pytest

from mailconfig import delivery
from mailconfig.models import Message, MessageState
from tests.acceptance.invariants import overfull_windows
from tests.acceptance.kills import FAST
from tests.factories import make_account, make_email
from tests.servers.children import drain_worker, until
from tests.servers.sink import Sink

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

MAILS, LIMIT, PERIOD = 220, 60, 2


@pytest.mark.parametrize(("workers", "window"), [(2, 10), (8, 1)])
def test_workers_race_one_mailbox_and_its_limits_stay_exact(
    workers: int, window: int, tmp_path: Path
) -> None:
    settings = {**FAST, "LEASE_SECONDS": 10.0, "SLICE_SECONDS": 0.3, "WINDOW": window}
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
