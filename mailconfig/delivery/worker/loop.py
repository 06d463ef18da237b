"""The worker without Celery: one process that drains and syncs many lanes, and does the house-keeping beside them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial

from django.db import connection

from mailconfig.conf import DEFAULT_CONCURRENCY, get_settings
from mailconfig.delivery.mishaps import Containment
from mailconfig.delivery.postgres.listening import Listener
from mailconfig.delivery.preparing.leases import due_by_account
from mailconfig.delivery.preparing.prepare import prepare_message
from mailconfig.delivery.queue.writer import shared_writer
from mailconfig.delivery.sync.report import SyncReport
from mailconfig.delivery.webhooks.deliver import deliver_events
from mailconfig.delivery.webhooks.leases import due_endpoints
from mailconfig.delivery.worker.drain import DrainReport
from mailconfig.delivery.worker.house_keeping import HouseKeeping
from mailconfig.delivery.worker.pool import CheckPool, FilePool, WebhookPool
from mailconfig.delivery.worker.presence import Presence
from mailconfig.delivery.worker.side_by_side import SideBySide
from mailconfig.delivery.worker.sweep import STEP, SweepReport, sweep
from mailconfig.exceptions import WrongInstallation

MOST_TURNS = 60
"""Of one webhook in a run that is to end, each of some seconds."""


def _ignore(report: DrainReport | SyncReport) -> None:
    """Nobody asks what a drain did, or a sync."""


def concurrency_for(asked: int | None = None) -> tuple[int, bool]:
    """Return how many lanes this process drains at once, and whether each has a thread.

    SQLite lets one write at a time, and each mail is written twice: more lanes would wait for each other. Other
    threads see neither a database in memory nor a transaction that is open, a test's say.

    Args:
        asked: instead of the deployment's ``CONCURRENCY``.
    """
    concurrency = asked or get_settings().concurrency
    if connection.vendor == "sqlite":
        concurrency = concurrency or 1
        alone = concurrency == 1 or connection.is_in_memory_db()  # type: ignore[attr-defined]
    else:
        concurrency, alone = concurrency or DEFAULT_CONCURRENCY, False
    return (1, False) if alone or connection.in_atomic_block else (concurrency, True)


def drain_all(
    *,
    should_stop: Callable[[], bool],
    on_report: Callable[[DrainReport], object] = _ignore,
    on_sync: Callable[[SyncReport], object] = _ignore,
    concurrency: int | None = None,
) -> int:
    """Sweep once, drain every account and sync every mailbox that is due, until nothing is any more.

    Files that are due are fetched beside that, and what they belong to is drained then: a server that hangs holds up no
    other mail. Each is tried once. Then webhooks are told what waits for them.

    Args:
        should_stop: asked between messages.
        on_report: told what each drain did.
        on_sync: told what each sync did.
        concurrency: accounts drained at once, instead of the deployment's ``CONCURRENCY``.

    Returns:
        How many turns were settled.

    Raises:
        WrongInstallation: this database belongs to another installation; nothing was sent.
    """
    settled = 0

    def note(report: DrainReport) -> None:
        nonlocal settled
        settled += report.settled
        on_report(report)

    were_prepared = threading.Event()
    supervisor = _supervisor(concurrency, should_stop, note, on_sync)
    with (
        CheckPool(should_stop=should_stop) as checks,
        FilePool(should_stop=should_stop, on_prepared=were_prepared.set) as files,
        WebhookPool(should_stop=should_stop) as webhooks,
    ):
        _house_keeping(checks, files, webhooks, Presence(supervisor), supervisor).sweep_once()
        with commits_of(supervisor), supervisor:
            supervisor.run(once=True)
            while not should_stop() and sweep().mended >= STEP:
                supervisor.run(once=True)
    if _fetch_files(should_stop, with_threads=supervisor.has_threads) or were_prepared.is_set():
        again = _supervisor(concurrency, should_stop, note, on_sync)
        with commits_of(again), again:
            again.run(once=True)
    _tell_webhooks(should_stop, with_threads=supervisor.has_threads)
    return settled


def run(
    *,
    should_stop: Callable[[], bool],
    on_report: Callable[[DrainReport], object] = _ignore,
    on_sync: Callable[[SyncReport], object] = _ignore,
    concurrency: int | None = None,
) -> None:
    """Drain and sync until ``should_stop``. A database that is away, or not migrated yet, is waited for.

    What one account, check or step of the house-keeping throws is logged and costs that one its turn.

    Args:
        should_stop: asked between messages, and four times a second. May be called from any thread.
        on_report: told what each drain did.
        on_sync: told what each sync did.
        concurrency: accounts drained at once, instead of the deployment's ``CONCURRENCY``.

    Raises:
        WrongInstallation: this database belongs to another installation; nothing was sent.
    """
    with CheckPool(should_stop=should_stop) as checks:
        supervisor = _supervisor(concurrency, should_stop, on_report, on_sync)
        with (
            Presence(supervisor) as presence,
            FilePool(should_stop=should_stop, on_prepared=supervisor.ring) as files,
            WebhookPool(should_stop=should_stop) as webhooks,
        ):
            keeping = _house_keeping(checks, files, webhooks, presence, supervisor)
            if supervisor.has_threads:
                with commits_of(supervisor), keeping, _listener(supervisor), supervisor:
                    supervisor.run()
            else:
                supervisor.run(between=keeping.do_what_is_due)


def _fetch_files(should_stop: Callable[[], bool], *, with_threads: bool) -> bool:
    """Fetch what is due by now, of each mail once; return whether there was something."""
    containment = Containment(rest_seconds=lambda _failures: 0.0)
    tried: set[int] = set()
    while not should_stop():
        due = {key: account for key, account in due_by_account().items() if key not in tried}
        if not due:
            break
        tried |= due.keys()
        if with_threads:
            with FilePool(should_stop=should_stop, on_prepared=_nobody_asks) as files:
                files.offer(due, due)
            continue
        for message_id in due:
            work = partial(prepare_message, message_id=message_id, should_stop=should_stop)
            containment.call(work, "the files of message %s", message_id)
    return bool(tried)


def _tell_webhooks(should_stop: Callable[[], bool], *, with_threads: bool) -> None:
    """Tell what waits by now, as long as endpoints take it; one that fails has had its turn."""
    containment = Containment(rest_seconds=lambda _failures: 0.0)
    turns: Counter[int] = Counter()
    while not should_stop():
        due = {key: tenant for key, tenant in due_endpoints().items() if turns[key] < MOST_TURNS}
        if not due:
            break
        turns.update(due.keys())
        if with_threads:
            with WebhookPool(should_stop=should_stop) as webhooks:
                webhooks.offer(due, due)
            continue
        for endpoint_id in due:
            work = partial(deliver_events, endpoint_id=endpoint_id, should_stop=should_stop)
            containment.call(work, "webhook %s", endpoint_id)


def _nobody_asks() -> None:
    """Nobody waits to hear that files are there."""


def _supervisor(
    concurrency: int | None,
    should_stop: Callable[[], bool],
    on_report: Callable[[DrainReport], object],
    on_sync: Callable[[SyncReport], object],
) -> SideBySide:
    number, with_threads = concurrency_for(concurrency)
    return SideBySide(
        concurrency=number,
        with_threads=with_threads,
        should_stop=should_stop,
        on_report=on_report,
        on_sync=on_sync,
    )


def commits_of(supervisor: SideBySide) -> AbstractContextManager[object]:
    """Let its lanes share their commits, where there are several and one statement takes them."""
    shares = supervisor.has_threads and connection.vendor == "postgresql"
    return shared_writer() if shares else nullcontext()


def _listener(supervisor: SideBySide) -> AbstractContextManager[object]:
    return Listener(supervisor.ring) if get_settings().listen else nullcontext()


def _house_keeping(
    checks: CheckPool,
    files: FilePool,
    webhooks: WebhookPool,
    presence: Presence,
    supervisor: SideBySide,
) -> HouseKeeping:
    def after_sweep(report: SweepReport) -> None:
        if report.mended or report.reaped:
            supervisor.ring()

    def after_wrong_installation(error: WrongInstallation) -> None:
        supervisor.fail(error)

    return HouseKeeping(
        checks,
        files,
        webhooks,
        presence,
        on_sweep=after_sweep,
        on_wrong_installation=after_wrong_installation,
    )
