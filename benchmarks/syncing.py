"""First sync of a large folder at Dovecot, beside the standard library's client that fetches one message after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.password import PASSWORD
from tests.servers.mailboxes import LOGIN, Dovecot

from .processes import Place

OCTETS = 5_000
ALONE = {"BENCH_APPS": "mailconfig"}


@dataclass(frozen=True, slots=True)
class Synced:
    """Syncs of one folder."""

    ours: Sequence[float]
    """Messages a second of each first sync: fetched, read and stored."""
    one_by_one: Sequence[float]
    """Of each pass of the standard library's client, in turns with ours: fetched only."""
    peak_rss_mb: float
    commands: int
    """Of a sync that finds nothing new."""
    statements: int
    """The same."""


def measure(place: Place, *, messages: int, rounds: int) -> Synced:
    """Sync a folder of so many messages so often, both ways in turns.

    Raises:
        RuntimeError: there is no Dovecot, or it may not be started.
    """
    if not Dovecot.is_available():
        raise RuntimeError("it takes Debian's dovecot-imapd, and root to start it")
    ours, one_by_one, peaks = [], [], []
    with Dovecot() as server:
        server.add_messages(messages, octets=OCTETS)
        login: dict[str, Any] = {
            "port": server.tls_port,
            "ca_file": server.ca_file,
            "username": LOGIN,
            "password": PASSWORD,
        }
        place.run("imaplib_jobs:fetch", **login)  # so that the folder's index is made for both
        for _ in range(rounds):
            outcome = place.run("sync_jobs:first", env=ALONE, **login | {"port": server.port})
            ours.append(outcome.result)
            peaks.append(outcome.peak_rss_mb)
            one_by_one.append(place.run("imaplib_jobs:fetch", **login).result)
    quiet = place.run("sync_jobs:without_news", env=ALONE).result
    return Synced(ours, one_by_one, max(peaks), quiet["commands"], quiet["statements"])
