"""A run in which a fault comes every five seconds over a hundred accounts, and nothing may show of it in the end.

Workers are killed, stopped and continued, started and ended; PostgreSQL crashes or loses its connections; servers hang,
refuse, or cut connections off for a while. One worker lives through all of it: its memory, descriptors and connections say
whether it could do so for ever.
"""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from django.db import Error, connection
from django.db.models import Q

from mailconfig import delivery
from mailconfig.models import Attempt, AttemptOutcome, HandOver, Lane, Message, MessageState
from tests.acceptance.invariants import check_ledger, check_states, message_ids, overfull_windows
from tests.acceptance.unrest import Watch
from tests.factories import make_account, make_email
from tests.integration.faults import outage
from tests.servers.chaos import ChaosServer
from tests.servers.children import Child, drain_worker, environment, until
from tests.servers.faults import Action, Close, Hang, Reply, Reset
from tests.servers.sink import Received

MAILCONFIG: dict[str, Any] = {
    "LEASE_SECONDS": 6.0,
    "SLICE_SECONDS": 1.0,
    "SWEEP_SECONDS": 1.0,
    "RING_SECONDS": 0.2,
    "LIMIT_WAIT_SECONDS": 0.2,
    "TIMEOUTS": {
        "connect": 8.0,
        "banner": 8.0,
        "command": 8.0,
        "data": 8.0,
        "block": 8.0,
        "dot": 8.0,
        "quit": 1.0,
    },
    "BACKOFF_SECONDS": [1.0, 2.0, 4.0],
    "RETRY_SECONDS": 1.0,
    "RETRY_CAP_SECONDS": 4.0,
    "MAX_RETRIES": 1000,
    "STOP_SECONDS": 5.0,
    "WINDOW": 3,
    "CONCURRENCY": 10,
}
"""Everything that waits, scaled: certainty about a hand-over after 14 s."""

SERVERS, ACCOUNTS = 10, 100
LIMIT, PERIOD = 4, 2
"""Of each account: mails in so many seconds."""
BACKLOG = 400
EVERY = 5.0
"""Seconds between two faults."""
MOST_WORKERS = 4
IDLE_SECONDS = 15.0
"""After so long with nothing to do, threads and connections are gone that are not kept."""

Result = TypeVar("Result")


def patiently(call: Callable[[], Result]) -> Result:
    """What ``call`` returns, as soon as the database answers."""
    found: list[Result] = []

    def try_it() -> bool:
        try:
            found.append(call())
        except Error:
            connection.close()
            return False
        return True

    until(try_it, why="the database did not come back")
    return found[-1]


class Servers:
    """All servers, seen as one."""

    def __init__(self, servers: list[ChaosServer]) -> None:
        self.servers = servers

    @property
    def messages(self) -> list[Received]:
        """Of all servers, in the order in which they were accepted."""
        found = [
            Received(message.at, message.session, message.mail_from, message.recipients, message.data)
            for server in self.servers
            for message in list(server.messages)
        ]
        return sorted(found, key=lambda one: one.at)

    def by_message_id(self) -> dict[str, list[Received]]:
        """Copies of each message."""
        copies: dict[str, list[Received]] = {}
        for message in self.messages:
            copies.setdefault(message.message_id, []).append(message)
        return copies


@dataclass
class Footprint:
    """What a process takes up, at moments that are seconds apart."""

    pid: int
    samples: list[tuple[float, float]] = field(default_factory=list)
    """Monotonic time, and MiB resident."""

    def look(self) -> None:
        """Take one more sample of the memory."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                self.samples.append((time.monotonic(), int(line.split()[1]) / 1024))

    def descriptors(self) -> int:
        """How many files, sockets and pipes it has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def slope(self) -> float:
        """MiB a minute, by least squares over the last two thirds of the samples: before, it warms up."""
        samples = self.samples[len(self.samples) // 3 :]
        mean_time = sum(at for at, _ in samples) / len(samples)
        mean_size = sum(size for _, size in samples) / len(samples)
        spread = sum((at - mean_time) ** 2 for at, _ in samples)
        return 60 * sum((at - mean_time) * (size - mean_size) for at, size in samples) / spread


@dataclass
class Outcome:
    """The figures of a run."""

    messages: int
    faults: Counter[str]
    kills: int
    lost: int
    twice: int
    doubtful: int
    """Hand-overs of which nobody knew what became of them: each may have brought a copy."""
    longest_unexplained: int
    slope: float
    resident: list[float]
    """MiB of the survivor, minute by minute."""
    descriptors: tuple[int, int]
    connections: tuple[int, int]

    def __str__(self) -> str:
        faults = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        return (
            f"{self.messages} mails, {sum(self.faults.values())} faults, {self.kills} kills, {self.lost} lost, "
            f"{self.twice} twice of {self.doubtful} in doubt, unexplained for at most {self.longest_unexplained} sweeps; "
            f"the survivor: {self.slope:+.2f} MiB/min ({', '.join(f'{size:.1f}' for size in self.resident)}), "
            f"descriptors {self.descriptors}, connections {self.connections}; {faults}"
        )


class Soak:
    """One run of so many seconds; :meth:`run` does it all."""

    def __init__(self, folder: Path, *, seconds: float, seed: int) -> None:
        self.folder = folder
        self.seconds = seconds
        self.dice = random.Random(seed)  # noqa: S311 - dice
        self.ledger = folder / "ledger.jsonl"
        self.faults: Counter[str] = Counter()
        self.kills = 0
        self.watch = Watch()
        self._workers: list[Child] = []
        self._to_come: list[Callable[[], object]] = []
        self._endings: list[tuple[float, Callable[[], object]]] = []
        """What ends a fault, and when."""

    def run(self) -> Outcome:
        """Disturb for as long as was said, then let the survivor finish in peace."""
        with ExitStack() as stack:
            self.servers = [stack.enter_context(ChaosServer(latency=0.02)) for _ in range(SERVERS)]
            self.accounts = [
                make_account(
                    self.servers[number % SERVERS].port,
                    from_email=f"from{number}@example.com",
                    limit_count=LIMIT,
                    limit_period=PERIOD,
                )
                for number in range(ACCOUNTS)
            ]
            stack.callback(self._end_all)
            self.survivor = self._start()
            self.footprint = Footprint(self.survivor.pid)
            before = self._at_rest()
            self._start()
            self._disturb_while_feeding()
            self._finish()
            after = self._at_rest()
            assert self.survivor.terminate() == 0, self.survivor.said()
            return self._tally(before, after)

    def _start(self) -> Child:
        worker = drain_worker(self.folder, MAILCONFIG)
        self._workers.append(worker)
        return worker

    def _end_all(self) -> None:
        for worker in self._workers:
            worker.end()

    def _at_rest(self) -> tuple[int, int]:
        """Descriptors of the survivor and connections to the database, once everything is warm and nothing is left to do."""
        for account in self.accounts:
            delivery.enqueue(make_email(), account=account)
        self._await_empty()
        time.sleep(IDLE_SECONDS)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND backend_type = 'client backend'"
            )
            return self.footprint.descriptors(), cursor.fetchone()[0]

    def _await_empty(self) -> None:
        waiting = Message.objects.filter(state=MessageState.QUEUED)
        until(lambda: not patiently(waiting.exists), why="the queue was not empty")

    # Faults.

    def _disturb_while_feeding(self) -> None:
        options = ["--backlog", str(BACKLOG), "--every", "0.1", "--patient"]
        keys = [str(account.pk) for account in self.accounts]
        arguments = ["-m", "tests.acceptance.feeder", str(self.ledger), *keys, *options]
        with Child(*arguments, folder=self.folder, env=environment(MAILCONFIG)) as feeder:
            self._disturb()
            assert feeder.terminate() == 0, feeder.said()

    def _disturb(self) -> None:
        ends_at = time.monotonic() + self.seconds
        fault_at = time.monotonic()
        while time.monotonic() < ends_at:
            self._end_faults()
            with suppress(Error):
                self.watch.look()
            if time.monotonic() >= fault_at:
                fault_at += EVERY
                self._do_one()
                self.footprint.look()
                assert self.survivor.is_running, f"the survivor ended:\n{self.survivor.said()[-5000:]}"
            time.sleep(0.2)
        self._end_faults(all_of_them=True)

    def _do_one(self) -> None:
        fault = self._next_fault()
        fault()
        self.faults[fault.__name__.strip("_")] += 1

    def _next_fault(self) -> Callable[[], object]:
        """In any order, but all of them before one comes again."""
        if not self._to_come:
            self._to_come = self._all_faults()
            self.dice.shuffle(self._to_come)
        return self._to_come.pop()

    def _all_faults(self) -> list[Callable[[], object]]:
        return [
            *([self._kill_worker] * 2),
            self._stop_worker,
            self._more_workers,
            self._fewer_workers,
            self._crash_database,
            self._cut_connections,
            *([self._hang_server] * 2),
            *([self._refuse_at_server] * 2),
            *([self._cut_off_at_server] * 2),
        ]

    def _end_faults(self, *, all_of_them: bool = False) -> None:
        now = time.monotonic()
        over = [ending for at, ending in self._endings if all_of_them or at <= now]
        self._endings = [(at, ending) for at, ending in self._endings if not (all_of_them or at <= now)]
        for end in over:
            end()

    def _later(self, end: Callable[[], object]) -> None:
        self._endings.append((time.monotonic() + self.dice.uniform(2.0, 10.0), end))

    def _others(self) -> list[Child]:
        return [worker for worker in self._workers if worker is not self.survivor and worker.is_running]

    def _kill_worker(self) -> None:
        others = self._others()
        if others:
            victim = self.dice.choice(others)
            victim.kill()
            self._forget(victim)
            self.kills += 1
            mine = HandOver.objects.filter(worker__endswith=f":{victim.pid}")
            of_accounts = Counter(patiently(lambda: list(mine.values_list("account_id", flat=True))))
            most = max(of_accounts.values(), default=0)
            assert most <= MAILCONFIG["WINDOW"], f"{most} of one account in doubt by one death"
        self._start()

    def _stop_worker(self) -> None:
        others = self._others()
        if others:
            worker = self.dice.choice(others)
            worker.signal(signal.SIGSTOP)
            self._later(lambda: worker.signal(signal.SIGCONT))  # of one that has ended, nothing

    def _more_workers(self) -> None:
        if len(self._workers) < MOST_WORKERS:
            self._start()

    def _fewer_workers(self) -> None:
        others = self._others()
        if others:
            worker = self.dice.choice(others)
            worker.signal(signal.SIGCONT)
            self._terminate(worker)

    def _terminate(self, worker: Child) -> None:
        code = worker.terminate()
        # One that has hardly begun knows no signals yet, and no mail.
        has_begun = code != -signal.SIGTERM or patiently(lambda: self._has_left_traces(worker))
        assert code == 0 or not has_begun, f"it ended by {code}:\n{worker.said()[-5000:]}"
        self._forget(worker)

    @staticmethod
    def _has_left_traces(worker: Child) -> bool:
        name = f":{worker.pid}"
        rows = (Lane.objects, HandOver.objects, Attempt.objects)
        return any(row.filter(worker__endswith=name).exists() for row in rows)

    def _forget(self, worker: Child) -> None:
        worker.end()
        self._workers.remove(worker)

    def _crash_database(self) -> None:
        outage.crash()

    def _cut_connections(self) -> None:
        with suppress(Exception):  # it may be away already
            outage.cut_connections()

    def _hang_server(self) -> None:
        self._at_server(self.dice.choice(("banner", "ehlo", "mail", "data", "dot", "quit")), Hang())

    def _refuse_at_server(self) -> None:
        verb, answer = self.dice.choice(
            (
                ("banner", "421 4.3.2 not now"),
                ("rcpt", "450 4.2.0 not now"),
                ("data", "451 4.3.0 not now"),
                ("dot", "451 4.3.0 not now"),
            )
        )
        self._at_server(verb, Reply.of(answer))

    def _cut_off_at_server(self) -> None:
        verb = self.dice.choice(("banner", "mail", "data", "body", "dot"))
        self._at_server(verb, self.dice.choice((Reset(), Close())), accept=self.dice.random() < 0.5)

    def _at_server(self, verb: str, action: Action, *, accept: bool = False) -> None:
        server = self.dice.choice(self.servers)
        server.on(verb, action, accept=accept)
        self._later(server.calm)

    # What came of it.

    def _finish(self) -> None:
        for worker in self._others():
            self._terminate(worker)
        self._await_empty()

    def _tally(self, before: tuple[int, int], after: tuple[int, int]) -> Outcome:
        arrivals = Servers(self.servers)
        check_states(arrivals)
        check_ledger(self.ledger, arrivals)
        self._check_limits(arrivals)
        unsent = Message.objects.exclude(state=MessageState.SENT).values_list("pk", "state")
        assert not unsent, f"not sent in the end: {list(unsent)}"
        assert not HandOver.objects.exists()
        copies = arrivals.by_message_id()
        lost = len(message_ids(Message.objects.all()) - copies.keys())
        doubts = self._doubts()
        return Outcome(
            messages=Message.objects.count(),
            faults=self.faults,
            kills=self.kills,
            lost=lost,
            twice=self._count_twice(copies, doubts),
            doubtful=doubts.total(),
            longest_unexplained=self.watch.longest,
            slope=self.footprint.slope(),
            resident=[size for _at, size in self.footprint.samples[:: round(60 / EVERY)]],
            descriptors=(before[0], after[0]),
            connections=(before[1], after[1]),
        )

    @staticmethod
    def _check_limits(arrivals: Servers) -> None:
        """By the servers' clocks, copies and all."""
        of_senders: dict[str, list[Received]] = {}
        for message in arrivals.messages:
            of_senders.setdefault(message.mail_from, []).append(message)
        assert len(of_senders) == ACCOUNTS
        for sender, received in of_senders.items():
            overfull = overfull_windows(received, limit=LIMIT, seconds=PERIOD)
            assert not overfull, f"{sender} sent {LIMIT + 1} mails within {min(overfull)} s"

    @staticmethod
    def _doubts() -> Counter[str]:
        """How often nobody knew whether a message was accepted: its worker died, stood still, or lost the connection."""
        doubtful = Attempt.objects.filter(
            Q(outcome=AttemptOutcome.UNKNOWN) | Q(reply_text__startswith="late")
        )
        return Counter(
            attempt.message.message_id for attempt in doubtful.select_related("message") if attempt.message
        )

    @staticmethod
    def _count_twice(copies: dict[str, list[Received]], doubts: Counter[str]) -> int:
        twice = 0
        for message_id, received in copies.items():
            extra = len(received) - 1
            assert extra <= doubts[message_id], (
                f"{message_id} came {extra + 1} times, in doubt {doubts[message_id]} times"
            )
            assert len({copy.data for copy in received}) == 1, f"copies of {message_id} differ"
            twice += extra
        return twice
