"""Very many accounts with one mail due each: how late each is, and what the worker needs for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

from . import database, records, servers
from .processes import Place

_OURS = {"BENCH_APPS": "mailconfig"}


@dataclass(frozen=True, slots=True)
class Lateness:
    """Seconds from when the worker began, and all were due, to the dot of each account's mail.

    Attributes:
        ratio: of the worst to the mean. At an even pace it is 2: the last one comes after twice the mean.
    """

    accounts: int
    average: float
    worst: float
    peak_rss_mb: float

    @property
    def ratio(self) -> float:
        """Return how many times the mean the worst is."""
        return self.worst / self.average


def measure(place: Place, *, accounts: int, concurrency: int) -> Lateness:
    """Let one worker send a mail of each account.

    Raises:
        RuntimeError: an account's mail did not come, or came twice.
    """
    database.forget_mail(place.database_url)
    with TemporaryDirectory() as folder:
        record, meeting = Path(folder) / "seen", Path(folder) / "meeting"
        meeting.mkdir()
        with servers.own(delay_ms=servers.FAR_MS, record=record) as port:
            place.run("mailconfig_jobs:fill_accounts", env=_OURS, port=port, accounts=accounts, mails_each=1)
            database.settle_down(place.database_url)
            outcome = place.run(
                "mailconfig_jobs:drain_among",
                env=_OURS | {"BENCH_CONCURRENCY": str(concurrency)},
                folder=str(meeting),
                processes=1,
            )
        seen = [at for times in records.arrivals(record).values() for at in times]
        senders = len(records.arrivals(record))
    database.forget_mail(place.database_url)
    if not senders == len(seen) == accounts:
        raise RuntimeError(f"{len(seen)} mails of {senders} accounts came, not one of each of {accounts}")
    begun = outcome.result["begun"]
    return Lateness(accounts, mean(seen) - begun, max(seen) - begun, outcome.peak_rss_mb)
