"""The drain: owns one account's lane, hands its due mail over within its limits, and leaves.

Before a dot the journal is committed; outcomes are committed with the next journal, and the last ones before
QUIT. No transaction is open during network I/O.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailconfig import crash
from mailconfig.conf import Settings, get_settings
from mailconfig.delivery import lanes
from mailconfig.delivery.draining import edge, guards, strikes
from mailconfig.delivery.draining.journaling import Journaling
from mailconfig.delivery.draining.line import Line
from mailconfig.delivery.draining.sessions import SessionKeeper
from mailconfig.delivery.installation import ensure_this_installation
from mailconfig.delivery.lanes import Ownership
from mailconfig.delivery.mishaps import is_everybodys
from mailconfig.delivery.queue import due, retry
from mailconfig.delivery.queue.commits import Committer
from mailconfig.delivery.queue.quotas import server_limit_seconds
from mailconfig.delivery.queue.retry import Verdict
from mailconfig.delivery.queue.settle import note_internal_error
from mailconfig.delivery.queue.turn import Judge, Settlement, Turn
from mailconfig.exceptions import (
    InvalidMessage,
    LeaseLost,
    SecretUnreadable,
    SessionLost,
    TransportError,
)
from mailconfig.models import Account, Lane, WaitReason
from mailconfig.transports.base import Session
from mailconfig.values import EnvelopeOutcome, Reply, Stage

logger = logging.getLogger("mailconfig.drain")

POISON = (InvalidMessage, ValueError, TypeError, LookupError, OSError)
"""What a bad row raises: bytes gone, a file unreadable, an address that cannot be written."""


@dataclass(frozen=True, slots=True)
class DrainReport:
    """What a drain did.

    Attributes:
        owned: whether the lane could be had; if not, somebody else is at it.
        settled: turns whose outcome is known.
        is_due: whether mail is due right now, so that somebody should go on.
        due_at: when mail is due next; ``None``: nothing waits, or somebody has to act first.
    """

    owned: bool
    settled: int = 0
    is_due: bool = False
    due_at: datetime | None = None


def _never() -> bool:
    return False


def drain_account(
    *, account_id: int, should_stop: Callable[[], bool] = _never, slice_seconds: float | None = None
) -> DrainReport:
    """Hand over what is due of one account, for one slice of time.

    Args:
        account_id: whose lane.
        should_stop: asked between messages; true ends the drain after the message in hand.
        slice_seconds: instead of the deployment's ``SLICE_SECONDS``.

    Raises:
        WrongInstallation: this database belongs to another installation; nothing was sent.
    """
    ensure_this_installation()
    settings = get_settings()
    ownership = lanes.take(account_id=account_id, lease=settings.lease_seconds)
    if ownership is None:
        return DrainReport(owned=False)
    crash.point("after_lane")
    drain = Drain(ownership, settings, should_stop, slice_seconds or settings.slice_seconds)
    due_at: datetime | None = ownership.clock.now() + timedelta(seconds=settings.sweep_seconds)
    try:
        due_at = drain.run()
    except LeaseLost:
        logger.warning("the lane of account %s was lost to another worker", account_id)
    except Exception as error:  # whatever it is, it costs this account its turn and nobody else
        if is_everybodys(error):
            raise
        due_at = edge.rest(ownership, error)
        drain.is_held_back = True
    finally:
        lanes.free(ownership, due_at=due_at, succeeded_at=drain.succeeded_at)
    # A message may have been queued while the lane was being freed; its doorbell found the lane owned.
    is_due = not drain.is_held_back and due.exists(account_id=account_id, now=ownership.clock.now())
    if is_due:
        lanes.make_due([account_id])
    return DrainReport(True, drain.settled, is_due, due_at)


class Drain:
    """One drain of one account. Not to be used again after :meth:`run`."""

    journaling: Journaling
    account: Account
    lane: Lane
    judge: Judge

    def __init__(
        self, ownership: Ownership, settings: Settings, should_stop: Callable[[], bool], slice_seconds: float
    ) -> None:
        self.ownership = ownership
        self.settings = settings
        self.clock = ownership.clock
        self.settled = 0
        self.succeeded_at: datetime | None = None
        self.is_held_back = False
        """Whether the whole account waits, so that due mail is no reason to come back."""
        self._should_stop = should_stop
        self._ends_at = time.monotonic() + slice_seconds
        self._sessions = SessionKeeper(settings, on_wait=ownership.renew_while_waiting)
        self._commits = Committer(ownership)
        self._is_edited = True
        self._reopened_after = -1
        self._dot_may_be_out = False

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
        return (
            self.lane.wait_until if self.is_held_back else due.next_at(account_id=self.ownership.account_id)
        )

    def _is_over(self) -> bool:
        return self.is_held_back or self._should_stop() or time.monotonic() >= self._ends_at

    def _is_ready(self) -> bool:
        """Whether the account, as it is now, may send."""
        if not self._is_edited:
            return True
        self._drop_journaled()
        self._flush()
        self.account = Account.objects.select_related("owner").get(pk=self.ownership.account_id)
        self.lane = lanes.lane_of(self.account)
        obstacle = guards.find_obstacle(self.account, self.lane, now=self.clock.now())
        if obstacle:
            self._hold_back(obstacle)
            return False
        self.journaling = Journaling(
            self._commits,
            Line(self.account, self.settings, self.clock),
            revision=self.account.revision,
            window=self.settings.window,
        )
        retries = self.account.max_retries
        self.judge = Judge(
            self.settings,
            max_retries=self.settings.max_retries if retries is None else retries,
            redirected=bool(self.settings.redirect_all_to),
        )
        self._is_edited = False
        return True

    def _hold_back(self, wait: guards.Wait) -> None:
        """Let the account wait; if it was edited since the cause was met, look at it anew instead."""
        now, revision = self.clock.now(), self.account.revision
        self.is_held_back = lanes.wait(
            self.lane, token=self.ownership.token, **wait.as_values(), now=now, revision=revision
        )
        self._is_edited = not self.is_held_back

    def _wait_for_slot(self) -> bool:
        """Whether to go on: mail came back in line, or only the limit keeps us and a slot opens soon.

        A longer wait is noted on the lane.
        """
        self._flush()
        now = self.clock.now()
        storage_error = self.journaling.line.storage_error
        is_due = due.exists(account_id=self.account.pk, now=now, inline_only=storage_error is not None)
        if not is_due and storage_error:
            self._hold_back(guards.after_storage(storage_error, self.lane, now=now))
        limiter = self.journaling.line.limiter
        if not is_due or limiter.free(now) != 0:
            return is_due
        free_at = limiter.next_free_at(now)
        seconds = (free_at - now).total_seconds() if free_at else float("inf")
        if seconds <= self.settings.limit_wait_seconds and time.monotonic() + seconds < self._ends_at:
            time.sleep(max(0.0, seconds))
            return True
        self._hold_back(guards.Wait(WaitReason.LIMIT, free_at))
        return not self.is_held_back

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
        self._dot_may_be_out = False
        try:
            self.ownership.renew_if_due()
            session = self._sessions.get(self.account)
            if not turn.proposed:
                if self._is_unfit(turn, session):
                    return None
                session.propose(turn.envelope)
            turn.outcome = session.envelope_outcome()
            if turn.outcome.sender.is_success:
                self._note_connected()
            if session.closed:
                self._after_closing(turn, turn.outcome)
            elif not turn.outcome.is_open:
                self._conclude(turn, None, session)
            else:
                return self._hand_over(turn, session)
        except (TransportError, SecretUnreadable) as error:
            self._after_loss(turn, error)
        except POISON as error:
            self._after_poison(turn, error)
        except BaseException:
            if not self._dot_may_be_out:
                self._give_back(turn)
            raise
        return None

    def _hand_over(self, turn: Turn, session: Session) -> Turn | None:
        if turn.attempt_id is None:
            self.journaling.ask(turn, is_over=self._is_over)
        following = self._following(session)  # while the journal is committed
        try:
            chunks = turn.message.chunks()
            if self.journaling.allows(turn):
                self._send(turn, chunks, session, following)
            else:
                self._after_refusal(turn)
        except BaseException:
            if following:
                self.journaling.line.release(following)
            raise
        if following and (self.is_held_back or self._is_edited or session.closed):
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
            self.ownership.awaits_reply = True
            reply = session.outcome()
            crash.point("after_reply")
            self._conclude(turn, reply, session)
        finally:
            self.ownership.awaits_reply = False

    def _following(self, session: Session) -> Turn | None:
        """Whose proposal may ride with the dot: somebody who has a slot, in a session that goes on."""
        worn = session.handed_over + 1 >= self.settings.session_messages or self._sessions.is_worn()
        if worn or not session.capabilities.pipelining or self._is_over():
            return None
        following = self.journaling.next()
        return None if following and self._is_unfit(following, session) else following

    def _after_refusal(self, turn: Turn) -> None:
        """The journal refused: is the lane lost, was the account edited, or is it just this message?"""
        # After a 354 the only way back is to drop the connection.
        self._sessions.close()
        self.ownership.renew()
        revisions = Account.objects.filter(pk=self.account.pk).values_list("revision", flat=True)
        self._is_edited = revisions.first() != self.account.revision
        self.journaling.line.release(turn)  # last, for whoever catches an error gives it back as well

    # What came of it.

    def _conclude(self, turn: Turn, reply: Reply | None, session: Session) -> None:
        settlement = self.judge.settle(turn, reply=reply, ended_at=self.clock.at_latest())
        self._settle(settlement)
        if session.closed:
            if not self.is_held_back:
                self._rest(reply or settlement.reply)
        elif reply is None:
            self._sessions.reset()

    def _settle(self, settlement: Settlement) -> None:
        self.settled += 1
        self.journaling.add(settlement)
        if settlement.sent:
            self.succeeded_at = settlement.ended_at
            if self.lane.strikes:
                lanes.note_strikes(self.lane, 0, token=self.ownership.token)
        if settlement.verdict is not Verdict.ACCEPTED:
            self._note_verdict(settlement)
        elif strikes.is_doubtful(settlement) and not self.settings.redirect_all_to:
            self._flush()
            self._pause(strikes.after_doubt(settlement, self.lane))

    def _pause(self, wait: guards.Wait | None) -> None:
        if wait is not None:
            self._hold_back(wait)

    def _note_verdict(self, settlement: Settlement) -> None:
        reply, now = settlement.account_reply or settlement.reply or Reply(0), self.clock.now()
        if settlement.verdict is Verdict.SERVER_LIMIT:
            until = now + timedelta(seconds=server_limit_seconds(reply))
            self._hold_back(guards.Wait(WaitReason.SERVER_LIMIT, until, reply.words, "server_limit"))
        elif settlement.verdict is Verdict.PROTOCOL:
            self._hold_back(guards.after_strike(self.lane, now=now, settings=self.settings, text=reply.words))
        elif settlement.verdict in {Verdict.SENDER_REFUSED, Verdict.ACCOUNT_REFUSED}:
            self._pause(strikes.after_refusal(settlement, self.lane, token=self.ownership.token))

    def _note_connected(self) -> None:
        """The server let us in and took our sender: what was wrong with the connection is over."""
        if self.lane.wait_reason or self.lane.failures:
            at, strikes = self.clock.now(), self.lane.strikes
            lanes.clear(self.lane, token=self.ownership.token, succeeded_at=at, strikes=strikes)

    def _after_closing(self, turn: Turn, outcome: EnvelopeOutcome) -> None:
        """A 421 before the dot: the server wants to be left alone, and no message is to blame."""
        self._give_back(turn)
        self._rest(outcome.farewell)

    def _rest(self, reply: Reply | None) -> None:
        self._sessions.close()
        failures = self.lane.failures + 1
        until = self.clock.now() + timedelta(seconds=retry.backoff_seconds(failures, self.settings))
        words = reply.words if reply else ""
        self._hold_back(guards.Wait(WaitReason.SERVER_AWAY, until, words, "connect_failed", failures))

    def _after_loss(self, turn: Turn, error: TransportError | SecretUnreadable) -> None:
        self._sessions.close()
        self._give_back(turn, error if isinstance(error, TransportError) else None)
        # Servers end long sessions as they like: that alone is no reason to rest, if there was progress since.
        if isinstance(error, SessionLost) and self.settled > self._reopened_after + 1:
            self._reopened_after = self.settled
            return
        now = self.clock.now()
        self._hold_back(guards.after_failure(error, self.lane, now=now, settings=self.settings))

    def _give_back(self, turn: Turn, error: TransportError | None = None) -> None:
        if self.journaling.allows(turn):
            self._put_back(turn, error)
        else:
            self.journaling.line.release(turn)

    def _put_back(self, turn: Turn, error: TransportError | None = None) -> None:
        self._settle(self.judge.lose(turn, error=error, ended_at=self.clock.at_latest()))

    def _after_poison(self, turn: Turn, error: Exception) -> None:
        """One bad message never stops the loop: it fails alone, after three times, and visibly."""
        logger.error("message %s cannot be handed over", turn.message.uuid, exc_info=error)
        self._sessions.close()
        self._give_back(turn)
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
