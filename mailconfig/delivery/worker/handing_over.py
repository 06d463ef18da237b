"""The loop of a drain, from reading the account to leaving it.

A session takes turns from the supply, asks for the permission to hand each over, and yields what came of it; the
aftermath says what that means. Before a dot the journal is committed; outcomes are committed with the next journal, and
the last ones before QUIT. No transaction is open during network I/O.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
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
from mailconfig.delivery.queue.judge import Judge
from mailconfig.delivery.queue.settle import note_internal_error
from mailconfig.delivery.queue.turn import Turn
from mailconfig.delivery.worker import guards
from mailconfig.delivery.worker.aftermath import Aftermath, Progress
from mailconfig.delivery.worker.journaling import Journaling
from mailconfig.delivery.worker.line import Line
from mailconfig.delivery.worker.permission import Permission
from mailconfig.delivery.worker.sessions import SessionKeeper
from mailconfig.delivery.worker.standing import Standing, mark_of
from mailconfig.delivery.worker.supply import Supply
from mailconfig.exceptions import LeaseLost, SecretUnreadable, TransportError, WrongInstallation
from mailconfig.models import Account, AttemptOutcome, WaitReason
from mailconfig.transports.contract import Session

logger = logging.getLogger("mailconfig.drain")

NOT_POISON = (DatabaseError, InterfaceError, LeaseLost, WrongInstallation)
"""What says nothing of the message in hand. Whatever else its bytes and addresses raise is its own."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The account as it was read, and all that works with it until it is read anew."""

    standing: Standing
    journaling: Journaling
    supply: Supply
    permission: Permission
    aftermath: Aftermath


class Drain:
    """One drain of one account. Not to be used again after :meth:`run`."""

    def __init__(
        self, ownership: Ownership, settings: Settings, should_stop: Callable[[], bool], slice_seconds: float
    ) -> None:
        self.ownership = ownership
        self.settings = settings
        self.clock = ownership.clock
        self.progress = Progress()
        self._standing: Standing | None = None
        self._reading: Reading | None = None
        self._should_stop = should_stop
        self._ends_at = time.monotonic() + slice_seconds
        self._sessions = SessionKeeper(settings, on_wait=ownership.renew_while_waiting)
        self._commits = Committer(ownership)

    @property
    def outcomes(self) -> Counter[AttemptOutcome]:
        """Return how often which outcome came about."""
        return self.progress.outcomes

    @property
    def succeeded_at(self) -> datetime | None:
        """Return when the server took a message last."""
        return self.progress.succeeded_at

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
            while not self._is_over() and (reading := self._read()) is not None:
                if not reading.supply.is_empty():
                    self._converse(reading)
                elif not self._wait_for_slot(reading):
                    break
            self._drop_journaled()
        except BaseException:  # whatever ends a drain, what its mails came to is committed
            self._sessions.close()
            self._drop_journaled()
            self._flush()
            raise
        self._flush()
        self._sessions.quit()
        if not self.is_held_back:
            self.progress.pay_rest()
        if self._standing is not None and self._standing.is_held_back:
            return self._standing.lane.wait_until
        return due.next_at(account_id=self.ownership.account_id)

    def _is_over(self) -> bool:
        return self.is_held_back or self._should_stop() or time.monotonic() >= self._ends_at

    # The account.

    def _read(self) -> Reading | None:
        """Return the account as it is now; ``None``: it may not send."""
        if self._reading is not None and not self._reading.standing.is_edited:
            return self._reading
        self._drop_journaled()
        self._flush()
        mark = mark_of(self.ownership.account_id)  # before the rows, so that no edit in between is missed
        account = Account.objects.select_related("owner").get(pk=self.ownership.account_id)
        standing = Standing(account, lanes.lane_of(account), mark, self.ownership, self.settings)
        self._standing = standing
        obstacle = guards.find_obstacle(account, standing.lane, now=self.clock.now())
        if obstacle:
            standing.hold_back(obstacle)
            return None
        self._reading = self._prepare(account, standing)
        return self._reading

    def _prepare(self, account: Account, standing: Standing) -> Reading:
        settings = self.settings
        line = Line(account, settings, self.clock)
        journaling = Journaling(self._commits, line, revision=account.revision, window=settings.window)
        retries = settings.max_retries if account.max_retries is None else account.max_retries
        judge = Judge(settings, max_retries=retries, redirected=bool(settings.redirect_all_to))
        aftermath = Aftermath(journaling, standing, judge, self.progress, settings=settings, clock=self.clock)
        supply = Supply(journaling, standing, self._sessions, is_over=self._is_over, refuse=aftermath.refuse)
        permission = Permission(journaling, standing, supply, self.ownership, is_over=self._is_over)
        return Reading(standing, journaling, supply, permission, aftermath)

    # A conversation with the server.

    def _converse(self, reading: Reading) -> None:
        """Let a session send, until it, the supply or the account's standing ends that."""
        session: Session | None = None
        try:
            session = self._open(reading)
            if session is None:
                return
            with closing(session.send(reading.supply, reading.permission)) as outcomes:
                for outcome in outcomes:
                    crash.point("after_reply")
                    turn = reading.supply.in_hand
                    if turn is not None:
                        reading.aftermath.conclude(turn, outcome, session.end)
                    reading.supply.settled()
                    reading.permission.used()
                    self.ownership.renew_if_due()
                    if reading.standing.is_over:
                        break
        except BaseException as error:
            turn = reading.supply.in_hand
            reading.supply.hide()
            if turn is None or not self._is_poison(error, reading.permission):
                if turn is not None and not reading.permission.may_be_out:
                    reading.aftermath.give_back(turn)
                raise
            self._after_poison(reading, turn, error)
        finally:
            reading.permission.used()
        reading.supply.hide()
        self._sessions.was_used()
        if session is not None and session.end is not None:
            self._sessions.quit()
            if session.end.error is None:
                reading.aftermath.after_session(session.end)

    def _open(self, reading: Reading) -> Session | None:
        """Return a session that is good for another message; ``None``: there is none, as the standing knows now."""
        standing = reading.standing
        self.ownership.renew_if_due()
        try:
            return self._sessions.get(standing)
        except (TransportError, SecretUnreadable) as error:
            self._sessions.close()
            reading.supply.hide()
            standing.note_failure(error)
        except ValidationError:
            standing.is_edited = True  # the system's server is gone: reading it anew says so
            reading.supply.hide()
        return None

    @staticmethod
    def _is_poison(error: BaseException, permission: Permission) -> TypeGuard[Exception]:
        """Return whether it is the message's: nothing is known of it once its dot is out, nor is the account to blame."""
        return isinstance(error, Exception) and not permission.is_out and not isinstance(error, NOT_POISON)

    def _after_poison(self, reading: Reading, turn: Turn, error: Exception) -> None:
        """Settle a bad message, which never stops the loop: it fails alone, after three times, and visibly."""
        self._sessions.close()
        reading.aftermath.give_back(turn)
        if isinstance(error, StorageAway):
            # That is nothing of the message's: it keeps its place.
            self._drop_journaled()
            reading.journaling.line.note_storage_away(error)
            return
        logger.error("message %s cannot be handed over", turn.message.uuid, exc_info=error)
        self._flush()
        note_internal_error(turn.message.pk, error, now=self.clock.now())

    # Waiting and leaving.

    def _wait_for_slot(self, reading: Reading) -> bool:
        """Return whether to go on: mail came back in line, or only the limit keeps us and a slot opens soon.

        A longer wait is noted on the lane.
        """
        self._flush()
        now, standing = self.clock.now(), reading.standing
        line, away = reading.journaling.line, reading.journaling.line.storage_error
        is_due = due.exists(
            account_id=self.ownership.account_id, now=now, without=line.in_hand, inline_only=away is not None
        )
        if not is_due and away:
            standing.hold_back(guards.after_storage(away, standing.lane, now=now))
        limiter = line.limiter
        if not is_due or limiter.free(now) != 0:
            return is_due
        free_at = limiter.next_free_at(now)
        seconds = (free_at - now).total_seconds() if free_at else float("inf")
        if seconds <= self.settings.limit_wait_seconds and time.monotonic() + seconds < self._ends_at:
            self._sleep(seconds)
            return True
        standing.hold_back(guards.Wait(WaitReason.LIMIT, free_at))
        return not standing.is_held_back

    def _sleep(self, seconds: float) -> None:
        """Sleep in slices, between which the lease is renewed."""
        ends_at = time.monotonic() + seconds
        while (left := ends_at - time.monotonic()) > 0:
            time.sleep(min(left, self.settings.lease_seconds / 4))
            self.ownership.renew_if_due()

    def _flush(self) -> None:
        if self._reading is not None:
            self._reading.journaling.flush()

    def _drop_journaled(self) -> None:
        """Give back what the journal took and what is not handed over."""
        if self._reading is not None:
            self._reading.journaling.drop(self._reading.aftermath.put_back)
