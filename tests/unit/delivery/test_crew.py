"""Sessions of a lane are opened, looked at and ended by several threads at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from mailconfig.conf import Settings
from mailconfig.delivery.lanes import Ownership
from mailconfig.delivery.worker.conversation import Conversation, Reading
from mailconfig.delivery.worker.crew import Crew
from mailconfig.delivery.worker.sessions import SessionKeeper


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


class EndsMeanwhile:
    """A session that ends while somebody looks whether it is open."""

    closed = True

    def __init__(self, keeper: SessionKeeper) -> None:
        self._keeper = keeper

    def __bool__(self) -> bool:
        self._keeper._session = None
        return True


def test_a_session_may_end_while_others_count_those_that_are_open() -> None:
    keeper = SessionKeeper(Settings(), on_wait=lambda: None)
    keeper._session = cast("Any", EndsMeanwhile(keeper))
    assert keeper.current is None
