"""Threads of a worker, on a machine that has no room for one more."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mailconfig import delivery
from mailconfig.delivery.worker.purposes import sending
from mailconfig.delivery.worker.supervisor import Supervisor
from mailconfig.delivery.worker.threads import Threads
from mailconfig.models import Message
from tests.factories import make_account, make_message
from tests.servers.chaos import ChaosServer

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def no_room() -> Iterator[None]:
    """No machine has memory for a stack of that size."""
    before = threading.stack_size(2**46)
    try:
        yield
    finally:
        threading.stack_size(before)


def test_threads_that_could_not_be_started_are_not_waited_for() -> None:
    threads = Threads("test")
    with no_room(), pytest.raises(RuntimeError):
        threads.start(lambda: None)
    assert threads.close(seconds=5)


@pytest.mark.postgres
def test_a_lane_for_which_no_thread_could_be_started_is_taken_once_there_is_room() -> None:
    with ChaosServer() as server:
        account = make_account(server.port)
        make_message(account)
        delivery.wake_lane(account.pk)
        turns: list[int] = []
        reports: list[delivery.DrainReport] = []
        room = no_room()

        def between() -> None:
            turns.append(1)
            if len(turns) == 1:
                room.__enter__()
            elif len(turns) == 2:
                room.__exit__(None, None, None)

        supervisor = Supervisor(
            sending(reports.append),
            concurrency=1,
            with_threads=True,
            should_stop=lambda: len(turns) > 20,
        )
        with supervisor:
            supervisor.run(once=True, between=between)
        assert Message.objects.get().state == "sent"
        assert len(turns) > 2
        assert len(reports) == 1
