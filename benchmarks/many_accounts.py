"""Many accounts at a far server, drained by one process; and how long one mail takes when there is nothing else."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from . import database, servers
from .processes import Place

_OURS = {"BENCH_APPS": "mailconfig"}


@dataclass(frozen=True, slots=True)
class Case:
    """So many accounts with so many mails each.

    Attributes:
        concurrency: of our worker.
        threads: of django-post-office, whose mail all goes by one account; 0: it does not take part.
    """

    name: str
    accounts: int
    mails_each: int
    concurrency: int
    threads: int


@dataclass(slots=True)
class Rates:
    """Mails per second by subject, one number a round."""

    sent: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def measure(place: Place, case: Case, *, rounds: int) -> Rates:
    """Let the subjects take turns."""
    rates = Rates()
    count = case.accounts * case.mails_each
    with servers.own(delay_ms=servers.FAR_MS) as port:
        for _ in range(rounds):
            rates.sent["mailconfig-each"].append(_ours(place, case, port, count))
            found = place.run(
                "pipelined_jobs:drain", port=port, sessions=case.accounts, mails_each=case.mails_each
            )
            rates.sent["pipelined"].append(found.result)
            if case.threads:
                rates.sent[f"post_office-{case.threads}-threads"].append(_theirs(place, case, port, count))
    database.forget_mail(place.database_url)
    return rates


def _ours(place: Place, case: Case, port: int, count: int) -> float:
    database.forget_mail(place.database_url)
    place.run(
        "mailconfig_jobs:fill_accounts",
        env=_OURS,
        port=port,
        accounts=case.accounts,
        mails_each=case.mails_each,
    )
    database.settle_down(place.database_url)
    environment = _OURS | {"BENCH_CONCURRENCY": str(case.concurrency)}
    return float(place.run("mailconfig_jobs:drain", env=environment, count=count).result)


def _theirs(place: Place, case: Case, port: int, count: int) -> float:
    database.forget_mail(place.database_url)
    environment = {
        "BENCH_APPS": "post_office",
        "BENCH_SMTP_PORT": str(port),
        "BENCH_POST_OFFICE_THREADS": str(case.threads),
        "BENCH_POST_OFFICE_BATCH": str(count),
    }
    place.run("post_office_jobs:fill", env=environment, port=port, one_by_one=1, at_once=count - 1)
    database.settle_down(place.database_url)
    return float(place.run("post_office_jobs:drain", env=environment, count=count).result)


def idle_latency(place: Place, *, count: int) -> tuple[list[float], list[float]]:
    """Milliseconds from the call that queues a mail to its 250, while a worker in a process of its own is idle.

    Returns:
        Ours; and those of smtplib, which connects and sends without any queue.
    """
    database.forget_mail(place.database_url)
    with servers.own() as port:
        worker = place.start("latency_jobs:work", env=_OURS)
        ours = place.run("latency_jobs:measure", env=_OURS, port=port, count=count)
        worker.outcome()
        theirs = place.run("smtplib_jobs:latency", port=port, count=count)
    database.forget_mail(place.database_url)
    return list(ours.result), list(theirs.result)
