"""Purposes of lanes, as a worker sees them: how a lane is worked on, and what that came to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mailconfig.delivery.sync.report import SyncReport
from mailconfig.delivery.sync.run import sync_lane
from mailconfig.delivery.worker.drain import DrainReport, drain_lane
from mailconfig.delivery.worker.room import Room
from mailconfig.models import Purpose


class Report(Protocol):
    """Report of a turn of a lane."""

    @property
    def owned(self) -> bool:
        """Return whether the lane could be had."""
        ...

    @property
    def is_due(self) -> bool:
        """Return whether somebody should go on right now."""
        ...

    @property
    def settled(self) -> int:
        """Return how many mails were dealt with."""
        ...


class Turn(Protocol):
    """One turn of a lane."""

    def __call__(
        self, *, account_id: int, should_stop: Callable[[], bool], slice_seconds: float, room: Room | None
    ) -> Report: ...


@dataclass(frozen=True, slots=True)
class Work:
    """Work of one purpose.

    Attributes:
        purpose: of the lanes.
        turn: works on one.
        unit: name of one, for the log.
        on_report: told what each turn came to.
    """

    purpose: Purpose
    turn: Turn
    unit: str
    on_report: Callable[[Report], object]


def sending(on_report: Callable[[DrainReport], object]) -> Work:
    """Return the work of handing mail over."""

    def note(report: Report) -> None:
        if isinstance(report, DrainReport):
            on_report(report)

    return Work(Purpose.SEND, drain_lane, "account %s", note)


def syncing(on_report: Callable[[SyncReport], object]) -> Work:
    """Return the work of reading mail that came in."""

    def note(report: Report) -> None:
        if isinstance(report, SyncReport):
            on_report(report)

    return Work(Purpose.SYNC, _sync, "mailbox %s", note)


def _sync(
    *, account_id: int, should_stop: Callable[[], bool], slice_seconds: float, room: Room | None
) -> SyncReport:
    return sync_lane(
        account_id=account_id,
        should_stop=should_stop,
        slice_seconds=slice_seconds,
        on_batch=_nothing if room is None else room.note_moved,
    )


def _nothing() -> None:
    """Nobody asks."""
