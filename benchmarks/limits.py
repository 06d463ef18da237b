"""Workers race for limited accounts; the server's own clock says whether a window ever held more."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from . import database, records, servers
from .processes import Place


@dataclass(frozen=True, slots=True)
class Race:
    """A race of workers for accounts with one limit each.

    Attributes:
        limit: mails that each account may send in any ``period``.
        period: in seconds.
        seconds: how long the workers work.
        least: the part of the permitted rate that must be used.
    """

    limit: int
    period: int
    accounts: int
    seconds: float
    workers: int = 4
    least: float = 0.9


@dataclass(frozen=True, slots=True)
class Seen:
    """Figures of a race, as the server saw it."""

    mails: int
    violations: int
    used: float
    """The part of the permitted rate that the slowest account used."""


def measure(place: Place, race: Race) -> Seen:
    """Let the workers have more mail than they may send."""
    limit, period, accounts = race.limit, race.period, race.accounts
    database.forget_mail(place.database_url)
    with TemporaryDirectory() as folder:
        record = Path(folder) / "seen"
        with servers.own(record=record) as port:
            mails_each = limit * (int(race.seconds / period) + 2)
            place.run(
                "mailconfig_jobs:fill_accounts",
                port=port,
                accounts=accounts,
                mails_each=mails_each,
                limit_count=limit,
                limit_period=period,
            )
            with ExitStack() as stack:
                running = [
                    stack.enter_context(place.start("limit_jobs:work", seconds=race.seconds))
                    for _ in range(race.workers)
                ]
                for worker in running:
                    worker.outcome()
        seen = records.arrivals(record)
    database.forget_mail(place.database_url)
    times = list(seen.values())
    if len(times) != accounts:
        raise RuntimeError(f"mail of {len(times)} accounts came, not of {accounts}")
    return Seen(
        sum(map(len, times)),
        sum(_violations(mine, limit, period) for mine in times),
        min(_used(mine, limit, period) for mine in times),
    )


def _violations(times: list[float], limit: int, period: int) -> int:
    """Count the hand-overs that came less than a period after the one ``limit`` places before them."""
    return sum(later - earlier < period for earlier, later in zip(times, times[limit:], strict=False))


def _used(times: list[float], limit: int, period: int) -> float:
    """Ideally every period begins right after the one before: how long they took against how long they must."""
    starts = times[::limit]
    if len(starts) < 2:
        raise RuntimeError("the limit let less than two windows pass")
    return (len(starts) - 1) * period / sum(later - earlier for earlier, later in pairwise(starts))
