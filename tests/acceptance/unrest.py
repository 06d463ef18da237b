"""A run in which people keep editing their accounts while one worker after another is killed at random.

Ten accounts are edited, limited, disabled, enabled, moved to another server, owner or tenant, and deleted (and others made)
while mail comes in, and two workers are killed and replaced all the time. In the end everything that was accepted has
arrived, twice only what a killed worker had in hand, and no account's mail stood still without a reason.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from mailconfig import delivery
from mailconfig.delivery.queue.due import waiting
from mailconfig.exceptions import AccountInUse
from mailconfig.models import Account, HandOver, Installation, Lane, Message, MessageState
from tests.acceptance.invariants import check_ledger, check_states, in_hand, message_ids
from tests.factories import make_account, make_tenant, make_user
from tests.servers.children import Child, drain_worker, environment, until
from tests.servers.sink import Received, Sink

MAILCONFIG = {
    "LEASE_SECONDS": 4.0,
    "SLICE_SECONDS": 1.0,
    "SWEEP_SECONDS": 1.0,
    "RING_SECONDS": 0.1,
    "LIMIT_WAIT_SECONDS": 0.2,
    "TIMEOUTS": {"dot": 8.0},
    "WINDOW": 3,
}
"""Everything that waits, scaled: certainty about a hand-over after 12 s."""

ACCOUNTS = 10
WORKERS = 2
SWEEPS = 3
"""A lane that is looked at so often by the sweep, and not mended, stands still: two sweeps whole after it was seen."""


class Sinks:
    """Two servers, seen as one: what was accepted is accepted, wherever the account pointed."""

    def __init__(self, *sinks: Sink) -> None:
        self.sinks = sinks

    @property
    def messages(self) -> list[Received]:
        """Of all servers, in the order in which they were accepted."""
        return sorted((message for sink in self.sinks for message in sink.messages), key=lambda one: one.at)

    def by_message_id(self) -> dict[str, list[Received]]:
        """Copies of each message."""
        copies: dict[str, list[Received]] = {}
        for message in self.messages:
            copies.setdefault(message.message_id, []).append(message)
        return copies


@dataclass
class Watch:
    """Looks for lanes that stand still: mail is due, nothing holds them, nobody owns them, and nobody was told.

    What is due and known (``due_at`` has passed) waits for a worker, which a busy machine may lack.
    """

    swept_at: datetime | None = None
    seen: Counter[int] = field(default_factory=Counter)
    longest: int = 0

    def look(self) -> None:
        """Count for each lane the sweeps in a row that found it so. Raises AssertionError for one that stays so."""
        swept_at = Installation.objects.values_list("swept_at", flat=True).first()
        if swept_at == self.swept_at:
            return
        self.swept_at = swept_at
        still = set(self._unexplained().values_list("pk", flat=True))
        self.seen = Counter({pk: self.seen[pk] + 1 for pk in still})
        self.longest = max([self.longest, *self.seen.values()])
        stuck = [pk for pk, sweeps in self.seen.items() if sweeps > SWEEPS]
        lanes = Lane.objects.filter(pk__in=stuck).values()
        assert not stuck, f"due, and nobody knows why not: {list(lanes)}"

    @staticmethod
    def _unexplained() -> Any:
        now = timezone.now()
        due = waiting(Message.objects.filter(account_id=OuterRef("account_id"), not_before__lte=now))
        reasonless = Q(wait_reason="") | Q(wait_until__lte=now)
        untrue = Q(wait_reason="disabled", account__is_enabled=True, account__deleted_at=None)
        unowned = Q(lease_until=None) | Q(lease_until__lt=now)
        unknown = Q(due_at=None) | Q(due_at__gt=now)
        return Lane.objects.filter(Exists(due), reasonless | untrue, unowned, unknown)


@dataclass
class Outcome:
    """The figures of a run."""

    messages: int
    kills: int
    edits: Counter[str]
    lost: int
    twice: int
    longest_unexplained: int

    def __str__(self) -> str:
        edits = ", ".join(f"{name} {count}" for name, count in sorted(self.edits.items()))
        return (
            f"{self.messages} mails, {self.kills} kills, {self.lost} lost, {self.twice} twice, "
            f"unexplained for at most {self.longest_unexplained} sweeps; {edits}"
        )


class Unrest:
    """One run of so many seconds; :meth:`run` does it all."""

    def __init__(self, folder: Path, *, seconds: float, seed: int) -> None:
        self.folder = folder
        self.seconds = seconds
        self.dice = random.Random(seed)  # noqa: S311 - dice
        self.ledger = folder / "ledger.jsonl"
        self.edits: Counter[str] = Counter()
        self.in_hand: list[frozenset[str]] = []
        """For each kill, the Message-IDs whose outcome was open: the only messages that may arrive once more."""
        self.watch = Watch()
        self.tenants = [make_tenant() for _ in range(3)]
        self.owners = [make_user() for _ in range(3)]

    def run(self) -> Outcome:
        """Disturb for as long as was said, then let a worker finish in peace."""
        with Sink(self.folder / "one") as one, Sink(self.folder / "two") as two:
            self.ports = [one.port, two.port]
            for _ in range(ACCOUNTS):
                self._make()
            arguments = [
                "-m",
                "tests.acceptance.feeder",
                str(self.ledger),
                "--backlog",
                "150",
                "--every",
                "0.05",
            ]
            with Child(*arguments, folder=self.folder, env=environment(MAILCONFIG)) as feeder:
                self._disturb()
                assert feeder.terminate() == 0, feeder.said()
            self._finish()
            return self._tally(Sinks(one, two))

    def _disturb(self) -> None:
        workers = [drain_worker(self.folder, MAILCONFIG) for _ in range(WORKERS)]
        try:
            ends_at = time.monotonic() + self.seconds
            kill_at = time.monotonic() + 2.0
            while time.monotonic() < ends_at:
                self._edit()
                self.watch.look()
                if time.monotonic() >= kill_at:
                    number = self.dice.randrange(WORKERS)
                    self._kill(workers[number])
                    workers[number] = drain_worker(self.folder, MAILCONFIG)
                    kill_at = time.monotonic() + self.dice.uniform(1.0, 5.0)
                time.sleep(self.dice.uniform(0.0, 0.1))
        finally:
            for worker in workers:
                self._kill(worker)

    def _kill(self, worker: Child) -> None:
        assert worker.is_running, f"a worker ended by itself:\n{worker.said()}"
        worker.kill()
        worker.end()
        self.in_hand.append(in_hand(worker.pid))

    # What people do.

    def _edit(self) -> None:
        account = self.dice.choice(list(Account.objects.kept()))
        edits: list[Callable[[Account], None]] = [
            self._rename,
            self._disable,
            self._enable,
            self._enable,
            self._limit,
            self._unlimit,
            self._move_server,
            self._move_owner,
            self._delete,
        ]
        edit = self.dice.choice(edits)
        edit(account)
        self.edits[edit.__name__.strip("_")] += 1

    def _store(self, account: Account, **values: object) -> None:
        for name, value in values.items():
            setattr(account, name, value)
        delivery.save_account(account=account, by=None)

    def _make(self) -> None:
        make_account(self.dice.choice(self.ports), is_enabled=self.dice.random() < 0.9)

    def _rename(self, account: Account) -> None:
        self._store(account, from_name=f"Name {self.dice.random()}")

    def _disable(self, account: Account) -> None:
        self._store(account, is_enabled=False)

    def _enable(self, account: Account) -> None:
        self._store(account, is_enabled=True)

    def _limit(self, account: Account) -> None:
        self._store(account, limit_count=self.dice.choice((0, 1, 5)), limit_period=1)

    def _unlimit(self, account: Account) -> None:
        self._store(account, limit_count=None, limit_period=None)

    def _move_server(self, account: Account) -> None:
        self._store(account, port=self.dice.choice(self.ports))

    def _move_owner(self, account: Account) -> None:
        self._store(account, tenant=self.dice.choice(self.tenants), owner=self.dice.choice(self.owners))

    def _delete(self, account: Account) -> None:
        try:
            delivery.delete_account(account_id=account.pk, by=None)
        except AccountInUse:
            return
        self._make()

    # What came of it.

    def _finish(self) -> None:
        for account in Account.objects.kept():
            self._store(account, is_enabled=True, limit_count=None, limit_period=None)
        waiting = Message.objects.filter(state=MessageState.QUEUED)
        with drain_worker(self.folder, MAILCONFIG) as worker:
            until(lambda: not waiting.exists(), why="the queue was not empty")
            assert worker.terminate() == 0, worker.said()

    def _tally(self, sinks: Sinks) -> Outcome:
        check_states(sinks)
        check_ledger(self.ledger, sinks)
        unsent = Message.objects.exclude(state=MessageState.SENT).values_list("pk", "state")
        assert not unsent, f"not sent in the end: {list(unsent)}"
        assert not HandOver.objects.exists()
        copies = sinks.by_message_id()
        lost = sum(one not in copies for one in message_ids(Message.objects.all()))
        return Outcome(
            messages=Message.objects.count(),
            kills=len(self.in_hand),
            edits=self.edits,
            lost=lost,
            twice=self._count_twice(copies),
            longest_unexplained=self.watch.longest,
        )

    def _count_twice(self, copies: dict[str, list[Received]]) -> int:
        """Copies beyond the first: as many as kills had the message in hand, at most."""
        explained: Counter[str] = Counter()
        account_of = {message.message_id: message.account_id for message in Message.objects.all()}
        for held in self.in_hand:
            of_accounts = Counter(account_of.get(message_id) for message_id in held)
            most = max(of_accounts.values(), default=0)
            assert most <= MAILCONFIG["WINDOW"] + 1, of_accounts  # type: ignore[operator]
            explained.update(held)
        twice = 0
        for message_id, received in copies.items():
            extra = len(received) - 1
            assert extra <= explained[message_id], f"{message_id} came {extra + 1} times without a reason"
            assert len({copy.data for copy in received}) == 1, f"copies of {message_id} differ"
            twice += extra
        return twice
