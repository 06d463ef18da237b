"""The supply of a session: which turn is next, in the line's order, and whether there may be one at all."""

from __future__ import annotations

from collections.abc import Callable

from mailconfig.delivery.queue.turn import Turn
from mailconfig.delivery.worker.journaling import Journaling
from mailconfig.delivery.worker.sessions import SessionKeeper
from mailconfig.delivery.worker.standing import Standing


class Supply:
    """Deliveries of :mod:`mailconfig.transports.contract`. A turn holds its slots of the limits from when it is shown."""

    def __init__(
        self,
        journaling: Journaling,
        standing: Standing,
        sessions: SessionKeeper,
        *,
        is_over: Callable[[], bool],
        refuse: Callable[[Turn], None],
    ) -> None:
        self.in_hand: Turn | None = None
        """The one that the session has taken."""
        self._journaling, self._standing, self._sessions = journaling, standing, sessions
        self._is_over, self._refuse = is_over, refuse
        self._shown: Turn | None = None

    def is_empty(self) -> bool:
        """Return whether nothing can be sent now: nothing is due, or the limit is reached."""
        self._shown = self._shown or self._look()
        return self._shown is None

    def next(self) -> Turn | None:
        """Take the next turn. One that was shown comes as long as the account may send: it may have been begun."""
        self.in_hand = None
        if self._standing.is_over:
            return None
        if self._shown is None and not (self._is_over() or self._sessions.is_worn()):
            self._shown = self._look()
        self.in_hand, self._shown = self._shown, None
        return self.in_hand

    def peek(self) -> Turn | None:
        """Return the turn that may be begun behind the one in hand: one that has a slot, in a session that goes on."""
        if self._shown is None:
            worn = self._sessions.is_worn(with_another=1)
            if not (worn or self._is_over()) and self._standing.may_overlap():
                self._shown = self._look()
        return self._shown

    def _look(self) -> Turn | None:
        """Return the next turn of the line that is for somebody."""
        turn = self._journaling.next()
        while turn is not None and not turn.recipients:
            self._refuse(turn)
            turn = self._journaling.next()
        return turn

    def put_back(self, *, refused_behind: bool = False) -> None:
        """Put the turn in hand back to where it was."""
        turn, self.in_hand = self.in_hand, None
        if turn is None:
            return
        self.hide()
        self._journaling.release(turn)
        if refused_behind:
            self._standing.note_overlap_refused(turn)

    def settled(self) -> None:
        """Let go of the turn in hand: its outcome is known."""
        self.in_hand = None

    def hide(self) -> None:
        """Put back what was shown and not taken."""
        shown, self._shown = self._shown, None
        if shown is not None:
            self._journaling.release(shown)
