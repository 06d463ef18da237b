"""The aftermath of outcomes and of sessions that ended: settlements, rests, strikes, pauses, and what a server teaches."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Protocol

from mailconfig.conf import Settings
from mailconfig.delivery.clock import DatabaseClock
from mailconfig.delivery.queue.judge import Judge
from mailconfig.delivery.queue.turn import Settlement, Turn
from mailconfig.delivery.worker import strikes
from mailconfig.delivery.worker.journaling import Journaling
from mailconfig.delivery.worker.standing import Standing
from mailconfig.exceptions import SessionLost
from mailconfig.models import AttemptOutcome
from mailconfig.transports.contract import Blame, Judgement, Outcome, SessionEnd, Verdict
from mailconfig.values import Answer, Stage

NO_RECIPIENT = Outcome(
    stage=Stage.SENDER,
    whole=Judgement(Verdict.FAIL, Answer(554, "The message has no recipient left.", "5.1.3")),
    error_code="no_recipients",
)


class LeavesItToOthers(Protocol):
    """Question whether other sessions of the lane go on, so that this one just ends; ``refused``: it was not let begin."""

    def __call__(self, *, refused: bool) -> bool: ...


class Progress:
    """Sum of what a drain has come to in all its sessions, however often it reads its account anew."""

    def __init__(self) -> None:
        self.outcomes: Counter[AttemptOutcome] = Counter()
        self.succeeded_at: datetime | None = None
        self._lock = threading.Lock()
        self._rest_owed: Callable[[], None] | None = None
        """What is due to a server that ended a session over a message, unless it takes another message meanwhile."""

    def note(self, settlement: Settlement) -> None:
        """Count an outcome."""
        with self._lock:
            self.outcomes[settlement.outcome] += 1
            if settlement.sent:
                self._rest_owed = None
                self.succeeded_at = max(self.succeeded_at or settlement.ended_at, settlement.ended_at)

    def rest_unless_others_go(self, rest: Callable[[], None]) -> None:
        """Rest from the second time in a row on: one message by itself may have brought it about."""
        with self._lock:
            is_owed = self._rest_owed is not None
            if not is_owed:
                self._rest_owed = rest
        if is_owed:
            rest()

    def pay_rest(self) -> None:
        """Rest if that is still due at the end."""
        if self._rest_owed:
            self._rest_owed()


class Share:
    """Share of one session, and of those that follow it, in the progress of a drain."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self._taken = 0
        """Messages that the server took."""
        self._taken_at_end = 0
        """The same when a session ended last."""

    def note(self, settlement: Settlement) -> None:
        """Count an outcome."""
        self.progress.note(settlement)
        if settlement.sent:
            self._taken += 1

    @property
    def has_sent(self) -> bool:
        """Return whether the server took anything."""
        return self._taken > 0

    def since_last_end(self) -> bool:
        """Return whether something came about since a session ended last. Servers end long ones as they like."""
        progressed = self._taken > self._taken_at_end
        self._taken_at_end = self._taken
        return progressed


class Aftermath:
    """Settles turns, and tells the account's standing what they mean for it."""

    def __init__(
        self,
        journaling: Journaling,
        standing: Standing,
        judge: Judge,
        share: Share,
        *,
        settings: Settings,
        clock: DatabaseClock,
        leaves_it_to_others: LeavesItToOthers,
    ) -> None:
        """Make what concludes for one conversation.

        Args:
            journaling: its journal.
            standing: of the account.
            judge: by what rules.
            share: of the conversation.
            settings: of the deployment.
            clock: of the lane.
            leaves_it_to_others: asked when a session ended in which nothing came about.
        """
        self._journaling, self._standing, self._judge = journaling, standing, judge
        self._share, self._settings, self._clock = share, settings, clock
        self._leaves_it_to_others = leaves_it_to_others

    def conclude(self, turn: Turn, outcome: Outcome, end: SessionEnd | None) -> None:
        """Draw the conclusions from a turn's outcome."""
        if outcome.error is not None and end is not None:
            self._after_loss(turn, outcome, end)
            return
        if self._is_unwanted(outcome, end):
            self._journaling.release(turn)
            return
        if outcome.stage is not Stage.SENDER:
            self._standing.note_connected()
        self._settle(self._judge.settle(turn, outcome, ended_at=self._clock.at_latest()))

    def _is_unwanted(self, outcome: Outcome, end: SessionEnd | None) -> bool:
        """Return whether the server put off the first mail of a session and ended it, while it goes on with others."""
        if end is None or end.mails or outcome.stage is not Stage.SENDER:
            return False
        is_put_off = outcome.whole.verdict in {Verdict.RETRY, Verdict.NEXT_SESSION}
        return is_put_off and self._leaves_it_to_others(refused=True)

    def refuse(self, turn: Turn) -> None:
        """Let a turn fail that is for nobody any more."""
        self._settle(self._judge.settle(turn, NO_RECIPIENT, ended_at=self._clock.at_latest()))

    def give_back(self, turn: Turn) -> None:
        """Give back a turn of which nothing came."""
        if self._journaling.allows(turn):
            self.put_back(turn)
        else:
            self._journaling.release(turn)

    def put_back(self, turn: Turn) -> None:
        """Settle a turn that was journaled and is not handed over."""
        self._settle(self._judge.lose(turn, ended_at=self._clock.at_latest()))

    def _settle(self, settlement: Settlement) -> None:
        self._journaling.add(settlement)
        self._share.note(settlement)
        self._standing.note_outcome(settlement)
        if settlement.goes_home:
            # Before the next one is proposed: what else waits for that account goes home with it.
            self._journaling.flush()
            self._journaling.line.read_anew()
        is_own = settlement.turn.message.home_id is None
        doubtful = is_own and settlement.verdict is Verdict.ACCEPTED and strikes.is_doubtful(settlement)
        if doubtful and not self._settings.redirect_all_to:
            self._journaling.flush()
            self._standing.hold_back(
                strikes.after_doubt(settlement, self._standing.lane, since=self._share.progress.succeeded_at)
            )

    # Sessions that ended.

    def after_session(self, end: SessionEnd) -> None:
        """Draw the conclusions from a session that was ended in good order: the next one at once, or a rest."""
        if self._standing.is_held_back:
            return
        self._standing.note_session_ended(end.mails)
        progressed = self._share.since_last_end()
        if not end.mails and self._leaves_it_to_others(refused=False):
            return
        if end.goes_down:
            self._standing.rest(end.answer)
        elif not progressed:
            self._share.progress.rest_unless_others_go(partial(self._standing.rest, end.answer))

    def _after_loss(self, turn: Turn, outcome: Outcome, end: SessionEnd) -> None:
        """Settle a turn in which the session broke, and let the server rest, or the next session begin at once."""
        error = end.error
        if error is None:
            msg = "a session that broke says how"
            raise ValueError(msg)
        progressed = self._share.since_last_end()
        is_first = not end.mails and outcome.stage is Stage.SENDER
        is_unwanted = is_first and isinstance(error, SessionLost) and self._leaves_it_to_others(refused=True)
        blame = Blame.NOBODY if is_unwanted or (progressed and not end.is_certain) else end.blame
        if blame is Blame.NOBODY and outcome.stage is Stage.SENDER:
            # It was not even begun, so it comes first in the next session.
            self._journaling.release(turn)
        elif self._journaling.allows(turn) or blame is not Blame.NOBODY:
            at = self._clock.at_latest()
            self._settle(self._judge.lose(turn, outcome, ended_at=at, blame=blame))
        else:
            self._journaling.release(turn)
        rest = partial(self._standing.note_failure, error)
        if isinstance(error, SessionLost) and progressed:
            self._standing.note_session_ended(end.mails)
        elif isinstance(error, SessionLost) and self._leaves_it_to_others(refused=False):
            return
        elif blame is Blame.MESSAGE and not error.ambiguous:
            self._share.progress.rest_unless_others_go(rest)
        elif not self._standing.is_held_back:
            rest()
