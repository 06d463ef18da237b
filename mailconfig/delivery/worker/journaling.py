"""The journal's part of a session's work: which turns of the line may be handed over, and what is committed with them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from mailconfig.delivery.queue.commits import Committer
from mailconfig.delivery.queue.turn import Settlement, Turn
from mailconfig.delivery.worker.line import Line


class Journaling:
    """Never are more messages of one session than the window journaled whose outcome is not committed.

    A journal is asked for and known in two steps: the next turn is made ready while the database commits.
    """

    def __init__(self, commits: Committer, line: Line, *, revision: int, window: int) -> None:
        self.line = line
        self._commits = commits
        self._revision = revision
        self._window = window
        self._asked: Turn | None = None
        """The one of the group under way that is in hand."""
        self._ahead: list[Turn] = []
        """Those of the group under way that come later."""
        self._journaled: deque[Turn] = deque()
        """Those that the journal took and that come next, in this session and in no other."""

    def next(self) -> Turn | None:
        """The next turn: one that was journaled, if there is any, else the line's."""
        if self._ahead:
            self.finish()
        return self._journaled.popleft() if self._journaled else self.line.next()

    def release(self, turn: Turn) -> None:
        """Put a turn back that does not come now."""
        if turn.is_journaled:
            turn.ready_for = 0
            self._journaled.appendleft(turn)
        else:
            self.line.release(turn)

    def ask(self, turn: Turn, *, is_over: Callable[[], bool]) -> None:
        """Begin to journal this turn, and with a window the next ones as well. See :meth:`allows`."""
        self.finish()
        while len(self._ahead) + 1 < self._window and not is_over():
            further = self.line.next()
            if further is None:
                break
            self._ahead.append(further)
        self._asked = turn
        self._commits.start([turn, *self._ahead], revision=self._revision)

    def allows(self, turn: Turn) -> bool:
        """Return whether the journal took the turn, so that its dot may be written; waits for the commit."""
        if turn is self._asked:
            self.finish()
        return turn.is_journaled

    def finish(self) -> None:
        """Wait for the commit under way, if there is one."""
        self.line.committed(self._commits.finish())
        self._asked = None
        ahead, self._ahead = self._ahead, []
        for turn in ahead:
            if not turn.is_journaled:
                self.line.release(turn)
            else:
                self._journaled.append(turn)

    def add(self, settlement: Settlement) -> None:
        """Take an outcome along with the next commit."""
        self.line.note_used(settlement)
        self._commits.add(settlement)

    def flush(self) -> None:
        """Commit what is under way and all outcomes in hand."""
        self.finish()
        self.line.committed(self._commits.flush())

    def drop(self, settle: Callable[[Turn], None]) -> None:
        """Settle what was journaled and is not handed over."""
        self.finish()
        while self._journaled:
            settle(self._journaled.popleft())
