"""A worker beside the test, and accounts with mail for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from mailconfig import delivery
from mailconfig.models import Account, Message
from tests.factories import make_account, make_message


@pytest.fixture
def worker() -> Iterator[Callable[[], threading.Thread]]:
    """Starts :func:`delivery.run` in a thread; it ends with the test."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def work() -> None:
        try:
            delivery.run(should_stop=stop.is_set)
        finally:
            connection.close()

    def start() -> threading.Thread:
        threads.append(threading.Thread(target=work))
        threads[-1].start()
        return threads[-1]

    yield start
    stop.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def queue(port: int, accounts: int, mails: int = 1, **values: Any) -> list[Account]:
    """So many accounts with so many mails each, whose lanes are due."""
    made = [make_account(port, **values) for _ in range(accounts)]
    for account in made:
        for _ in range(mails):
            make_message(account)
        delivery.wake_lane(account.pk)
    return made


def sent(accounts: list[Account]) -> int:
    """How many of their mails are out."""
    return Message.objects.filter(account__in=accounts, state="sent").count()
