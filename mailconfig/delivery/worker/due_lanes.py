"""Lanes that are due, as far as a supervisor has read them, and whether to look once more."""

from __future__ import annotations

import time
from collections import deque

from mailconfig.delivery.clock import database_now
from mailconfig.delivery.mishaps import Containment
from mailconfig.delivery.worker.in_hand import InHand
from mailconfig.delivery.worker.picking import LONG_AGO, DueLane, next_due_at, pick_due
from mailconfig.delivery.worker.purposes import Work

READ_AHEAD = 2
"""So many times the concurrency is read at once; what is not taken soon is read again."""
LEAST_READ = 200
"""Ranking ten thousand due lanes takes PostgreSQL some 20 ms, however few of them are read."""

LOOK_UP_SECONDS = 0.25
"""So often it is seen that lanes in hand begin to wait for their servers, which makes room and is no event."""


class DueLanes:
    """Lanes that are due and not in hand. Used by the supervisor's own thread; others may set ``must_look``."""

    def __init__(self, work: Work, in_hand: InHand, containment: Containment, *, look_seconds: float) -> None:
        """Know nothing yet.

        Args:
            work: of which lanes.
            in_hand: lanes that are taken, which say what room there is.
            containment: knows those that rest.
            look_seconds: what was read before is old.
        """
        self.line: deque[DueLane] = deque()
        self._looked_until = LONG_AGO
        """By the database's clock: what was due then and is not in line was left out, and is not waited for."""
        self.must_look = True
        """Whether something came about since the last look."""
        self.found_all = False
        """Nothing is due but what was read."""
        self.has_left_out = False
        """Whether the last look left out lanes of servers that have their share."""
        self._is_nobody_else = False
        """What was read is of servers that have their share, since there was nothing else."""
        self._looked_at = float("-inf")
        self._work, self._in_hand, self._containment = work, in_hand, containment
        self._look_seconds = look_seconds

    def forget(self) -> None:
        """Believe nothing of the last look: it may have failed in the middle."""
        self.must_look, self.found_all = True, False

    def is_look_due(self) -> bool:
        """Return whether to read what is due: it was read long ago, or something came about and there is room."""
        is_old = time.monotonic() - self._looked_at >= self._look_seconds
        return is_old or self.is_look_wanted()

    def is_look_wanted(self) -> bool:
        """Return whether something came about, and what was read before is used up."""
        has_room = self._in_hand.room() > 0 or self._in_hand.further_sessions > 0
        return self.must_look and not self.line and has_room

    def seconds_to_wait(self, *, has_just_started: bool) -> float:
        """Return how long there is nothing to do, until the next lane becomes due.

        Args:
            has_just_started: whether lanes are beginning, which are not to be disturbed.
        """
        most = self._look_seconds
        if self.is_look_wanted():
            return 0.0
        if self.line or has_just_started:
            return min(most, LOOK_UP_SECONDS)
        due_at = next_due_at(self._work.purpose, after=self._looked_until)
        if due_at is None:
            return most
        seconds = (due_at - database_now()).total_seconds()
        if seconds <= 0:
            self.must_look = True
            return 0.0 if self.is_look_wanted() else min(most, LOOK_UP_SECONDS)
        return min(most, seconds)

    def may_find_more(self) -> bool:
        """Return whether a look may bring up lanes that the last one did not, or left out for others' sake."""
        return not self._is_nobody_else if self.line else not self.found_all

    def look(self) -> None:
        """Read what is due: of servers that have their share only if there is nothing else."""
        self.must_look, self._looked_at, self._looked_until = False, time.monotonic(), database_now()
        limit = max(LEAST_READ, READ_AHEAD * self._in_hand.concurrency)
        without = {*self._in_hand.account_ids, *self._containment.resting(self._work.unit)}
        left_out = self._in_hand.crowded()
        found = pick_due(self._work.purpose, limit=limit, without=without, not_at=left_out)
        self._is_nobody_else = not found and bool(left_out)
        if self._is_nobody_else:
            left_out = self._in_hand.hanging()
            found = pick_due(self._work.purpose, limit=limit, without=without, not_at=left_out)
        self.line = deque(found)
        self.found_all, self.has_left_out = len(found) < limit, bool(left_out)

    def next_lane(self) -> DueLane | None:
        """Take the next one out of line: of a server that has its share only if nobody else waits."""
        left_out = self._in_hand.hanging() if self._is_nobody_else else self._in_hand.crowded()
        for lane in self.line:
            if lane.host not in left_out and lane not in self._in_hand:
                self.line.remove(lane)
                return lane
        return None
