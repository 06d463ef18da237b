"""Room in a worker for further sessions of a lane in hand: taken where nobody else waits for it, and given back for others."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from mailconfig.delivery.worker.in_hand import PATIENCE_SECONDS, InHand, LaneInHand

Start = Callable[[Callable[[], object]], None]
"""Runs work in a thread of its own."""


class SessionRoom:
    """Room for one further session, until it is freed."""

    def __init__(self, in_hand: InHand, lane: LaneInHand, on_free: Callable[[], None]) -> None:
        self._in_hand, self._lane, self._on_free = in_hand, lane, on_free
        self._is_wanted = False

    def is_wanted(self) -> bool:
        """Return whether a lane waits for it; from then on it is to be freed soon."""
        if not self._is_wanted and self._in_hand.claims(self._lane):
            self._is_wanted = True
        return self._is_wanted

    def free(self) -> None:
        """Give it back."""
        self._in_hand.free_session(self._lane, was_wanted=self._is_wanted)
        if self._is_wanted:
            self._lane.gave_way_at = time.monotonic()
        self._on_free()


class Room(Protocol):
    """Room of the worker, as the drain of one lane sees it. Used from the threads of all its sessions."""

    def take(self) -> SessionRoom | None:
        """Take room for one session more; ``None``: there is none that nobody else waits for."""
        ...

    def start(self, work: Callable[[], object]) -> None:
        """Run work in a thread of its own.

        Raises:
            RuntimeError: the machine has no room for another thread.
        """
        ...

    def note_moved(self) -> None:
        """Note that the lane's server answers."""
        ...

    def go_on(self) -> None:
        """Begin another slice, whoever waits: a session that hangs keeps the lane in hand anyway."""
        ...


class LaneRoom:
    """The :class:`Room` of a lane in hand."""

    def __init__(
        self,
        in_hand: InHand,
        lane: LaneInHand,
        *,
        start: Start,
        on_free: Callable[[], None],
        takes_more: bool,
    ) -> None:
        """Make the room of a lane.

        Args:
            in_hand: the lanes of the worker.
            lane: which of them.
            start: runs work in a thread.
            on_free: called when room became free.
            takes_more: whether there may be further sessions at all.
        """
        self._in_hand, self._lane, self._start, self._on_free = in_hand, lane, start, on_free
        self._takes_more = takes_more

    def take(self) -> SessionRoom | None:
        """See :class:`Room`."""
        gave_way_lately = time.monotonic() - self._lane.gave_way_at < PATIENCE_SECONDS
        if gave_way_lately or not self._takes_more or not self._in_hand.add_session(self._lane):
            return None
        return SessionRoom(self._in_hand, self._lane, self._on_free)

    def start(self, work: Callable[[], object]) -> None:
        """See :class:`Room`."""
        self._start(work)

    def note_moved(self) -> None:
        """See :class:`Room`."""
        self._lane.note_moved()

    def go_on(self) -> None:
        """See :class:`Room`."""
        self._lane.slice_began_at = time.monotonic()
