"""Lanes in hand of a worker: how many more it may take, of which servers, and when one gives way."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from mailconfig.delivery.worker.picking import DueLane, Host

PATIENCE_SECONDS = 2.0
"""A lane that came to no new mail for so long waits for its server, and makes room for another one."""
MOST_WAITING = 3
"""So many times the concurrency may wait for their servers besides; they cost a thread each, and next to no work."""


@dataclass(slots=True, eq=False)
class LaneInHand:
    """One lane and the threads that drain it.

    Attributes:
        lane: which one.
        since: when it was taken, by the monotonic clock.
        moved_at: when it came to its latest mail.
        slice_began_at: when its slice began.
        gave_way_at: when it gave back room for a further session because another lane waited.
        sessions: over how many it may send.
    """

    lane: DueLane
    since: float = field(default_factory=time.monotonic)
    moved_at: float = field(default_factory=time.monotonic)
    slice_began_at: float = field(default_factory=time.monotonic)
    gave_way_at: float = float("-inf")
    sessions: int = 1

    def note_moved(self) -> None:
        """Note that its server answers."""
        self.moved_at = time.monotonic()

    @property
    def waits(self) -> bool:
        """Return whether its server keeps it waiting."""
        return time.monotonic() - self.moved_at > PATIENCE_SECONDS


class InHand:
    """The lanes of one worker, and how many sessions each has. Lanes are added by the worker's own thread only; sessions by
    the lanes' threads.

    At most ``concurrency`` sessions move at a time. Those that wait for their servers come on top, up to
    :data:`MOST_WAITING` times as many, so that servers which hang cost nobody else's mail any time. While others wait, the
    accounts of one server have half of everything; when nobody does, they may have it all.
    """

    def __init__(self, concurrency: int) -> None:
        self.concurrency = concurrency
        self._share = max(1, concurrency // 2)
        self._most = concurrency * (1 + MOST_WAITING)
        self._lock = threading.Lock()
        self._lanes: dict[int, LaneInHand] = {}
        self._others: Sequence[DueLane] = ()
        """Lanes that are due and for which there was no room."""
        self._leaving = 0
        """Further sessions that end for their sake."""
        self._claims = 0
        """So many more are to end."""

    def __len__(self) -> int:
        return len(self._lanes)

    def __contains__(self, lane: DueLane) -> bool:
        return lane.account_id in self._lanes

    @property
    def account_ids(self) -> list[int]:
        """The accounts whose lanes are in hand."""
        return list(self._lanes)

    @property
    def waiting(self) -> int:
        """The number of lanes whose servers keep them waiting."""
        return sum(lane.waits for lane in tuple(self._lanes.values()))

    @property
    def further_sessions(self) -> int:
        """The number of sessions that lanes have beyond one each: they make room for lanes that wait."""
        return sum(lane.sessions - 1 for lane in tuple(self._lanes.values()))

    def add(self, lane: DueLane) -> LaneInHand | None:
        """Take one more; ``None``: there is no room."""
        with self._lock:
            if not self.room():
                return None
            in_hand = self._lanes[lane.account_id] = LaneInHand(lane)
            if lane.was_away:
                in_hand.moved_at = float("-inf")  # it waits until its server answers, as it did before
            return in_hand

    def add_session(self, in_hand: LaneInHand) -> bool:
        """Let a lane have one session more. Returns whether there is room for it, for which no lane waits."""
        with self._lock:
            host = in_hand.lane.host
            if not self.room() or self.gives_way(in_hand) or host in self.hanging():
                return False
            in_hand.sessions += 1
            return True

    def free_session(self, in_hand: LaneInHand, *, was_wanted: bool) -> None:
        """Take back what :meth:`add_session` gave, because another lane waited for it or since it is not needed."""
        with self._lock:
            in_hand.sessions -= 1
            self._leaving -= was_wanted

    def claims(self, in_hand: LaneInHand) -> bool:
        """Return whether one further session of this lane has to end, so that another lane comes in; once for each."""
        if not self._claims:
            return False
        with self._lock:
            if self._claims and self.gives_way(in_hand):
                self._claims -= 1
                self._leaving += 1
                return True
            return False

    def remove(self, in_hand: LaneInHand) -> None:
        """Forget one that was left."""
        self._lanes.pop(in_hand.lane.account_id, None)

    def note_others(self, lanes: Iterable[DueLane]) -> None:
        """Note which lanes wait for room."""
        with self._lock:
            self._others = tuple(lanes)
            self._claims = max(0, len(self._others) - self._leaving)

    def room(self) -> int:
        """Return how many lanes, or further sessions, may be taken now."""
        lanes = tuple(self._lanes.values())
        moving = sum(lane.sessions for lane in lanes if not lane.waits)
        return max(0, min(self.concurrency - moving, self._most - sum(lane.sessions for lane in lanes)))

    def crowded(self) -> set[Host]:
        """Return the servers whose accounts have their share, and get no more while others wait."""
        counts = self._sessions_by_host(tuple(self._lanes.values()))
        return {host for host, count in counts.items() if count >= self._share}

    def hanging(self) -> set[Host]:
        """Return the servers at which so many wait that no more are sent there."""
        counts = self._sessions_by_host(lane for lane in tuple(self._lanes.values()) if lane.waits)
        return {host for host, count in counts.items() if count >= self._share}

    @staticmethod
    def _sessions_by_host(lanes: Iterable[LaneInHand]) -> Counter[Host]:
        counts: Counter[Host] = Counter()
        for lane in lanes:
            counts[lane.lane.host] += lane.sessions
        return counts

    def gives_way(self, in_hand: LaneInHand) -> bool:
        """Return whether another lane would get the room that this one leaves."""
        others = self._others
        return bool(others) and may_follow(others, in_hand.lane.host, self.crowded())


def may_follow(others: Collection[DueLane], host: Host, crowded: Collection[Host]) -> bool:
    """Return whether one of ``others`` may be taken when one lane of ``host`` is left."""
    return any(other.host == host or other.host not in crowded for other in others)
