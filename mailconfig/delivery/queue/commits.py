"""Outcomes that are not committed yet, and the commits that take them along."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from django.db import DatabaseError, connection

from mailconfig import crash
from mailconfig.delivery.lanes import Ownership
from mailconfig.delivery.mishaps import is_database_away, lacks_migration
from mailconfig.delivery.queue.journal import adopt_lost_commit, open_journal
from mailconfig.delivery.queue.turn import Settlement, Turn

logger = logging.getLogger("mailconfig.drain")

PATIENCE_SECONDS = 600.0
"""How long a database that is away is waited for with outcomes in hand."""


@dataclass(slots=True)
class _Exchange:
    """Outcomes and a group on their way into the database."""

    finished: list[Settlement]
    group: Sequence[Turn]
    revision: int
    wait: Callable[[], None] | None = None
    is_lost: bool = False
    """The database did not answer: whether it was committed is not known."""


class Committer:
    """Holds outcomes until the next journal, or until :meth:`flush`.

    With the database away it keeps trying: an accepted mail whose outcome is not committed would be sent again.
    """

    def __init__(self, ownership: Ownership) -> None:
        self._ownership = ownership
        self._journal = open_journal(ownership)
        self._finished: list[Settlement] = []
        self._under_way: _Exchange | None = None

    def add(self, settlement: Settlement) -> None:
        """Take an outcome along with the next commit."""
        self._finished.append(settlement)

    def start(self, group: Sequence[Turn], *, revision: int) -> None:
        """Begin to commit the outcomes in hand and the journal of ``group``; see :class:`journal.Journal`.

        The caller owes a :meth:`finish`: what becomes of the group is known only then.
        """
        exchange = _Exchange(self._finished, group, revision)
        self._finished, self._under_way = [], exchange
        with self._noting_loss(exchange):
            exchange.wait = self._journal.exchange(exchange.finished, group, revision=revision)

    def finish(self) -> list[Settlement]:
        """Wait for the exchange under way, if there is one.

        Returns:
            The outcomes that are committed now.
        """
        exchange = self._under_way
        if exchange is None:
            return []
        if exchange.wait is not None:
            with self._noting_loss(exchange):
                exchange.wait()
        self._under_way = None
        committed = exchange.finished
        if exchange.is_lost:
            self._finished = exchange.finished + self._finished
            committed = self.flush()
            self._insist(lambda: self._journal_again(exchange.group, exchange.revision))
        crash.point("after_commit")
        return committed

    @contextmanager
    def _noting_loss(self, exchange: _Exchange) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            # In a transaction of the caller's, a test's say, there is nothing to try again; without a
            # table, nothing was done.
            is_lost = is_database_away(error) and not lacks_migration(error)
            if is_lost and not connection.in_atomic_block:
                logger.warning("the database did not answer: %s", error)
                exchange.wait, exchange.is_lost = None, True
                return
            self._finished, self._under_way = exchange.finished + self._finished, None
            raise

    def _journal_again(self, group: Sequence[Turn], revision: int) -> None:
        """The answer to the commit was lost, not necessarily the commit."""
        adopt_lost_commit(self._ownership, group)
        missing = [turn for turn in group if not turn.is_journaled]
        self._journal.exchange([], missing, revision=revision)()
        # Nor was it over: a server that has not noticed goes on, and the second journal waited for the first.
        adopt_lost_commit(self._ownership, missing)

    def flush(self) -> list[Settlement]:
        """Commit what is under way and the outcomes in hand, and return the outcomes that are committed now.

        Each is idempotent, so a lost answer does no harm.
        """
        committed = self.finish()
        if finished := self._finished:
            try:
                self._insist(partial(self._write, finished))
            except DatabaseError as error:
                if is_database_away(error) or connection.in_atomic_block:
                    raise
                self._write_one_by_one(finished)
            self._finished = []
            crash.point("after_commit")
        return committed + finished

    def _write(self, finished: Sequence[Settlement]) -> None:
        self._journal.exchange(finished, [], revision=0)()

    def _write_one_by_one(self, finished: Sequence[Settlement]) -> None:
        """One of them cannot be written: the others must be. Its hand-over stays, and the sweep gives it up."""
        for settlement in finished:
            try:
                self._insist(partial(self._write, [settlement]))
            except DatabaseError as error:
                if is_database_away(error):
                    raise
                logger.exception("the outcome of message %s cannot be written", settlement.turn.message.uuid)

    def _insist(self, write: Callable[[], None]) -> None:
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        pause = 0.1
        while True:
            # Only then: with the ordinary CONN_MAX_AGE=0 a sound connection would be made anew as well.
            if connection.errors_occurred:
                connection.close_if_unusable_or_obsolete()
            try:
                return write()
            except Exception as error:
                # In a transaction of the caller's, a test's say, there is nothing to try again.
                waits = is_database_away(error) and not connection.in_atomic_block
                if not waits or time.monotonic() >= give_up_at:
                    raise
                logger.warning("the database did not take what is to be written: %s", error)
                connection.close()
                time.sleep(pause)
                pause = min(pause * 2, 5.0)
