"""Very many mailboxes that are synced by one process: whether each is synced as often as it says."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean

from tests.password import PASSWORD
from tests.servers.imap import FakeIMAP

from .processes import Place

MOST_OFF = 0.1
_OURS = {"BENCH_APPS": "mailconfig"}


@dataclass(frozen=True, slots=True)
class Frequency:
    """Syncs of mailboxes, as their server saw them.

    Attributes:
        interval: seconds from one sync to the next, as each mailbox says.
        average: seconds there were.
        longest: the most there were.
        within: the share of them that are off by a tenth at most.
    """

    mailboxes: int
    interval: float
    syncs: int
    average: float
    longest: float
    within: float
    peak_rss_mb: float


class _Logins(list[tuple[str, str, str]]):
    """Logins, and when each mailbox made one."""

    def __init__(self) -> None:
        super().__init__()
        self.times: dict[str, list[float]] = defaultdict(list)

    def append(self, login: tuple[str, str, str]) -> None:
        """Note the time."""
        self.times[login[1]].append(time.monotonic())


def measure(place: Place, *, mailboxes: int, interval: int, seconds: float) -> Frequency:
    """Let one worker sync mailboxes for so many seconds.

    Raises:
        RuntimeError: a mailbox was not synced twice.
    """
    users = [f"mailbox{number}" for number in range(mailboxes)]
    with FakeIMAP(credentials=dict.fromkeys(users, PASSWORD)) as server:
        server.add_messages(3)
        server.logins = logins = _Logins()
        place.run("sync_jobs:make_mailboxes", env=_OURS, port=server.port, usernames=users, interval=interval)
        outcome = place.run("sync_jobs:work", env=_OURS, seconds=seconds)
    place.run("sync_jobs:forget_all", env=_OURS)
    gaps = [later - earlier for times in logins.times.values() for earlier, later in pairwise(times)]
    if len(logins.times) < mailboxes or len(gaps) < mailboxes:
        raise RuntimeError(
            f"{len(logins.times)} of {mailboxes} mailboxes were synced, {len(gaps)} times again"
        )
    kept = [gap for gap in gaps if abs(gap / interval - 1) <= MOST_OFF]
    return Frequency(
        mailboxes,
        interval,
        sum(map(len, logins.times.values())),
        mean(gaps),
        max(gaps),
        len(kept) / len(gaps),
        outcome.peak_rss_mb,
    )
