"""Cost of asking the suppression list before each hand-over, when the next batch is read."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from . import database, history
from .processes import Place

ENTRIES = (0, 100_000)
BACKLOG = 1000


@dataclass(frozen=True, slots=True)
class Lookups:
    """Microseconds a mail, medians of rounds in turns."""

    unasked: float
    """To read mail for which nothing is looked up."""
    more: dict[int, float]
    """What looking up adds, by the length of the list."""
    times: dict[int, float]
    """How many times as long it takes with it."""


def measure(place: Place, *, rounds: int) -> Lookups:
    """Read batches beside lists of so many entries, and batches that need no look-up, in turns."""
    database.forget_mail(place.database_url)
    account = place.run("mailconfig_jobs:make_account", port=25).result
    history.write(place.database_url, account=account, sent=0, waiting=BACKLOG)
    took = place.run("suppression_jobs:measure", account=account, rounds=rounds, entries=list(ENTRIES)).result
    database.forget_mail(place.database_url)
    unasked = took["transactional"]
    more = {
        entries: median(each - none for each, none in zip(took[str(entries)], unasked, strict=True))
        for entries in ENTRIES
    }
    times = {
        entries: median(each / none for each, none in zip(took[str(entries)], unasked, strict=True))
        for entries in ENTRIES
    }
    return Lookups(median(unasked), more, times)
