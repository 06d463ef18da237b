"""What is settled but not yet committed, and the commits that take it along."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from django.db import InterfaceError, OperationalError, connection

from mailconfig import crash
from mailconfig.delivery.lanes import Ownership
from mailconfig.delivery.queue.journal import adopt_lost_commit, open_journal
from mailconfig.delivery.queue.turn import Settlement, Turn

logger = logging.getLogger("mailconfig.drain")

PATIENCE_SECONDS = 600.0
"""How long a database that is away is waited for with outcomes in hand."""


class Committer:
    """Holds outcomes until the next journal, or until :meth:`flush`.

    With the database away it keeps trying: an accepted mail whose outcome is not committed would be sent again.
    """

    def __init__(self, ownership: Ownership) -> None:
        self._ownership = ownership
        self._journal = open_journal(ownership)
        self._finished: list[Settlement] = []

    def add(self, settlement: Settlement) -> None:
        """Take an outcome along with the next commit."""
        self._finished.append(settlement)

    def exchange(self, group: Sequence[Turn], *, revision: int) -> None:
        """Commit the outcomes in hand and the journal of ``group``; see :class:`journal.Journal`."""
        try:
            self._journal.exchange(self._finished, group, revision=revision)
        except (OperationalError, InterfaceError) as error:
            if connection.in_atomic_block:
                raise
            logger.warning("the database did not answer: %s", error)
            self.flush()
            self._insist(lambda: self._journal_again(group, revision))
        self._finished.clear()
        crash.point("after_commit")

    def _journal_again(self, group: Sequence[Turn], revision: int) -> None:
        """The answer to the commit was lost, not necessarily the commit."""
        adopt_lost_commit(self._ownership, group)
        missing = [turn for turn in group if turn.attempt_id is None]
        self._journal.exchange([], missing, revision=revision)

    def flush(self) -> None:
        """Commit the outcomes in hand. Each is idempotent, so a lost answer does no harm."""
        if self._finished:
            self._insist(lambda: self._journal.exchange(self._finished, [], revision=0))
            self._finished.clear()
            crash.point("after_commit")

    def _insist(self, write: Callable[[], None]) -> None:
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        pause = 0.1
        while True:
            # Only then: with the ordinary CONN_MAX_AGE=0 a sound connection would be made anew as well.
            if connection.errors_occurred:
                connection.close_if_unusable_or_obsolete()
            try:
                return write()
            except (OperationalError, InterfaceError):
                # In a transaction of the caller's, a test's say, there is nothing to try again.
                if connection.in_atomic_block or time.monotonic() >= give_up_at:
                    raise
                connection.close()
                time.sleep(pause)
                pause = min(pause * 2, 5.0)
