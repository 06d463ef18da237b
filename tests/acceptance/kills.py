"""A run under fire: mail keeps coming, and one worker after another is killed at a crash point."""

from __future__ import annotations

import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mailconfig import delivery
from mailconfig.models import Message, MessageState
from tests.acceptance.invariants import Kill, Tally, check_ledger, check_states, count_duplicates, count_lost
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


@dataclass(frozen=True)
class Fire:
    """How to shoot.

    Attributes:
        kills: at each point.
        window: messages in flight.
        policy: ``retry`` or ``hold``.
        pipelining: whether the server offers it; with it a proposal rides with the dot before it.
    """

    kills: int
    window: int
    policy: str
    pipelining: bool

    @property
    def settings(self) -> dict[str, Any]:
        """``MAILCONFIG`` of the workers."""
        # One lane at a time, so that the point at which a worker dies says what was out.
        return {**FAST, "WINDOW": self.window, "AMBIGUITY": self.policy, "CONCURRENCY": 1}


class Run:
    """One run; :meth:`run` does it all and checks the invariants after every kill."""

    def __init__(self, fire: Fire, folder: Path, *, accounts: int = 4) -> None:
        self.fire = fire
        self.folder = folder
        self.ledger = folder / "ledger.jsonl"
        self.kills: list[Kill] = []
        self._account_count = accounts

    def run(self) -> Tally:
        """Shoot, then let a worker finish in peace."""
        options = [] if self.fire.pipelining else ["--no-pipelining"]
        with Sink(self.folder, *options) as sink:
            self.accounts = [make_account(sink.port) for _ in range(self._account_count)]
            with self._feeder("--backlog", "100") as feeder:
                for point in self._shuffled():
                    self._shoot(point)
                    check_states(sink)
                assert feeder.terminate() == 0, feeder.said()
            self._finish(sink)
            return self._tally(sink)

    def _shuffled(self) -> list[str]:
        points = list(POINTS) * self.fire.kills
        random.shuffle(points)
        return points

    def _feeder(self, *options: str, crash_at: str = "") -> Child:
        keys = [str(account.pk) for account in self.accounts]
        arguments = ["-m", "tests.acceptance.feeder", str(self.ledger), *keys, *options]
        return Child(*arguments, folder=self.folder, env=environment(self.fire.settings, crash_at=crash_at))

    def _shoot(self, point: str) -> None:
        crash_at = f"{point}:{random.choice((1, 0.3, 0.1))}"  # noqa: S311 - dice
        began = time.time()
        if point == "before_doorbell":
            victim = self._feeder("--every", "0.01", crash_at=crash_at)
        else:
            victim = drain_worker(self.folder, self.fire.settings, crash_at=crash_at)
        with victim:
            code = victim.wait()
            assert code == -signal.SIGKILL, f"it ended otherwise than by {point}:\n{victim.said()}"
        self.kills.append(Kill(point, began, messages_in_hand(victim.pid)))

    def _finish(self, sink: Sink) -> None:
        self.kills.append(Kill("in peace", time.time(), frozenset()))
        self._drain_in_peace()
        if self.fire.policy != "hold":
            return
        copies = sink.by_message_id()
        doubles = [message_id for message_id, received in copies.items() if len(received) > 1]
        assert not doubles, f"held mail went out again: {doubles}"
        held = dict(Message.objects.filter(state=MessageState.HELD).values_list("pk", "message_id"))
        seen = frozenset[str]().union(*(kill.in_hand for kill in self.kills))
        assert set(held.values()) <= seen, "only what a kill left open is held"
        for pk in held:
            delivery.release(message_id=pk)
        self._drain_in_peace()

    def _drain_in_peace(self) -> None:
        waiting = Message.objects.filter(state=MessageState.QUEUED)
        with drain_worker(self.folder, self.fire.settings) as worker:
            until(lambda: not waiting.exists(), why="the queue was not empty")
            assert worker.terminate() == 0, worker.said()

    def _tally(self, sink: Sink) -> Tally:
        check_states(sink)
        check_ledger(self.ledger, sink)
        unsent = Message.objects.exclude(state=MessageState.SENT).values_list("message_id", "state")
        assert not unsent, f"not sent in the end: {list(unsent)}"
        duplicates = count_duplicates(sink, self.kills, window=self.fire.window)
        self._check_points(duplicates)
        if self.fire.policy == "hold":
            duplicates = {}  # they came when a person released what was held
        counts = {point: sum(kill.point == point for kill in self.kills) for point in POINTS}
        return Tally(Message.objects.count(), counts, duplicates, count_lost(sink))

    def _check_points(self, duplicates: dict[str, int]) -> None:
        """Duplicates come only where a dot was out before its outcome was committed."""
        harmless = HARMLESS_ONE_BY_ONE if self.fire.window == 1 else HARMLESS
        assert not duplicates.keys() & harmless, duplicates
