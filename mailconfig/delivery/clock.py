"""The database's clock, which decides everything, carried on by our own monotonic one between looks."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone


def database_now() -> datetime:
    """The time by the database's clock, time zone aware.

    SQLite has no clock of its own: it asks the machine's, and so do we.
    """
    if connection.vendor == "sqlite":
        return timezone.now()
    sql = "SELECT clock_timestamp()" if connection.vendor == "postgresql" else "SELECT CURRENT_TIMESTAMP(6)"
    with connection.cursor() as cursor:
        cursor.execute(sql)
        (now,) = cursor.fetchone()
    return now if timezone.is_aware(now) else timezone.make_aware(now, timezone.get_default_timezone())


class DatabaseClock:
    """Bounds on the database's time that need no query: a skewed or stepping clock here changes nothing.

    A look takes a while, so the true time is only known to lie between two bounds; whoever waits for a moment
    uses :meth:`now` (never ahead), whoever notes that something has ended uses :meth:`at_latest`.
    """

    def __init__(self, *, said: datetime | None = None, asked_at: float = 0.0) -> None:
        """Ask the database, or go on from what it said a moment ago.

        Args:
            said: the time that it said just now.
            asked_at: when it was asked, by the monotonic clock.
        """
        if said is None:
            self.look()
        else:
            self._anchor, self._asked_at, self._answered_at = said, asked_at, time.monotonic()

    def look(self) -> None:
        """Ask the database again."""
        before = time.monotonic()
        self._anchor = database_now()
        self._asked_at = before
        self._answered_at = time.monotonic()

    def now(self) -> datetime:
        """The database's time, at the earliest."""
        return self._anchor + timedelta(seconds=time.monotonic() - self._answered_at)

    def at_latest(self) -> datetime:
        """The database's time, at the latest."""
        return self._anchor + timedelta(seconds=time.monotonic() - self._asked_at)
