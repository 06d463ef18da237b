"""A worker beside the test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from django.db import connection

from mailconfig import delivery


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
