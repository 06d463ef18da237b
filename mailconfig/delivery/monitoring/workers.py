"""Workers at work, as they last said of themselves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mailconfig.delivery.worker.presence import SILENT
from mailconfig.models import Worker


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """A process that sends, or did a minute ago.

    Attributes:
        host: its machine.
        pid: its process there.
        since: when it began.
        seen_at: when it last gave a sign of life; it does every ten seconds.
        concurrency: accounts that it may have in hand at once, besides those that wait for their servers.
        lanes: accounts it has in hand.
        waiting: those of them whose servers keep them waiting.
        mails_a_minute: mails whose outcome came in its last minute.
    """

    host: str
    pid: int
    since: datetime
    seen_at: datetime
    concurrency: int
    lanes: int
    waiting: int
    mails_a_minute: int


def workers_at_work(now: datetime) -> tuple[WorkerStatus, ...]:
    """Return those that are not silent, the oldest first.

    Args:
        now: the database's time.
    """
    rows = Worker.objects.filter(seen_at__gt=now - SILENT).order_by("started_at", "pk")
    return tuple(
        WorkerStatus(
            host=row.host,
            pid=row.pid,
            since=row.started_at,
            seen_at=row.seen_at,
            concurrency=row.concurrency,
            lanes=row.lanes,
            waiting=row.waiting,
            mails_a_minute=row.mails_a_minute,
        )
        for row in rows
    )
