"""The report of a sync."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SyncReport:
    """Report of a sync.

    Attributes:
        owned: whether the lane could be had; if not, somebody else is at it.
        stored: messages that were stored.
        moved: messages that were stored before, and have another number now.
        excluded: messages that are not to be stored.
        bounces: recipients that mail of the account was reported not to have reached.
        is_complete: whether all that is in the folder was looked at.
        error_code: what kept it from that; empty: nothing, or the time was over.
        is_due: whether somebody should go on right now.
        due_at: when it is due next; ``None``: somebody has to act first.
    """

    owned: bool
    stored: int = 0
    moved: int = 0
    excluded: int = 0
    bounces: int = 0
    is_complete: bool = False
    error_code: str = ""
    is_due: bool = False
    due_at: datetime | None = None

    @property
    def settled(self) -> int:
        """Messages that were dealt with."""
        return self.stored + self.moved + self.excluded
