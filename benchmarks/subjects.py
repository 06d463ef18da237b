"""Subjects of the measurements: filling and draining each one's queue."""

from __future__ import annotations

from dataclasses import dataclass, field

from . import together
from .processes import Outcome, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One line of the table."""

    name: str
    jobs: str
    """The module with its functions ``fill`` and ``drain``."""
    environment: dict[str, str] = field(default_factory=dict)
    has_queue: bool = True
    drain: str = "drain"
    processes: int = 1
    """The number that drain at the same time, each an account of its own."""

    def fill(self, place: Place, *, port: int, one_by_one: int, at_once: int) -> dict[str, float]:
        """Queue mails; how many a second, ``one`` by one and ``many`` in a call."""
        if not self.has_queue:
            return {}
        arguments: dict[str, int] = {"port": port, "one_by_one": one_by_one, "at_once": at_once}
        if self.processes > 1:
            arguments["accounts"] = self.processes
        return dict(place.run(f"{self.jobs}:fill", env=self.environment, **arguments).result)

    def send(self, place: Place, *, port: int, count: int) -> Outcome:
        """Send all of them, in a process that does nothing else."""
        if self.processes > 1:
            return together.send(place, processes=self.processes, env=self.environment, count=count)
        environment = self.environment | {"BENCH_SMTP_PORT": str(port)}
        arguments = {"count": count} if self.has_queue else {"count": count, "port": port}
        return place.run(f"{self.jobs}:{self.drain}", env=environment, **arguments)


_OURS = {"BENCH_APPS": "mailconfig"}
_THEIRS = {"BENCH_APPS": "post_office"}

EACH = Subject(name="mailconfig-each", jobs="mailconfig_jobs", environment=_OURS)
WINDOW = Subject(
    name="mailconfig-window10", jobs="mailconfig_jobs", environment=_OURS | {"BENCH_WINDOW": "10"}
)
OF_TENANT = Subject(
    name="mailconfig-window10-of-tenant",
    jobs="mailconfig_jobs",
    environment=WINDOW.environment | {"BENCH_TENANT": "tenant"},
)
POST_OFFICE = Subject(name="post_office-default", jobs="post_office_jobs", environment=_THEIRS)
POST_OFFICE_BEST = Subject(
    name="post_office-best",
    jobs="post_office_jobs",
    environment=_THEIRS | {"BENCH_POST_OFFICE_BATCH": "5000"},
)
TWO_PROCESSES = Subject(
    name="mailconfig-window100-2-processes",
    jobs="mailconfig_jobs",
    environment=_OURS | {"BENCH_WINDOW": "100", "BENCH_CONCURRENCY": "1"},
    processes=2,
)
SMTPLIB = Subject(name="smtplib", jobs="smtplib_jobs", has_queue=False)
SMTPLIB_READY = Subject(name="smtplib-ready", jobs="smtplib_jobs", has_queue=False, drain="drain_ready")
PIPELINED = Subject(name="pipelined-10-sessions", jobs="pipelined_jobs", has_queue=False, drain="drain_ten")

ALL = (EACH, WINDOW, TWO_PROCESSES, POST_OFFICE, POST_OFFICE_BEST, SMTPLIB, SMTPLIB_READY, PIPELINED)


def post_office_with_threads(threads: int, *, batch: int) -> Subject:
    """django-post-office that sends over so many sessions, all mails in one batch."""
    return Subject(
        name=f"post_office-{threads}-threads",
        jobs="post_office_jobs",
        environment=_THEIRS
        | {"BENCH_POST_OFFICE_THREADS": str(threads), "BENCH_POST_OFFICE_BATCH": str(batch)},
    )
