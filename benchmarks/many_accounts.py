"""Many accounts drained by one process; and how long one mail takes when there is nothing else."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from . import database, servers
from .processes import Place
from .subjects import Subject

_OURS = {"BENCH_APPS": "mailconfig"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A number of accounts with a number of mails each.

    Attributes:
        is_far: whether their server is :data:`servers.FAR_MS` away, else it answers at once.
        concurrency: of our worker; ``None``: as it comes.
        window: of our worker.
        ours_at_once: over how many sessions each of our accounts is sent.
        sessions: of those that pipeline without a database, which share the same mails; 0: they do not take part.
        peer: django-post-office, whose mail all goes by one account; ``None``: it does not take part.
    """

    name: str
    accounts: int
    mails_each: int
    is_far: bool = False
    concurrency: int | None = None
    window: int = 1
    ours_at_once: int = 1
    sessions: int = 0
    peer: Subject | None = None

    @property
    def count(self) -> int:
        """Return how many mails that are in all."""
        return self.accounts * self.mails_each

    @property
    def subject(self) -> str:
        """Return our name in the table."""
        if self.ours_at_once > 1:
            return f"mailconfig-{self.ours_at_once}-sessions"
        return "mailconfig-each" if self.window == 1 else f"mailconfig-window{self.window}"


@dataclass(slots=True)
class Rates:
    """Mails per second by subject, one number a round."""

    sent: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def measure(place: Place, case: Case, *, rounds: int) -> Rates:
    """Let the subjects take turns."""
    rates = Rates()
    with servers.own(delay_ms=servers.FAR_MS) if case.is_far else servers.local() as port:
        for _ in range(rounds):
            rates.sent[case.subject].append(_ours(place, case, port))
            if case.sessions:
                mails_each = case.count // case.sessions
                found = place.run(
                    "pipelined_jobs:drain", port=port, sessions=case.sessions, mails_each=mails_each
                )
                rates.sent["pipelined"].append(found.result)
            if case.peer is not None:
                rates.sent[case.peer.name].append(_theirs(place, case.peer, port, case.count))
    database.forget_mail(place.database_url)
    return rates


def _ours(place: Place, case: Case, port: int) -> float:
    database.forget_mail(place.database_url)
    place.run(
        "mailconfig_jobs:fill_accounts",
        env=_OURS,
        port=port,
        accounts=case.accounts,
        mails_each=case.mails_each,
        max_sessions=case.ours_at_once,
    )
    database.settle_down(place.database_url)
    environment = _OURS | {"BENCH_WINDOW": str(case.window)}
    if case.concurrency is not None:
        environment |= {"BENCH_CONCURRENCY": str(case.concurrency)}
    return float(place.run("mailconfig_jobs:drain", env=environment, count=case.count).result)


def _theirs(place: Place, peer: Subject, port: int, count: int) -> float:
    database.forget_mail(place.database_url)
    peer.fill(place, port=port, one_by_one=1, at_once=count - 1)
    database.settle_down(place.database_url)
    return float(peer.send(place, port=port, count=count).result)


def one_account(place: Place, *, count: int, sessions: int, rounds: int) -> Rates:
    """Let one account send over one session and over several, in turns."""
    cases = [
        Case(name="one-account", accounts=1, mails_each=count, ours_at_once=number)
        for number in (1, sessions)
    ]
    rates = Rates()
    with servers.local() as port:
        for _ in range(rounds):
            for case in cases:
                rates.sent[case.subject].append(_ours(place, case, port))
    database.forget_mail(place.database_url)
    return rates


def idle_latency(place: Place, *, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds from the call that queues a mail to its 250, while a worker in a process of its own is idle.

    Returns:
        Ours; and those of smtplib, which connects and sends without any queue.
    """
    database.forget_mail(place.database_url)
    with servers.own() as port:
        with place.start("latency_jobs:work", env=_OURS) as worker:
            ours = place.run("latency_jobs:measure", env=_OURS, port=port, count=count)
            worker.outcome()
        theirs = place.run("smtplib_jobs:latency", port=port, count=count)
    database.forget_mail(place.database_url)
    return list(ours.result), list(theirs.result)
