"""First sync of a large folder at Dovecot, beside the standard library's client that fetches one message after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.password import PASSWORD
from tests.servers.mailboxes import LOGIN, Dovecot

from . import servers
from .processes import Place

OCTETS = 5_000
ALONE = {"BENCH_APPS": "mailconfig"}


FAR_ONE_BY_ONE = 500
"""Messages that the standard library's client fetches from far away: each takes it the whole way."""


@dataclass(frozen=True, slots=True)
class Paces:
    """Passes over a folder, ours and the other's in turns."""

    ours: Sequence[float]
    """Messages a second of each first sync: fetched, read and stored."""
    one_by_one: Sequence[float]
    """Of each pass of the standard library's client: fetched only."""
    our_cpu: Sequence[float]
    """Processor seconds of a message, in our process."""
    other_cpu: Sequence[float]
    """The same, in that of the standard library's client."""


@dataclass(frozen=True, slots=True)
class Synced:
    """Syncs of one folder."""

    near: Paces
    far: Paces
    """The same server, 20 ms away."""
    peak_rss_mb: float
    commands: int
    """Of a sync that finds nothing new."""
    statements: int
    """The same."""


KEYED = ("ews", "gmail_api")
"""Methods whose messages have keys instead of numbers."""


def measure_keyed(place: Place, *, messages: int) -> dict[str, dict[str, dict[str, int]]]:
    """Return by method and kind of sync how many requests and statements it takes."""
    return {
        method: place.run("keyed_sync_jobs:measure", env=ALONE, service=method, messages=messages).result
        for method in KEYED
    }


def measure(place: Place, *, messages: int, rounds: int) -> Synced:
    """Sync a folder of so many messages so often, both ways in turns.

    Raises:
        RuntimeError: there is no Dovecot, or it may not be started.
    """
    if not Dovecot.is_available():
        raise RuntimeError("it takes Debian's dovecot-imapd, and root to start it")
    peaks: list[float] = []
    with Dovecot() as server:
        server.add_messages(messages, octets=OCTETS)
        login: dict[str, Any] = {"ca_file": server.ca_file, "username": LOGIN, "password": PASSWORD}
        place.run(
            "imaplib_jobs:fetch", port=server.tls_port, **login
        )  # so that the folder's index is made for both
        near = _in_turns(place, login, ports=(server.port, server.tls_port), rounds=rounds, peaks=peaks)
        with servers.far_away(server.port) as port, servers.far_away(server.tls_port) as tls_port:
            far = _in_turns(
                place, login, ports=(port, tls_port), rounds=rounds, peaks=peaks, most=FAR_ONE_BY_ONE
            )
    quiet = place.run("sync_jobs:without_news", env=ALONE).result
    return Synced(near, far, max(peaks), quiet["commands"], quiet["statements"])


def _in_turns(
    place: Place,
    login: dict[str, Any],
    *,
    ports: tuple[int, int],
    rounds: int,
    peaks: list[float],
    most: int | None = None,
) -> Paces:
    ours, others = [], []
    for _ in range(rounds):
        outcome = place.run("sync_jobs:first", env=ALONE, port=ports[0], **login)
        ours.append(outcome.result)
        peaks.append(outcome.peak_rss_mb)
        others.append(place.run("imaplib_jobs:fetch", port=ports[1], most=most, **login).result)
    (our_rates, our_cpu), (other_rates, other_cpu) = zip(*ours, strict=True), zip(*others, strict=True)
    return Paces(our_rates, other_rates, our_cpu, other_cpu)
