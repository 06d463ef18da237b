"""The order of the measurements."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from . import (
    admin_pages,
    celery_latency,
    database,
    dead_servers,
    frequency,
    growth,
    lateness,
    limits,
    listing,
    many_accounts,
    memory,
    report,
    rows,
    servers,
    subjects,
    suppressed,
    syncing,
    throughput,
    turns,
)
from .processes import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Numbers of everything that is measured."""

    rounds: int
    count: int
    one_by_one: int
    far_rounds: int
    far_count: int
    attachments: int
    attempts: int
    history: int
    backlog: int
    growth_rounds: int
    races: tuple[limits.Race, ...]
    race_seconds: float
    """Of the race of a hundred accounts."""
    accounts_rounds: int
    dead_seconds: float
    accounts: int
    """Of those with one mail each; ten thousand."""
    latencies: int
    lists: int
    admin_accounts: int
    admin_messages: int
    messages: int
    """In the folder that is synced."""
    mailboxes: int
    sync_seconds: float
    beside: bool
    """Whether django-post-office sends the attachments too."""


def run(scale: Scale, *, only: Collection[str]) -> bool:
    """Measure everything (or what ``only`` names) and print it.

    Returns:
        Whether all of it could be measured; after a case that could not the others are measured all the same.
    """
    begun, failures = time.monotonic(), 0
    with database.database() as url, tempfile.TemporaryDirectory(prefix="mailconfig-benchmark-") as folder:
        place = Place(url, folder)
        place.run("setup_jobs:migrate")
        report.heading(url)
        for name, measure in CASES.items():
            if not only or name in only:
                try:
                    measure(place, scale)
                except RuntimeError as error:
                    failures += 1
                    report.failed(name, error)
    report.ending(time.monotonic() - begun)
    return not failures


def _local(place: Place, scale: Scale) -> None:
    figures = throughput.measure(
        place,
        servers.local(),
        subjects.ALL,
        rounds=scale.rounds,
        count=scale.count,
        one_by_one=scale.one_by_one,
    )
    report.drains("local", figures)
    report.local_ratios(figures)


def _far(place: Place, scale: Scale) -> None:
    for name, pipelining, taking_part in (
        ("far", True, (subjects.EACH, subjects.WINDOW, subjects.POST_OFFICE, subjects.SMTPLIB)),
        ("far-lockstep", False, (subjects.EACH, subjects.SMTPLIB)),
    ):
        figures = throughput.measure(
            place,
            servers.own(delay_ms=servers.FAR_MS, pipelining=pipelining),
            taking_part,
            rounds=scale.far_rounds,
            count=scale.far_count,
            one_by_one=scale.far_count,
        )
        report.drains(name, figures)
        report.far_ratios(figures, pipelining=pipelining)


def _celery_latency(place: Place, scale: Scale) -> None:
    report.celery_latency(celery_latency.measure(place, count=scale.latencies))


def _rows(place: Place, scale: Scale) -> None:
    report.rows(rows.measure(place, count=scale.count))


def _turns(place: Place, scale: Scale) -> None:
    report.turns(turns.measure(place, attempts=scale.attempts))


def _far_50_accounts(place: Place, scale: Scale) -> None:
    peer = subjects.post_office_with_threads(50, batch=50 * 100)
    case = many_accounts.Case(
        name="far-50-accounts",
        accounts=50,
        mails_each=100,
        is_far=True,
        concurrency=50,
        sessions=50,
        peer=peer,
    )
    _many_accounts(place, case, scale, {"pipelined": 0.7, peer.name: 3.0})


def _far_200_accounts(place: Place, scale: Scale) -> None:
    case = many_accounts.Case(
        name="far-200-accounts", accounts=200, mails_each=5, is_far=True, concurrency=100, sessions=200
    )
    sent = _many_accounts(place, case, scale, {})
    report.rate(f"{case.name}, {case.subject}", sent[case.subject], 600)


def _loopback_10_accounts(place: Place, scale: Scale) -> None:
    peer = subjects.POST_OFFICE
    case = many_accounts.Case(
        name="loopback-10-accounts", accounts=10, mails_each=scale.count // 10, sessions=10, peer=peer
    )
    _many_accounts(place, case, scale, {peer.name: 5.0, "pipelined": 0.35})


def _loopback_100_accounts(place: Place, scale: Scale) -> None:
    peer = subjects.POST_OFFICE
    case = many_accounts.Case(name="loopback-100-accounts", accounts=100, mails_each=30, window=10, peer=peer)
    _many_accounts(place, case, scale, {peer.name: 5.0})


def _one_account_four_sessions(place: Place, scale: Scale) -> None:
    sent = many_accounts.one_account(place, count=scale.count, sessions=4, rounds=scale.accounts_rounds).sent
    one, four = sent.values()
    report.rates("one-account-four-sessions", sent)
    report.ratio("one-account-four-sessions, four sessions / one", four, one, 2.5)


def _many_accounts(
    place: Place, case: many_accounts.Case, scale: Scale, targets: Mapping[str, float]
) -> Mapping[str, Sequence[float]]:
    sent = many_accounts.measure(place, case, rounds=scale.accounts_rounds).sent
    report.rates(case.name, sent)
    for peer, least in targets.items():
        report.ratio(f"{case.name}, {case.subject} / {peer}", sent[case.subject], sent[peer], least)
    return sent


def _idle_latency(place: Place, scale: Scale) -> None:
    report.latency(*many_accounts.idle_latency(place, count=scale.latencies))


def _growth(place: Place, scale: Scale) -> None:
    report.growth(
        growth.measure(place, sent=scale.history, backlog=scale.backlog, rounds=scale.growth_rounds)
    )


def _memory(place: Place, scale: Scale) -> None:
    taking_part = (subjects.EACH, subjects.POST_OFFICE) if scale.beside else (subjects.EACH,)
    report.memory(memory.measure(place, taking_part, count=scale.attachments), count=scale.attachments)


def _dead_servers(place: Place, scale: Scale) -> None:
    report.dead_servers(
        *dead_servers.measure(place, seconds=scale.dead_seconds, rounds=scale.accounts_rounds)
    )


def _ten_thousand_accounts(place: Place, scale: Scale) -> None:
    report.lateness(lateness.measure(place, accounts=scale.accounts, concurrency=100))


def _resident(place: Place, scale: Scale) -> None:
    lanes = 4
    report.resident(
        memory.in_lanes(place, lanes=lanes, count=scale.attachments), count=scale.attachments, lanes=lanes
    )


def _mailbox_list(place: Place, scale: Scale) -> None:
    for sends_by, syncs_by in listing.METHODS:
        found = listing.measure(place, rounds=scale.lists, sends_by=sends_by, syncs_by=syncs_by)
        report.listing(found, (sends_by, syncs_by))


def _admin_pages(place: Place, scale: Scale) -> None:
    found = admin_pages.measure(
        place, accounts=scale.admin_accounts, messages=scale.admin_messages, rounds=scale.rounds
    )
    report.admin_pages(found)


def _first_sync(place: Place, scale: Scale) -> None:
    report.first_sync(syncing.measure(place, messages=scale.messages, rounds=scale.far_rounds))


def _keyed_sync(place: Place, scale: Scale) -> None:
    messages = scale.messages // 5
    report.keyed_syncs(syncing.measure_keyed(place, messages=messages), messages=messages)


def _suppressed(place: Place, scale: Scale) -> None:
    report.suppressed(suppressed.measure(place, rounds=scale.growth_rounds))


def _thousand_mailboxes(place: Place, scale: Scale) -> None:
    found = frequency.measure(place, mailboxes=scale.mailboxes, interval=30, seconds=scale.sync_seconds)
    report.frequency(found)


def _limits(place: Place, scale: Scale) -> None:
    for race in scale.races:
        report.race(race, limits.measure(place, race))


def _limits_100_accounts(place: Place, scale: Scale) -> None:
    race = limits.Race(2, 5, accounts=100, seconds=scale.race_seconds, workers=1, least=0.98)
    report.race(race, limits.measure(place, race))


CASES: Mapping[str, Callable[[Place, Scale], None]] = {
    "local": _local,
    "far": _far,
    "far-50-accounts": _far_50_accounts,
    "far-200-accounts": _far_200_accounts,
    "loopback-10-accounts": _loopback_10_accounts,
    "loopback-100-accounts": _loopback_100_accounts,
    "one-account-four-sessions": _one_account_four_sessions,
    "dead-servers": _dead_servers,
    "ten-thousand-accounts": _ten_thousand_accounts,
    "idle-latency": _idle_latency,
    "celery-latency": _celery_latency,
    "rows": _rows,
    "turns": _turns,
    "growth": _growth,
    "memory": _memory,
    "resident": _resident,
    "mailbox-list": _mailbox_list,
    "admin-pages": _admin_pages,
    "first-sync": _first_sync,
    "keyed-sync": _keyed_sync,
    "suppressed": _suppressed,
    "thousand-mailboxes": _thousand_mailboxes,
    "limits": _limits,
    "limits-100-accounts": _limits_100_accounts,
}
"""What ``--only`` chooses from, in the order of the table."""
