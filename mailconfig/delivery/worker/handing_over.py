"""The loop of a drain: one turn after another, each with its envelope, its journal, its dot and its outcome.

Before a dot the journal is committed; outcomes are committed with the next journal, and the last ones before
QUIT. No transaction is open during network I/O.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import TypeGuard

from django.core.exceptions import ValidationError
from django.db import DatabaseError, InterfaceError

from mailconfig import crash
from mailconfig.conf import Settings
from mailconfig.delivery import lanes
from mailconfig.delivery.lanes import Ownership
from mailconfig.delivery.queue import due
from mailconfig.delivery.queue.bodies import StorageAway
from mailconfig.delivery.queue.commits import Committer
from mailconfig.delivery.queue.judge import TRANSACTION, Judge, blame_for
from mailconfig.delivery.queue.settle import note_internal_error
from mailconfig.delivery.queue.turn import Blame, Settlement, Turn
from mailconfig.delivery.worker import guards, strikes
from mailconfig.delivery.worker.journaling import Journaling
from mailconfig.delivery.worker.line import Line
from mailconfig.delivery.worker.sessions import SessionKeeper
from mailconfig.delivery.worker.standing import Standing, mark_of
from mailconfig.exceptions import LeaseLost, SecretUnreadable, SessionLost, TransportError, WrongInstallation
from mailconfig.models import Account, AttemptOutcome, WaitReason
from mailconfig.transports.base import Session
from mailconfig.transports.contract import Verdict
from mailconfig.transports.smtp import verdicts
from mailconfig.values import EnvelopeOutcome, Reply, Stage

logger = logging.getLogger("mailconfig.drain")

NOT_POISON = (DatabaseError, InterfaceError, LeaseLost, WrongInstallation)
"""What says nothing of the message in hand. Whatever else its bytes and addresses raise is its own."""


class Drain:
    """One drain of one account. Not to be used again after :meth:`run`."""

    journaling: Journaling
    judge: Judge

    def __init__(
        self, ownership: Ownership, settings: Settings, should_stop: Callable[[], bool], slice_seconds: float
    ) -> None:
        self.ownership = ownership
        self.settings = settings
        self.clock = ownership.clock
        self.outcomes: Counter[AttemptOutcome] = Counter()
        self.succeeded_at: datetime | None = None
        self._standing: Standing | None = None
        self._should_stop = should_stop
        self._ends_at = time.monotonic() + slice_seconds
        self._sessions = SessionKeeper(settings, on_wait=ownership.renew_while_waiting)
        self._commits = Committer(ownership)
        self._progress = 0
        """Messages that the server took."""
        self._progress_at_end = 0
        """The same when a session was ended last."""
        self._rest_owed: Callable[[], None] | None = None
        """What is due to a server that ended a session over a message, unless it takes another message meanwhile."""
        self._dot_may_be_out = self._dot_is_out = False

    @property
    def standing(self) -> Standing:
        """The standing of the account, once it was read."""
        if self._standing is None:
            msg = "the account was not read"
            raise RuntimeError(msg)
        return self._standing

    @property
    def is_held_back(self) -> bool:
        """Return whether the whole account waits, so that due mail is no reason to come back."""
        return self._standing is not None and self._standing.is_held_back

    def run(self) -> datetime | None:
        """Drain until nothing is due, the account waits, or the slice is over.

        Returns:
            When the lane is due again; ``None``: when something is queued, or when somebody acts.
        """
        try:
            while not self._is_over() and self._is_ready():
                turn = self.journaling.next()
                if turn is None and not self._wait_for_slot():
                    break
                while turn is not None:
                    turn = self._take(turn)
            self._drop_journaled()
        except BaseException:
            self._sessions.close()
            self._drop_journaled()
            self._flush()
            raise
        self._flush()
        self._sessions.quit()
        if self._rest_owed and not self.is_held_back:
            self._rest_owed()
        if self.is_held_back:
            return self.standing.lane.wait_until
        return due.next_at(account_id=self.ownership.account_id)

    def _is_over(self) -> bool:
        return self.is_held_back or self._should_stop() or time.monotonic() >= self._ends_at

    def _is_ready(self) -> bool:
        """Return whether the account, as it is now, may send."""
        if self._standing is not None and not self._standing.is_edited:
            return True
        self._drop_journaled()
        self._flush()
        mark = mark_of(self.ownership.account_id)  # before the rows, so that no edit in between is missed
        account = Account.objects.select_related("owner").get(pk=self.ownership.account_id)
        standing = Standing(account, lanes.lane_of(account), mark, self.ownership, self.settings)
        self._standing = standing
        obstacle = guards.find_obstacle(account, standing.lane, now=self.clock.now())
        if obstacle:
            standing.hold_back(obstacle)
            return False
        self.journaling = Journaling(
            self._commits,
            Line(account, self.settings, self.clock),
            revision=account.revision,
            window=self.settings.window,
        )
        self.judge = Judge(
            self.settings,
            max_retries=self.settings.max_retries if account.max_retries is None else account.max_retries,
            redirected=bool(self.settings.redirect_all_to),
        )
        return True

    def _wait_for_slot(self) -> bool:
        """Return whether to go on: mail came back in line, or only the limit keeps us and a slot opens soon.

        A longer wait is noted on the lane.
        """
        self._flush()
        now = self.clock.now()
        line, away = self.journaling.line, self.journaling.line.storage_error
        is_due = due.exists(
            account_id=self.ownership.account_id, now=now, without=line.in_hand, inline_only=away is not None
        )
        if not is_due and away:
            self.standing.hold_back(guards.after_storage(away, self.standing.lane, now=now))
        limiter = line.limiter
        if not is_due or limiter.free(now) != 0:
            return is_due
        free_at = limiter.next_free_at(now)
        seconds = (free_at - now).total_seconds() if free_at else float("inf")
        if seconds <= self.settings.limit_wait_seconds and time.monotonic() + seconds < self._ends_at:
            self._sleep(seconds)
            return True
        self.standing.hold_back(guards.Wait(WaitReason.LIMIT, free_at))
        return not self.is_held_back

    def _sleep(self, seconds: float) -> None:
        """Sleep in slices, between which the lease is renewed."""
        ends_at = time.monotonic() + seconds
        while (left := ends_at - time.monotonic()) > 0:
            time.sleep(min(left, self.settings.lease_seconds / 4))
            self.ownership.renew_if_due()

    def _flush(self) -> None:
        if hasattr(self, "journaling"):
            self.journaling.flush()

    def _drop_journaled(self) -> None:
        """Give back what the journal took and what is not handed over."""
        if hasattr(self, "journaling"):
            self.journaling.drop(self._put_back)

    # A turn.

    def _take(self, turn: Turn) -> Turn | None:
        """Take a turn.

        Returns:
            The turn whose proposal rode with its dot, which must come next.
        """
        self._dot_may_be_out = self._dot_is_out = False
        session: Session | None = None
        overlapped = turn.proposed
        try:
            self.ownership.renew_if_due()
            session = self._sessions.get(self.standing)
            if not overlapped:
                if self._is_unfit(turn, session):
                    return None
                session.propose(turn.envelope)
            turn.outcome = session.envelope_outcome()
            if turn.outcome.sender.is_success:
                self.standing.note_connected()
            if turn.outcome.is_open:
                return self._hand_over(turn, session)
            self._after_envelope(turn, turn.outcome, session, overlapped=overlapped)
        except (TransportError, SecretUnreadable) as error:
            self._after_loss(turn, error)
        except ValidationError:
            self.standing.is_edited = True  # the system's server is gone: reading it anew says so
            self._give_back(turn)
        except BaseException as error:
            if session and self._is_poison(error):
                self._after_poison(turn, error)
                return None
            if not self._dot_may_be_out:
                self._give_back(turn)
            raise
        return None

    def _is_poison(self, error: BaseException) -> TypeGuard[Exception]:
        """Return whether it is the message's: nothing is known of it once its dot is out, nor is the account to blame."""
        return isinstance(error, Exception) and not self._dot_is_out and not isinstance(error, NOT_POISON)

    def _hand_over(self, turn: Turn, session: Session) -> Turn | None:
        journaled_before = turn.attempt_id is not None
        if not journaled_before:
            self.standing.note_look()  # the journal's commit is one
            self.journaling.ask(turn, is_over=self._is_over)
        following = self._following(session)  # while the journal is committed
        try:
            chunks = turn.message.chunks()
            if not (self.journaling.allows(turn) and self.standing.allows_dot(journaled_before)):
                self._after_refusal(turn)
            else:
                self._send(turn, chunks, session, following)
        except BaseException:
            if following:
                self.journaling.line.release(following)
            raise
        if following and (self.standing.is_over or session.closed):
            self._sessions.close()
            self.journaling.line.release(following)
            return None
        return following

    def _send(self, turn: Turn, chunks: Iterator[bytes], session: Session, following: Turn | None) -> None:
        """Send what the journal took, and settle it."""
        if not self.ownership.is_sure():
            msg = "the lease may have run out"
            raise LeaseLost(msg)
        crash.point("after_journal")
        self._dot_may_be_out = True
        try:
            session.hand_over(chunks, following=following.envelope if following else None)
            if following:
                following.proposed = session.proposed
            self.ownership.awaits_reply = self._dot_is_out = True
            reply = session.outcome()
            crash.point("after_reply")
            self._conclude(turn, reply, session)
        finally:
            self.ownership.awaits_reply = False

    def _following(self, session: Session) -> Turn | None:
        """The turn whose proposal is sent behind the dot: one that has a slot, in a session that goes on."""
        worn = self._sessions.is_worn(with_another=1)
        if worn or not session.capabilities.pipelining or not self.standing.may_overlap() or self._is_over():
            return None
        following = self.journaling.next()
        return None if following and self._is_unfit(following, session) else following

    def _after_refusal(self, turn: Turn) -> None:
        """No dot for it now: is the lane lost, was the account edited, or is it just this message?"""
        # After a 354 the only way back is to drop the connection.
        self._sessions.close()
        self.ownership.renew()
        self.standing.is_as_read()
        self.journaling.line.release(turn)  # last, for whoever catches an error gives it back as well

    # What came of it.

    def _after_envelope(
        self, turn: Turn, outcome: EnvelopeOutcome, session: Session, *, overlapped: bool
    ) -> None:
        """A proposal that was refused: for itself, for where it came, or for the session's sake."""
        if overlapped and verdicts.refuses_proposal(outcome):
            self.journaling.line.release(turn)
            self.standing.note_overlap_refused(turn)
            self._sessions.reset()
        elif session.handed_over and verdicts.ends_session_at_mail(outcome):
            self.journaling.line.release(turn)
            self._after_session(outcome.sender, session.handed_over)
        else:
            self._conclude(turn, None, session)

    def _conclude(self, turn: Turn, reply: Reply | None, session: Session) -> None:
        settlement = self.judge.settle(turn, reply=reply, ended_at=self.clock.at_latest())
        self._settle(settlement)
        if session.closed or settlement.verdict is Verdict.NEXT_SESSION:
            taken = session.handed_over - int(reply is not None and not reply.is_success)
            farewell = turn.outcome.farewell if turn.outcome and reply is None else None
            self._after_session(farewell or settlement.account_reply or settlement.reply, taken)
        elif reply is None:
            self._sessions.reset()

    def _settle(self, settlement: Settlement) -> None:
        self.outcomes[settlement.outcome] += 1
        self.journaling.add(settlement)
        if settlement.sent:
            self._progress += 1
            self._rest_owed = None
            self.succeeded_at = settlement.ended_at
        self.standing.note_outcome(settlement)
        doubtful = settlement.verdict is Verdict.ACCEPTED and strikes.is_doubtful(settlement)
        if doubtful and not self.settings.redirect_all_to:
            self._flush()
            self.standing.hold_back(strikes.after_doubt(settlement, self.standing.lane))

    def _after_session(self, reply: Reply | None, mails: int) -> None:
        """A session that the server ended: the next one at once, if something came about in it, else a rest."""
        self._sessions.quit()
        if self.is_held_back:
            return
        self.standing.note_session_ended(mails)
        progressed = self._has_progressed()
        if reply is not None and verdicts.goes_down(reply):
            self.standing.rest(reply)
        elif not progressed:
            self._rest_unless_others_go(partial(self.standing.rest, reply))

    def _rest_unless_others_go(self, rest: Callable[[], None]) -> None:
        """One message may have brought it about: only the second one in a row says that it is the server."""
        if self._rest_owed:
            rest()
        else:
            self._rest_owed = rest

    def _has_progressed(self) -> bool:
        """Return whether something came about since a session was ended last. Servers end long ones as they like."""
        progressed = self._progress > self._progress_at_end
        self._progress_at_end = self._progress
        return progressed

    def _after_loss(self, turn: Turn, error: TransportError | SecretUnreadable) -> None:
        mails = self._sessions.close() - int(self._dot_is_out)  # whether that one was taken, nobody knows
        if not isinstance(error, TransportError) or error.stage not in TRANSACTION:
            self._give_back(turn)
            self.standing.note_failure(error)
            return
        progressed = self._has_progressed()
        blame = blame_for(error, progressed=progressed, mails=mails)
        if blame is Blame.NOBODY and error.stage is Stage.SENDER:
            self.journaling.line.release(turn)  # it was not even begun, so it comes first in the next session
        else:
            self._give_back(turn, error, blame)
        rest = partial(self.standing.note_failure, error)
        if isinstance(error, SessionLost) and progressed:
            self.standing.note_session_ended(mails)
        elif blame is Blame.MESSAGE and not error.ambiguous:
            self._rest_unless_others_go(rest)
        elif not self.is_held_back:
            rest()

    def _give_back(
        self, turn: Turn, error: TransportError | None = None, blame: Blame = Blame.NOBODY
    ) -> None:
        if self.journaling.allows(turn) or (error is not None and blame is not Blame.NOBODY):
            self._put_back(turn, error, blame)
        else:
            self.journaling.line.release(turn)

    def _put_back(self, turn: Turn, error: TransportError | None = None, blame: Blame = Blame.NOBODY) -> None:
        at = self.clock.at_latest()
        self._settle(self.judge.lose(turn, error=error, ended_at=at, blame=blame))

    def _after_poison(self, turn: Turn, error: Exception) -> None:
        """One bad message never stops the loop: it fails alone, after three times, and visibly."""
        self._sessions.close()
        self._give_back(turn)
        if isinstance(error, StorageAway):
            # That is nothing of the message's: it keeps its place.
            self._drop_journaled()
            self.journaling.line.note_storage_away(error)
            return
        logger.error("message %s cannot be handed over", turn.message.uuid, exc_info=error)
        self._flush()
        note_internal_error(turn.message.pk, error, now=self.clock.now())

    def _is_unfit(self, turn: Turn, session: Session) -> bool:
        """A message that this server cannot take, as its greeting said: it fails without being offered."""
        misfit = turn.misfit(session.capabilities)
        if misfit is None:
            return False
        reply, code = misfit
        at = self.clock.at_latest()
        self._settle(self.judge.refuse(turn, reply=reply, stage=Stage.SENDER, error_code=code, ended_at=at))
        return True
