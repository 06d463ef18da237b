"""Sessions of a lane are opened by their own threads and by the drain, and are no more than the account may have all the same."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from mailconfig.delivery.lanes import Ownership
from mailconfig.delivery.worker.conversation import Conversation, Reading
from mailconfig.delivery.worker.crew import Crew


class Waits:
    """A conversation whose server says nothing until the test is over."""

    is_open, is_refused = True, False

    def __init__(self, is_over: threading.Event) -> None:
        self.begin, self.converse = lambda _reading: None, is_over.wait
        self.is_idle, self.leave = lambda: False, lambda: None
        self.goes_on = lambda: not is_over.is_set()


def test_a_session_that_moves_just_when_the_drain_helps_out_opens_none_beyond_those_allowed() -> None:
    is_over = threading.Event()
    threads: list[threading.Thread] = []

    def start(work: Callable[[], object]) -> None:
        threads.append(threading.Thread(target=work))
        threads[-1].start()

    def is_more_due() -> bool:
        """Ask the database; a session hears from its server meanwhile."""
        moving = threading.Thread(target=crew.note_outcome)
        moving.start()
        moving.join()
        return True

    session_room = SimpleNamespace(free=lambda: None, is_wanted=lambda: False)
    room = SimpleNamespace(take=lambda: session_room, start=start, note_moved=lambda: None)
    reading = SimpleNamespace(
        standing=SimpleNamespace(is_over=False, sessions_at_once=lambda most: most),
        line=SimpleNamespace(has_more_than=lambda _number: True, is_more_due=is_more_due),
        sessions=3,
        window=1,
    )
    crew = Crew(
        cast("Ownership", None),
        cast("Any", room),
        recruit=lambda _others, _is_over: cast("Conversation", Waits(is_over)),
        is_over=is_over.is_set,
    )
    try:
        crew.begin(cast("Reading", reading))
        crew.note_outcome()
        crew.spread()
        assert len(threads) == 2
        time.sleep(0.01)
        crew.help_out(patience=0.001)
        assert len(threads) == 3
    finally:
        is_over.set()
        for thread in threads:
            thread.join(10)
