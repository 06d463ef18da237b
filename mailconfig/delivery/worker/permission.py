"""The permission to pass the point of no return: committed by the journal, with the lane ours and the account as read."""

from __future__ import annotations

from collections.abc import Callable

from mailconfig import crash
from mailconfig.delivery.lanes import Ownership
from mailconfig.delivery.queue.turn import Turn
from mailconfig.delivery.worker.journaling import Journaling
from mailconfig.delivery.worker.standing import Standing
from mailconfig.delivery.worker.supply import Supply
from mailconfig.exceptions import LeaseLost


class Permission:
    """Journal of :mod:`mailconfig.transports.contract`, for the turn that the supply has in hand."""

    def __init__(
        self,
        journaling: Journaling,
        standing: Standing,
        supply: Supply,
        ownership: Ownership,
        *,
        is_over: Callable[[], bool],
    ) -> None:
        self.may_be_out = False
        """Whether the turn in hand may be handed over: what becomes of it, only its outcome tells."""
        self.is_out = False
        """Whether it is, and only the answer is missing."""
        self._journaling, self._standing, self._supply = journaling, standing, supply
        self._ownership, self._is_over = ownership, is_over

    def start(self, *, accepted: int) -> None:
        """Begin to journal the turn in hand, and with a window the next ones as well."""
        turn = self._supply.in_hand
        if turn is None:
            msg = "no turn was taken"
            raise RuntimeError(msg)
        self._standing.note_connected()
        turn.ready_for = accepted
        if not turn.is_journaled:
            self._standing.note_look()  # the journal's commit is one
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
        return self._journaling.allows(turn) and self._standing.allows_dot()

    def passed(self) -> None:
        """From now on the answer is worth more than the lease."""
        self.is_out = self._ownership.awaits_reply = True

    def used(self) -> None:
        """Begin anew: the turn in hand is settled, or was given up."""
        self.may_be_out = self.is_out = self._ownership.awaits_reply = False
