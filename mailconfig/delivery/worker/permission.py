"""The permission to pass the point of no return: committed by the journal, with the lane ours and the account as read."""

from __future__ import annotations

import time
from collections.abc import Callable

from mailconfig import crash
from mailconfig.delivery.lanes import Ownership, Renewal
from mailconfig.delivery.queue.turn import Turn
from mailconfig.delivery.worker.journaling import Journaling
from mailconfig.delivery.worker.standing import Standing
from mailconfig.delivery.worker.supply import Supply
from mailconfig.exceptions import LeaseLost

LOOK_AGAIN_SECONDS = 0.1
"""How old a look at the account may be when a message journaled with others is handed over: a question for each would cost
more than journaling them together saves, and a slow server makes each wait longer than this."""


class Permission:
    """Journal of :mod:`mailconfig.transports.contract`, for the turn that the supply has in hand."""

    def __init__(
        self,
        journaling: Journaling,
        standing: Standing,
        supply: Supply,
        ownership: Ownership,
        renewal: Renewal,
        *,
        is_over: Callable[[], bool],
    ) -> None:
        self.may_be_out = False
        """Whether the turn in hand may be handed over: what becomes of it, only its outcome tells."""
        self.is_out = False
        """Whether it is, and only the answer is missing."""
        self._journaling, self._standing, self._supply = journaling, standing, supply
        self._ownership, self._renewal, self._is_over = ownership, renewal, is_over
        self._looked_at = time.monotonic()

    def start(self, *, accepted: int) -> None:
        """Begin to journal the turn in hand, and with a window the next ones as well."""
        turn = self._supply.in_hand
        if turn is None:
            msg = "no turn was taken"
            raise RuntimeError(msg)
        self._standing.note_connected()
        turn.ready_for = accepted
        if not turn.is_journaled:
            self._looked_at = time.monotonic()  # the journal's commit is a look at the account
            self._journaling.ask(turn, is_over=self._is_over)

    def allows(self) -> bool:
        """Return whether the turn in hand may be handed over, now; waits for the commit.

        Raises:
            LeaseLost: the lane is not ours any more, or may not be.
        """
        turn = self._supply.in_hand
        if turn is None or not self._is_allowed(turn):
            # Is the lane lost, was the account edited, or is it just this message?
            self._ownership.renew()
            self._standing.is_as_read()
            return False
        if not self._ownership.is_sure():
            msg = "the lease may have run out"
            raise LeaseLost(msg)
        crash.point("after_journal")
        self.may_be_out = True
        return True

    def _is_allowed(self, turn: Turn) -> bool:
        return self._journaling.allows(turn) and self._is_account_as_read()

    def _is_account_as_read(self) -> bool:
        """Look again before a dot, where the commit of its journal did not, or began to some time ago.

        A journal that waited for a lock (PostgreSQL's READ COMMITTED) sees the new version of the row that was locked,
        and the account as it was when it began.
        """
        is_fresh = time.monotonic() - self._looked_at < LOOK_AGAIN_SECONDS
        if is_fresh and not self._standing.may_change_unseen:
            return not self._standing.is_edited
        self._looked_at = time.monotonic()
        return self._standing.is_as_read()

    def passed(self) -> None:
        """From now on the answer is worth more than the lease."""
        self.is_out = self._renewal.awaits_reply = True

    def used(self) -> None:
        """Begin anew: the turn in hand is settled, or was given up."""
        self.may_be_out = self.is_out = self._renewal.awaits_reply = False
