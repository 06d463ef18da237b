"""What reading the next batch costs as the history and the backlog grow."""

from __future__ import annotations

from dataclasses import dataclass

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


def measure(place: Place, *, sent: int, backlog: int) -> list[Reading]:
    """With little of both, with much history, and with a long backlog besides."""
    database.forget_mail(place.database_url)
    account = place.run("mailconfig_jobs:make_account", port=25).result
    readings = []
    steps = ((SMALL, SMALL), (sent - SMALL, 0), (0, backlog - SMALL))
    have_sent = have_waiting = 0
    for more_sent, more_waiting in steps:
        history.write(place.database_url, account=account, sent=more_sent, waiting=more_waiting)
        have_sent, have_waiting = have_sent + more_sent, have_waiting + more_waiting
        found = place.run("growth_jobs:read_batches", account=account, times=60).result
        readings.append(Reading(have_sent, have_waiting, found["ms"], found["mails"], found["plan"]))
    database.forget_mail(place.database_url)
    return readings
