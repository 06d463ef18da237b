"""The journal's part of a drain: which turns of the line may be handed over, and what is committed with them.

Where commits can be waited for later, the next turns are journaled while those before them are sent.
"""

from __future__ import annotations

from collections.abc import Callable

from mailconfig.delivery.draining.line import Line
from mailconfig.delivery.queue.commits import Committer
from mailconfig.delivery.queue.turn import Settlement, Turn

WORTH_HALVING = 4
"""From this window on half of it is journaled while the other half is sent; below, a commit for each is dearer."""


class Journaling:
    """Never are more messages than the window journaled whose outcome is not committed.

    Those are the turns journaled and not yet settled, and the outcomes that go with the next commit: with it as many
    leave as were settled, so it is enough that the others and the group of that commit fit into the window.
    """

    def __init__(self, commits: Committer, line: Line, *, revision: int, window: int) -> None:
        self.line = line
        self._commits = commits
        self._revision = revision
        self._window = window
        halves = commits.overlaps and window >= WORTH_HALVING
        self._portion = (window + 1) // 2 if halves else window
        self._asked: Turn | None = None
        """The one of the group under way that is in hand."""
        self._ahead: list[Turn] = []
        """Those of the group under way that come later."""
        self._is_dry = False
        """Nothing more was due, and what was journaled comes first."""

    def next(self) -> Turn | None:
        """The next turn of the line: one that was journaled, if there is any."""
        if not self.line.journaled:
            self._is_dry = False
            if self._ahead:
                self.finish()
        return self.line.next()

    def ask(self, turn: Turn, *, is_over: Callable[[], bool]) -> None:
        """Begin to journal this turn, and with a window the next ones as well. See :meth:`allows`."""
        self._start([turn], self._portion - 1, is_over)
        self._asked = turn

    def ask_ahead(self, *in_hand: Turn | None, is_over: Callable[[], bool]) -> None:
        """Begin to journal what comes after the turns in hand, if these are journaled and there is room."""
        if self._portion == self._window or self._is_dry or self._commits.is_under_way:
            return
        turns = [turn for turn in in_hand if turn]
        if all(turn.attempt_id is not None for turn in turns):
            room = self._window - self.line.journaled - len(turns)
            self._start([], min(self._portion, room), is_over)

    def _start(self, first: list[Turn], further: int, is_over: Callable[[], bool]) -> None:
        self.finish()
        ahead: list[Turn] = []
        while len(ahead) < further and not is_over():
            turn = self.line.next_unjournaled()
            if turn is None:
                self._is_dry = True
                break
            ahead.append(turn)
        if first or ahead:
            self._ahead = ahead
            self._commits.start([*first, *ahead], revision=self._revision)

    def allows(self, turn: Turn) -> bool:
        """Whether the journal took the turn, so that its dot may be written; waits for the commit."""
        if turn is self._asked:
            self.finish()
        return turn.attempt_id is not None

    def finish(self) -> None:
        """Wait for the commit under way, if there is one."""
        self.line.committed(self._commits.finish())
        self._asked = None
        ahead, self._ahead = self._ahead, []
        for turn in ahead:
            if turn.attempt_id is None:
                self.line.release(turn)
            else:
                self.line.keep_journaled(turn)

    def add(self, settlement: Settlement) -> None:
        """Take an outcome along with the next commit."""
        self.line.settle(settlement)
        self._commits.add(settlement)

    def flush(self) -> None:
        """Commit what is under way and all outcomes in hand."""
        self.finish()
        self.line.committed(self._commits.flush())

    def drop(self, settle: Callable[[Turn], None]) -> None:
        """Settle what was journaled and is not handed over."""
        self.finish()
        self.line.drop_journaled(settle)
