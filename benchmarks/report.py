"""Prints what was found, and how it compares with what must be reached."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from . import database, servers
from .admin_pages import Pages
from .dead_servers import Rate
from .frequency import Frequency
from .growth import Reading
from .lateness import Lateness
from .limits import Race, Seen
from .listing import Listing
from .processes import Outcome
from .rows import Cost
from .suppressed import Lookups
from .syncing import Synced
from .throughput import Figures
from .turns import Turns

PACKAGES = ("Django", "psycopg", "django-post_office")
RESIDENT_MB = 100
LANES_MB = 120
ACCOUNTS_MB = 150
SYNC_MB = 120
ADMIN_MS = 300
QUIET_SYNC = {"ews": {"requests": 3, "statements": 3}, "gmail_api": {"requests": 3, "statements": 6}}
"""The login, the folder, what is new in it; the lane twice, other folders, and of Gmail a grant and its token."""


def heading(url: str) -> None:
    """The machine, the versions, the durability of commits and the load."""
    print(f"# {platform.platform()}, {os.cpu_count()} cores ({_processor()}), load {_load()}")
    print(
        f"# Python {platform.python_version()}, {', '.join(f'{name} {_version(name)}' for name in PACKAGES)}"
    )
    print("# PostgreSQL " + ", ".join(f"{name} {value}" for name, value in database.durability(url).items()))
    local = "Postfix's smtp-sink" if servers.smtp_sink() else "our own sink (smtp-sink is not installed)"
    print(f"# local: {local} on loopback; far: our own sink, {servers.FAR_MS:.0f} ms away")
    print("# name msgs_per_s enqueue_per_s peak_rss_mb", flush=True)


def ending(seconds: float) -> None:
    """Print the seconds it took, and the load by now."""
    print(f"# {seconds:.0f} s, load {_load()}")


def drains(server: str, figures: dict[str, Figures]) -> None:
    """A line each drain case."""
    for name, mine in figures.items():
        print(mine.line(f"pg.{server}.{name}"), flush=True)


def local_ratios(figures: dict[str, Figures]) -> None:
    """mailconfig beside django-post-office; the lines of bulk enqueueing."""
    for name, call in (("mailconfig-each", "enqueue_many"), ("post_office-default", "send_many")):
        print(
            f"pg.bulk.{name.split('-')[0]}.{call} {median(figures[name].many):.1f} mails a second in one call"
        )
    each, ten = figures["mailconfig-each"], figures["mailconfig-window10"]
    default = figures["post_office-default"]
    two = figures["mailconfig-window100-2-processes"]
    ratio("drain, each committed / post_office", each.sent, default.sent, 2.0)
    ratio("drain, window of ten / post_office", ten.sent, default.sent, 5.0)
    ratio("drain, window of a hundred, two processes / post_office", two.sent, default.sent, 10.0)
    share = median(two.sent) / median(figures["pipelined-10-sessions"].sent)
    _noted(f"drain, window of a hundred, two processes / ten pipelined sessions: {share:.2f}")
    ratio("enqueue one / post_office send", each.one + ten.one, default.one, 1.0)
    ratio("enqueue many / post_office send_many", each.many + ten.many, default.many, 1.0)
    worst = max(each.rss + ten.rss)
    _judged(f"peak of a worker: {worst:.0f} MB", worst < RESIDENT_MB, f"< {RESIDENT_MB} MB")


def far_ratios(figures: dict[str, Figures], *, pipelining: bool) -> None:
    """mailconfig beside the smtplib loop."""
    each, loop = figures["mailconfig-each"], figures["smtplib"]
    if pipelining:
        ratio("far, PIPELINING / smtplib", each.sent, loop.sent, 3.5)
    else:
        ratio("far, lock-step / smtplib", each.sent, loop.sent, 0.9)


def rows(costs: Sequence[Cost]) -> None:
    """Print the bytes that a mail writes and keeps."""
    for cost in costs:
        print(
            f"pg.rows.{cost.name} {cost.queued:.0f} bytes of log to queue a mail, {cost.sent:.0f} to send it,"
            f" {cost.kept:.0f} bytes kept"
        )
        _judged(f"log to send a mail, {cost.name}: {cost.sent:.0f} bytes", cost.sent <= 1400, "<= 1400")
        _judged(f"kept of a sent mail, {cost.name}: {cost.kept:.0f} bytes", cost.kept <= 900, "<= 900")


def turns(found: Turns) -> None:
    """Print the cost of a turn of two mails."""
    print(
        f"pg.turn-of-2.attempts-{found.attempts} {found.milliseconds:.1f} ms, {found.statements} statements;"
        f" the first {found.first_ms:.1f} ms"
    )
    _judged(f"turn of two mails: {found.milliseconds:.1f} ms", found.milliseconds <= 20, "<= 20 ms")


def growth(readings: Sequence[Reading]) -> None:
    """The time of a batch among more and more rows, and the plan among the most."""
    first = readings[0]
    for reading in readings:
        print(
            f"pg.next-batch.sent-{reading.sent}.backlog-{reading.backlog} {reading.milliseconds:.2f} ms"
            f" for {reading.mails} mails"
        )
    for reading in readings[1:]:
        times = reading.milliseconds / first.milliseconds
        text = f"next batch, {reading.sent} sent, backlog {reading.backlog} / {first.sent}: {times:.2f}"
        _judged(text, times <= 1.2, "<= 1.2")
    for line in readings[-1].plan.splitlines():
        print(f"#   {line}")


def listing(found: Listing, methods: tuple[str, str]) -> None:
    """Print what a list of a hundred mailboxes of these methods takes."""
    ours, plain = median(found.ours_ms), median(found.plain_ms)
    few, many = found.statements
    name = "-".join(("mailbox-list-100", *methods))
    print(
        f"pg.{name} {ours:.1f} ms, {many} statements ({few} for ten);"
        f" by a plain serializer {plain:.1f} ms; {found.decryptions} secrets decrypted"
    )
    # Each of ours beside the plain one that came right after it: what else the machine does slows both.
    times = median(each / other for each, other in zip(found.ours_ms, found.plain_ms, strict=True))
    _judged(f"list of mailboxes / plain serializer: {times:.2f}", times <= 2, "<= 2")
    _judged(f"statements of a list: {many}", many == few, "as many for ten as for a hundred")
    _judged(f"decrypted for a list: {found.decryptions}", not found.decryptions, "0")


def admin_pages(found: Pages) -> None:
    """Print what each page of the admin takes, the slowest first."""
    amount = found.amount
    print(
        f"# {amount.messages} mails of {amount.accounts} accounts, written in {found.filled_in:.0f} s;"
        " page: median ms (processor time here, of the database, time of the database), statements (with few rows)"
    )
    for page in sorted(found.costs, key=lambda page: -median(page.milliseconds)):
        few = page.few_statements if page.few_statements >= 0 else "–"
        print(
            f"pg.admin.{page.name}: {median(page.milliseconds):.0f} ms"
            f" ({median(page.processor):.0f}, {page.database_processor:.0f}, {page.in_database:.0f}),"
            f" {page.statements} statements ({few})"
        )
        if median(page.milliseconds) > ADMIN_MS:
            print(f"#   {page.slowest[:1200]}")
    slow = [page for page in found.costs if median(page.milliseconds) > ADMIN_MS]
    grown = [page for page in found.costs if 0 <= page.few_statements < page.statements]
    _judged(f"pages of the admin over {ADMIN_MS} ms: {len(slow)}", not slow, "none")
    busy = [page for page in found.costs if median(page.processor) + page.database_processor > ADMIN_MS]
    _judged(f"pages of the admin over {ADMIN_MS} ms of processor: {len(busy)}", not busy, "none")
    _judged(f"pages whose statements grow: {', '.join(page.name for page in grown) or 0}", not grown, "none")


def first_sync(found: Synced) -> None:
    """Print what the first sync of a folder takes, and the one after it."""
    for name, paces in {"first-sync": found.near, "first-sync-far": found.far}.items():
        print(
            f"pg.{name} {median(paces.ours):.1f} messages_per_s, {median(paces.our_cpu) * 1e6:.0f} us of processor each;"
            f" imaplib, one by one {median(paces.one_by_one):.1f}, {median(paces.other_cpu) * 1e6:.0f} us"
        )
    ratio("first sync / imaplib, one by one", found.near.ours, found.near.one_by_one, 5.0)
    ratio("first sync / imaplib, one by one, 20 ms away", found.far.ours, found.far.one_by_one, 5.0)
    _judged(
        f"peak of a first sync: {found.peak_rss_mb:.0f} MB", found.peak_rss_mb < SYNC_MB, f"< {SYNC_MB} MB"
    )
    _judged(f"commands of a sync without news: {found.commands}", found.commands <= 4, "<= 4")
    _judged(f"statements of a sync without news: {found.statements}", found.statements <= 2, "<= 2")


def keyed_syncs(found: Mapping[str, Mapping[str, Mapping[str, int]]], *, messages: int) -> None:
    """Print what syncs by Exchange's and Gmail's own interfaces ask, of them and of the database."""
    for method, syncs in found.items():
        for kind, counts in syncs.items():
            print(
                f"pg.sync-{method}-{messages}.{kind.replace(' ', '-')} {counts['requests']} requests,"
                f" {counts['statements']} statements"
            )
        quiet = syncs["without news"]
        for what, most in QUIET_SYNC[method].items():
            text = f"{what} of a sync without news, {method}: {quiet[what]}"
            _judged(text, quiet[what] <= most, f"<= {most}")


def suppressed(found: Lookups) -> None:
    """Print what looking up the suppression list adds to the reading of a mail."""
    print(f"pg.suppression-list.unasked {found.unasked:.1f} us to read a mail")
    for entries, more in found.more.items():
        print(f"pg.suppression-list-{entries} {more:+.1f} us a mail")
    times = max(found.times.values())
    _judged(f"reading mail with the suppression list / without: {times:.2f}", times <= 1.5, "<= 1.5")


def frequency(found: Frequency) -> None:
    """Print whether mailboxes are synced as often as they say."""
    print(
        f"pg.sync-{found.mailboxes}-mailboxes every {found.interval:.0f} s: {found.syncs} syncs, {found.average:.1f} s"
        f" from one to the next, {found.longest:.1f} s at most, {found.peak_rss_mb:.1f} MB"
    )
    _judged(
        f"times between syncs off by a tenth at most: {found.within:.1%}", found.within >= 0.99, ">= 99 %"
    )


def memory(outcomes: dict[str, Outcome], *, count: int) -> None:
    """The peak of each subject with large attachments."""
    for name, outcome in outcomes.items():
        print(
            f"pg.attachments-{count}x5MB.{name} {outcome.result:.1f} msgs_per_s {outcome.peak_rss_mb:.1f} MB"
        )
        if name.startswith("mailconfig"):
            fits = outcome.peak_rss_mb < RESIDENT_MB
            _judged(f"peak with attachments: {outcome.peak_rss_mb:.0f} MB", fits, f"< {RESIDENT_MB} MB")


def resident(outcome: Outcome, *, count: int, lanes: int) -> None:
    """Print the peak of a worker with large attachments in several lanes at once."""
    peak = outcome.peak_rss_mb
    print(f"pg.resident-{count}x5MB.mailconfig-{lanes}-lanes {outcome.result:.1f} msgs_per_s {peak:.1f} MB")
    _judged(f"peak with attachments in {lanes} lanes: {peak:.0f} MB", peak < LANES_MB, f"< {LANES_MB} MB")


def dead_servers(alone: Sequence[Rate], beside: Sequence[Rate]) -> None:
    """Print the mails of healthy accounts with dead ones beside them and without."""
    for name, rates in (("without-the-dead", alone), ("beside-the-dead", beside)):
        later = median(rate.later for rate in rates)
        print(
            f"pg.dead-servers.mailconfig-{name:18} {median(rate.whole for rate in rates):9.1f} msgs_per_s,"
            f" {later:.1f} in the second half"
        )
    ratio(
        "70 accounts beside 30 dead ones / alone",
        [rate.whole for rate in beside],
        [rate.whole for rate in alone],
        0.95,
    )
    later_ratio = median(rate.later for rate in beside) / median(rate.later for rate in alone)
    _noted(f"in the second half: {later_ratio:.2f}")


def lateness(found: Lateness) -> None:
    """Print how late the mails of very many accounts are."""
    print(
        f"pg.accounts-{found.accounts}.mailconfig-each latest after {found.worst:.1f} s,"
        f" mean {found.average:.1f} s, {found.peak_rss_mb:.1f} MB"
    )
    peak = found.peak_rss_mb
    _judged(f"peak with {found.accounts} accounts: {peak:.0f} MB", peak < ACCOUNTS_MB, f"< {ACCOUNTS_MB} MB")
    # To one place: an even pace comes to exactly 2, and noise of some parts in a hundred must not decide.
    _judged(f"latest lane / mean: {found.ratio:.1f}", round(found.ratio, 1) <= 2, "<= 2")


def race(race: Race, seen: Seen) -> None:
    """Print the figures of a limit as the server saw it."""
    workers = f"{race.workers}-workers" if race.workers > 1 else "1-worker"
    name = f"pg.limit-{race.limit}-per-{race.period}s.{race.accounts}-accounts.{workers}"
    print(f"{name} {seen.mails} mails, {seen.violations} violations, {seen.used:.1%} of the rate")
    _judged(f"violations of {race.limit} per {race.period} s: {seen.violations}", not seen.violations, "0")
    _judged(f"rate used: {seen.used:.1%}", seen.used >= race.least, f">= {race.least:.0%}")


def rates(case: str, sent: Mapping[str, Sequence[float]]) -> None:
    """Mails a second of each subject."""
    for name, numbers in sent.items():
        print(f"pg.{case}.{name:24} {median(numbers):9.1f} msgs_per_s")


def ratio(what: str, ours: Sequence[float], theirs: Sequence[float], least: float) -> None:
    """Print by how much mailconfig is faster than another one, by the medians of this run."""
    times = median(ours) / median(theirs)
    _judged(f"{what}: {times:.2f}", times >= least, f">= {least}")


def rate(what: str, ours: Sequence[float], least: float) -> None:
    """Print whether mailconfig is fast enough for what no other one can be asked to do."""
    per_second = median(ours)
    _judged(f"{what}: {per_second:.0f} mails a second", per_second >= least, f">= {least:.0f}")


def latency(ours: Sequence[float], theirs: Sequence[float]) -> None:
    """The time of one mail at idle, and of smtplib's without a queue."""
    _latencies("idle-latency", {"mailconfig_drain": ours, "smtplib": theirs})
    text = f"queue to 250 at idle: {median(ours):.1f} ms, {median(ours) / median(theirs):.1f} x smtplib"
    _judged(text, median(ours) <= 15, "<= 15 ms")


def celery_latency(found: Mapping[str, Sequence[float]]) -> None:
    """Print the time of one mail at idle through Celery, and of django-post-office's."""
    _latencies("celery-latency", found)
    ours, theirs = median(found["mailconfig"]), median(found["post_office"])
    text = f"queue to 250 at idle by Celery: {ours:.1f} ms, {ours / theirs:.2f} x post_office"
    _judged(text, ours <= 20, "<= 20 ms")


def _latencies(case: str, found: Mapping[str, Sequence[float]]) -> None:
    for name, numbers in found.items():
        worst = sorted(numbers)[int(len(numbers) * 0.95)]
        print(f"pg.{case}.{name:20} p50 {median(numbers):6.1f} ms, p95 {worst:6.1f} ms")


def failed(case: str, error: Exception) -> None:
    """Print that a case could not be measured, and why."""
    print(f"#   FAILED   {case}: {error}", flush=True)


def _noted(text: str) -> None:
    print(f"#            {text}", flush=True)


def _judged(text: str, reached: bool, target: str) -> None:
    print(f"#   {'reached' if reached else 'MISSED '}  {text} (target {target})", flush=True)


def _load() -> str:
    return " ".join(f"{load:.2f}" for load in os.getloadavg())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
