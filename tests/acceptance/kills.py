"""A run under fire: mail keeps coming, and one worker after another is killed at a crash point."""

from __future__ import annotations

import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db.models import QuerySet

from mailconfig import delivery
from mailconfig.models import Message, MessageState
from tests.acceptance.invariants import (
    Kill,
    Tally,
    check_ledger,
    check_limits,
    check_states,
    count_duplicates,
    count_lost,
    lanes_of,
)
from tests.acceptance.invariants import in_hand as messages_in_hand
from tests.factories import make_account
from tests.servers.children import Child, drain_worker, environment, until
from tests.servers.sink import Sink

POINTS = (
    "before_doorbell",
    "after_lane",
    "after_mail",
    "after_rcpt",
    "after_data",
    "mid_body",
    "after_journal",
    "after_dot",
    "after_reply",
    "after_commit",
)
SHARED = ("before_shared_commit", "shared_commit_sent", "after_shared_commit")
"""Around the commit that lanes share: nothing is written, the database has it and no answer was read, nobody was told."""
HARMLESS = frozenset({"before_doorbell", "after_lane", "after_commit"})
"""Points at which no dot is out whose outcome is not committed, whatever the window."""
HARMLESS_ONE_BY_ONE = HARMLESS | {"after_journal", "mid_body"}
"""With one message in flight: the journal's commit took the outcome before it along."""

FAST = {
    "LEASE_SECONDS": 2.0,
    "SLICE_SECONDS": 1.0,
    "SWEEP_SECONDS": 0.3,
    "RING_SECONDS": 0.1,
    "TIMEOUTS": {"dot": 4.0},
}
"""Everything that waits, scaled: a lease of 2 s, a slice of 1 s where mail comes as fast as it leaves, certainty about a
hand-over after 6 s."""


LIMIT, PERIOD = 6, 1
"""Of each account where a worker has many in hand: so many mails in so many seconds."""
MAILS_A_LANE = 8
"""Waiting before a worker with many lanes starts, so that all of them have something to do until it dies."""
PASSES_A_LANE = 2
"""How often each lane comes by before a worker with many lanes dies."""


@dataclass(frozen=True)
class Fire:
    """How to shoot.

    Attributes:
        kills: at each point.
        window: messages in flight.
        policy: ``retry`` or ``hold``.
        pipelining: whether the server offers it; with it a proposal rides with the dot before it.
        lanes: how many a worker has in hand, with an account and a limit each. With one at a time, the point at which a
            worker dies says what was out.
        sessions: over how many at once each account is sent.
    """

    kills: int
    window: int
    policy: str
    pipelining: bool
    lanes: int = 1
    sessions: int = 1

    @property
    def in_hand(self) -> int:
        """How many sessions a worker has in hand."""
        return self.lanes * self.sessions

    @property
    def points(self) -> tuple[str, ...]:
        """Where workers are killed."""
        return POINTS if self.in_hand == 1 else POINTS + SHARED

    @property
    def accounts(self) -> dict[str, Any]:
        """Values of the accounts."""
        if self.in_hand == 1:
            return {}
        return {
            "limit_count": LIMIT * self.sessions,
            "limit_period": PERIOD,
            "max_sessions": self.sessions,
        }

    @property
    def settings(self) -> dict[str, Any]:
        """``MAILCONFIG`` of the workers."""
        return {**FAST, "WINDOW": self.window, "AMBIGUITY": self.policy, "CONCURRENCY": self.in_hand}


def waiting() -> QuerySet[Message]:
    """What is to be sent."""
    return Message.objects.filter(state=MessageState.QUEUED)


class Run:
    """One run; :meth:`run` does it all and checks the invariants after every kill."""

    def __init__(self, fire: Fire, folder: Path, *, accounts: int = 0) -> None:
        """Shoot at ``accounts``; by default one for each lane, and at four with one lane."""
        self.fire = fire
        self.folder = folder
        self.ledger = folder / "ledger.jsonl"
        self.kills: list[Kill] = []
        self._account_count = accounts or (max(4, fire.lanes) if fire.sessions == 1 else fire.lanes)
        self._backlog = max(100, MAILS_A_LANE * fire.in_hand)

    def run(self) -> Tally:
        """Shoot, then let a worker finish in peace."""
        options = [] if self.fire.pipelining else ["--no-pipelining"]
        if self.fire.in_hand > 1:
            options += ["--latency", "0.03"]
        with Sink(self.folder, *options) as sink:
            self.accounts = [
                make_account(sink.port, **self.fire.accounts) for _ in range(self._account_count)
            ]
            with self._feeder("--backlog", str(self._backlog)) as feeder:
                for point in self._shuffled():
                    self._shoot(point)
                    check_states(sink)
                assert feeder.terminate() == 0, feeder.said()
            self._finish(sink)
            return self._tally(sink)

    def _shuffled(self) -> list[str]:
        points = list(self.fire.points) * self.fire.kills
        random.shuffle(points)
        return points

    def _feeder(self, *options: str, crash_at: str = "") -> Child:
        keys = [str(account.pk) for account in self.accounts]
        arguments = ["-m", "tests.acceptance.feeder", str(self.ledger), *keys, *options]
        return Child(*arguments, folder=self.folder, env=environment(self.fire.settings, crash_at=crash_at))

    def _shoot(self, point: str) -> None:
        crash_at = f"{point}:{random.choice((1, 0.3, 0.1))}"  # noqa: S311 - dice
        if self.fire.in_hand > 1:
            until(lambda: waiting().count() >= self._backlog, why="the feeder fed nothing")
            crash_at = f"{point}@{self._passes(point)}"
        began = time.time()
        if point == "before_doorbell":
            victim = self._feeder("--every", "0.01", crash_at=crash_at)
        else:
            victim = drain_worker(self.folder, self.fire.settings, crash_at=crash_at)
        with victim:
            code = victim.wait()
            assert code == -signal.SIGKILL, f"it ended otherwise than by {point}:\n{victim.said()}"
        kill = Kill(point, began, messages_in_hand(victim.pid), lanes_of(victim.pid))
        assert len(kill.in_hand) <= self.fire.window * self.fire.in_hand, (
            "more than a window for each session"
        )
        self.kills.append(kill)

    def _passes(self, point: str) -> int:
        """How often a worker with many lanes, or a feeder, comes by a point until it dies there: differently each time."""
        if point == "after_lane":
            return self.fire.lanes
        if point in SHARED:
            return random.randint(4, 20)  # noqa: S311 - dice
        return random.randint(1, PASSES_A_LANE * 2) * self.fire.in_hand  # noqa: S311 - dice

    def _finish(self, sink: Sink) -> None:
        self.kills.append(Kill("in peace", time.time(), frozenset(), frozenset()))
        self._drain_in_peace()
        if self.fire.policy != "hold":
            return
        copies = sink.by_message_id()
        doubles = [message_id for message_id, received in copies.items() if len(received) > 1]
        assert not doubles, f"held mail went out again: {doubles}"
        held = {message.pk: message.message_id for message in Message.objects.filter(state=MessageState.HELD)}
        seen = frozenset[str]().union(*(kill.in_hand for kill in self.kills))
        assert set(held.values()) <= seen, "only what a kill left open is held"
        for pk in held:
            delivery.release(message_id=pk)
        self._drain_in_peace()

    def _drain_in_peace(self) -> None:
        with drain_worker(self.folder, self.fire.settings) as worker:
            until(lambda: not waiting().exists(), why="the queue was not empty")
            assert worker.terminate() == 0, worker.said()

    def _tally(self, sink: Sink) -> Tally:
        check_states(sink)
        check_ledger(self.ledger, sink)
        unsent = Message.objects.exclude(state=MessageState.SENT).values_list("pk", "state")
        assert not unsent, f"not sent in the end: {list(unsent)}"
        duplicates = count_duplicates(sink, self.kills, window=self.fire.window * self.fire.sessions)
        self._check_points(duplicates)
        if self.fire.in_hand > 1:
            check_limits(sink, limit=LIMIT * self.fire.sessions, seconds=PERIOD)
        if self.fire.policy == "hold":
            duplicates = {}  # they came when a person released what was held
        counts = {point: sum(kill.point == point for kill in self.kills) for point in self.fire.points}
        lanes = [len(kill.lanes) for kill in self.kills if kill.point not in {"before_doorbell", "in peace"}]
        return Tally(Message.objects.count(), counts, duplicates, count_lost(sink), sum(lanes) / len(lanes))

    def _check_points(self, duplicates: dict[str, int]) -> None:
        """Duplicates come only where a dot was out before its outcome was committed."""
        if self.fire.in_hand > 1:
            harmless = frozenset({"before_doorbell"})  # at any other point, other sessions have dots out
        else:
            harmless = HARMLESS_ONE_BY_ONE if self.fire.window == 1 else HARMLESS
        assert not duplicates.keys() & harmless, duplicates
