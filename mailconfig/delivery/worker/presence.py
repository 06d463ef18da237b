"""Signs of life of workers, for people: a row for each, written every few seconds."""

from __future__ import annotations

import os
import socket
import time
import uuid
from contextlib import suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from django.db import DatabaseError, InterfaceError

from mailconfig.delivery.clock import database_now
from mailconfig.delivery.worker.side_by_side import SideBySide
from mailconfig.models import Worker

PRESENCE_SECONDS = 10.0
SILENT = timedelta(seconds=60)
"""Whoever said nothing for so long has ended, or stands still."""


class Presence:
    """The row of this worker; as a context manager it is gone at the end."""

    def __init__(self, supervisor: SideBySide) -> None:
        self._supervisor = supervisor
        self._id = uuid.uuid4()
        self._started_at: datetime | None = None
        self._noted_at = float("-inf")

    def note_now_and_then(self) -> None:
        """Write it unless that was done not long ago."""
        if time.monotonic() - self._noted_at >= PRESENCE_SECONDS:
            self.note()

    def note(self) -> None:
        """Write it."""
        self._noted_at = time.monotonic()
        now = database_now()
        self._started_at = self._started_at or now
        figures = self._supervisor.figures()
        values = {
            "seen_at": now,
            "lanes": figures.lanes,
            "waiting": figures.waiting,
            "mails_a_minute": figures.mails_a_minute,
        }
        if not Worker.objects.filter(pk=self._id).update(**values):
            Worker.objects.create(
                pk=self._id,
                host=socket.gethostname()[:255],
                pid=os.getpid(),
                started_at=self._started_at,
                concurrency=figures.concurrency,
                **values,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # With the database away the sweep removes it, later.
        with suppress(DatabaseError, InterfaceError):
            Worker.objects.filter(pk=self._id).delete()


def forget_silent(now: datetime) -> int:
    """Remove the rows of workers that fell silent, and say how many."""
    return Worker.objects.filter(seen_at__lt=now - SILENT).delete()[0]
