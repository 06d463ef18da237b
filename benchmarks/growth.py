"""Cost of reading the next batch as the history and the backlog grow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from . import database, history
from .processes import Place

SMALL = 1000


@dataclass(frozen=True, slots=True)
class Reading:
    """The time to read the next batch among so many rows."""

    sent: int
    backlog: int
    milliseconds: float
    mails: int
    plan: str


def measure(place: Place, *, sent: int, backlog: int, rounds: int) -> list[Reading]:
    """With little of both, with much history, and with a long backlog besides; side by side, taking turns."""
    database.forget_mail(place.database_url)
    account = place.run("mailconfig_jobs:make_account", port=25).result
    history.write(place.database_url, account=account, sent=SMALL, waiting=SMALL)
    with database.copy(place.database_url, "sent") as long_url:
        history.write(long_url, account=account, sent=sent - SMALL, waiting=0)
        with database.copy(long_url, "backlog") as both_url:
            history.write(both_url, account=account, sent=0, waiting=backlog - SMALL)
            places = {
                (SMALL, SMALL): place,
                (sent, SMALL): replace(place, database_url=long_url),
                (sent, backlog): replace(place, database_url=both_url),
            }
            readings = _take_turns(places, account, rounds)
    database.forget_mail(place.database_url)
    return readings


def _take_turns(places: dict[tuple[int, int], Place], account: int, rounds: int) -> list[Reading]:
    took: dict[tuple[int, int], list[float]] = {size: [] for size in places}
    found: dict[tuple[int, int], Any] = {}
    for _ in range(rounds):
        for size, place in places.items():
            found[size] = place.run("growth_jobs:read_batches", account=account, times=60).result
            took[size].append(found[size]["ms"])
    return [Reading(*size, median(took[size]), found[size]["mails"], found[size]["plan"]) for size in places]
