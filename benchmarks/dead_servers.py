"""A hundred accounts, the servers of thirty of which are dead: what the other seventy come to, with them and without.

Fifteen swallow every SYN, fifteen take a mail and never answer its dot. Each dead one is a host of its own; the healthy
accounts share seven hosts, all at one far sink. Linux has all of 127.0.0.0/8 for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from . import database, records, servers
from .processes import Place

HEALTHY = 70
SWALLOWING = tuple(f"127.0.2.{number}" for number in range(1, 16))
SILENT = tuple(f"127.0.3.{number}" for number in range(1, 16))
HOSTS = tuple(f"127.0.1.{number}" for number in range(1, 8))
MOST_PER_SECOND = 1200
"""Mails that wait for each second: more than twenty lanes send at such a distance, each at most one a round trip."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Mails per second of the healthy accounts.

    Attributes:
        whole: over all the time.
        later: in its second half, when the worker has met every server.
    """

    whole: float
    later: float


def measure(place: Place, *, seconds: float, rounds: int) -> tuple[list[Rate], list[Rate]]:
    """Let one worker, as it comes, work for so long: with the healthy accounts alone, and with the dead ones among them.

    Returns:
        Both, a rate each round; they take turns, so that what disturbs the machine disturbs both.
    """
    alone, beside = [], []
    for _ in range(rounds):
        alone.append(_rate(place, seconds, with_dead=False))
        beside.append(_rate(place, seconds, with_dead=True))
    return alone, beside


def _rate(place: Place, seconds: float, *, with_dead: bool) -> Rate:
    database.forget_mail(place.database_url)
    with TemporaryDirectory() as folder, ExitStack() as stack:
        record = Path(folder) / "seen"
        port = stack.enter_context(servers.own(delay_ms=servers.FAR_MS, record=record, addresses=HOSTS))
        mails_each = int(seconds * MOST_PER_SECOND / HEALTHY)
        healthy = [(HOSTS[number % len(HOSTS)], port) for number in range(HEALTHY)]
        if with_dead:
            swallowing = stack.enter_context(servers.swallowing(SWALLOWING))
            silent = stack.enter_context(servers.own(addresses=SILENT, answers_dot=False))
            dead = [*zip(SWALLOWING, swallowing, strict=True), *((address, silent) for address in SILENT)]
            _fill(place, dead, mails_each=10, first=HEALTHY)
        _fill(place, healthy, mails_each=mails_each)
        database.settle_down(place.database_url)
        # Nobody waits for the mails that hang at the end; they are no part of what is measured.
        environment = {"BENCH_APPS": "mailconfig", "BENCH_STOP_SECONDS": "1"}
        begun = place.run("limit_jobs:work", env=environment, seconds=seconds).result
        seen = [at - begun for times in records.arrivals(record).values() for at in times]
    database.forget_mail(place.database_url)
    if len(seen) >= HEALTHY * mails_each:
        raise RuntimeError("there was not enough mail for all the time")
    later = sum(seconds / 2 <= at < seconds for at in seen)
    return Rate(sum(at < seconds for at in seen) / seconds, later / (seconds / 2))


def _fill(place: Place, places: Sequence[tuple[str, int]], *, mails_each: int, first: int = 0) -> None:
    place.run(
        "mailconfig_jobs:fill_places",
        env={"BENCH_APPS": "mailconfig"},
        places=places,
        mails_each=mails_each,
        first=first,
    )
