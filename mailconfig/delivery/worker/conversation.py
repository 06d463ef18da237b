"""The conversation of a drain with its server over one session, and over those that follow when that ends.

A session takes turns from the supply, asks for the permission to hand each over, and yields what came of it; the
aftermath says what that means. Before a dot the journal is committed; outcomes are committed with the next journal, and
the last ones before QUIT. No transaction is open during network I/O.

A lane may have several conversations at once, each in a thread of its own. The standing of the account, the line of its due
messages, its limits and its lease are theirs in common; everything else each has for itself.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol, TypeGuard

from django.core.exceptions import ValidationError
from django.db import DatabaseError, InterfaceError

from mailconfig import crash
from mailconfig.conf import Settings
from mailconfig.delivery.lanes import Ownership, Renewal
from mailconfig.delivery.queue.bodies import StorageAway
from mailconfig.delivery.queue.commits import Committer
from mailconfig.delivery.queue.judge import Judge
from mailconfig.delivery.queue.settle import note_internal_error
from mailconfig.delivery.queue.turn import Turn
from mailconfig.delivery.worker.aftermath import Aftermath, Progress, Share
from mailconfig.delivery.worker.journaling import Journaling
from mailconfig.delivery.worker.line import Line
from mailconfig.delivery.worker.masking import Masking
from mailconfig.delivery.worker.permission import Permission
from mailconfig.delivery.worker.sessions import SessionKeeper
from mailconfig.delivery.worker.standing import Standing
from mailconfig.delivery.worker.supply import Supply
from mailconfig.exceptions import (
    LeaseLost,
    SecretUnreadable,
    TokenUnavailable,
    TransportError,
    WrongInstallation,
)
from mailconfig.transports.contract import Session

logger = logging.getLogger("mailconfig.drain")

NOT_POISON = (DatabaseError, InterfaceError, LeaseLost, WrongInstallation)
"""What says nothing of the message in hand. Whatever else its bytes and addresses raise is its own."""


class PrivateError(Exception):
    """An error of which nothing is told but its type."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The account as it was read, and what all conversations share until it is read anew."""

    standing: Standing
    line: Line
    judge: Judge
    sessions: int
    """Over how many at once it may send."""
    window: int


class Others(Protocol):
    """The conversations of a lane, as one of them sees the others."""

    def note_outcome(self) -> None:
        """Note that a mail was answered."""
        ...

    def count_open(self, *, but: Conversation) -> int:
        """Return how many other sessions are open."""
        ...


class Conversation:
    """One session at a time, opened when something can be sent over it."""

    def __init__(
        self,
        ownership: Ownership,
        settings: Settings,
        progress: Progress,
        others: Others,
        *,
        is_over: Callable[[], bool],
    ) -> None:
        self.is_over = is_over
        """Whether no further mail is to be begun in it."""
        self.is_refused = False
        """Whether the server ended this session, or did not let it begin, while it goes on with others."""
        self._ownership, self._settings, self._others = ownership, settings, others
        self._renewal = Renewal(ownership)
        self._sessions = SessionKeeper(settings, on_wait=self._renewal.renew_while_waiting)
        self._commits = Committer(ownership)
        self._share = Share(progress)
        self._journaling: Journaling | None = None
        self._masking = Masking()

    def begin(self, reading: Reading) -> None:
        """Go on with the account as it was read just now; what the last reading left in hand is dropped before."""
        self._reading, standing = reading, reading.standing
        settings = self._settings
        self._journaling = journaling = Journaling(
            self._commits, reading.line, revision=standing.account.revision, window=settings.window
        )
        self._aftermath = aftermath = Aftermath(
            journaling,
            standing,
            reading.judge,
            self._share,
            settings=settings,
            clock=self._ownership.clock,
            leaves_it_to_others=self._leaves_it_to_others,
        )
        self._supply = Supply(
            journaling, standing, self._sessions, is_over=self.is_over, refuse=aftermath.refuse
        )
        self._permission = Permission(
            journaling, standing, self._supply, self._ownership, self._renewal, is_over=self.is_over
        )

    @property
    def is_open(self) -> bool:
        """Return whether there is a session."""
        return self._sessions.current is not None

    def goes_on(self) -> bool:
        """Return whether it may send more of the account as it was read."""
        return not (self.is_refused or self._reading.standing.is_over or self.is_over())

    def is_idle(self) -> bool:
        """Return whether nothing can be sent now: nothing is due, or the limit is reached."""
        return self._supply.is_empty()

    def converse(self) -> None:
        """Let a session send, until it, the supply or the account's standing ends that."""
        supply, permission, aftermath = self._supply, self._permission, self._aftermath
        masking = self._masking
        session: Session | None = None
        try:
            session = self._open()
            if session is None:
                return
            with closing(session.send(supply, permission)) as outcomes:
                for outcome in outcomes:
                    crash.point("after_reply")
                    turn = supply.in_hand
                    masking.note(turn)
                    if turn is not None:
                        aftermath.conclude(turn, masking.of_outcome(outcome), masking.of_end(session.end))
                    supply.settled()
                    permission.used()
                    self._ownership.renew_if_due()
                    self._others.note_outcome()
                    if self._reading.standing.is_over:
                        break
        except BaseException as error:
            turn = supply.in_hand
            supply.hide()
            if turn is None or not self._is_poison(error):
                if turn is not None and not permission.may_be_out:
                    aftermath.give_back(turn)
                raise
            self._after_poison(turn, error)
        finally:
            permission.used()
        supply.hide()
        self._sessions.was_used()
        if session is not None and session.end is not None:
            self._sessions.quit()
            end = masking.of_end(session.end)
            if end is not None and end.error is None:
                aftermath.after_session(end)

    def _open(self) -> Session | None:
        """Return a session that is good for another message; ``None``: there is none, as the standing knows now."""
        standing = self._reading.standing
        self._ownership.renew_if_due()
        try:
            return self._sessions.get(standing)
        except (TransportError, SecretUnreadable) as error:
            self._sessions.close()
            self._supply.hide()
            # Where a token is missing, it is not the server that lets in no more sessions.
            passes = (
                isinstance(error, TransportError)
                and error.temporary
                and not isinstance(error, TokenUnavailable)
            )
            if not (passes and self._leaves_it_to_others(refused=True)):
                standing.note_failure(error)
        except ValidationError:
            standing.is_edited = True  # the system's server is gone: reading it anew says so
            self._supply.hide()
        return None

    def _leaves_it_to_others(self, *, refused: bool) -> bool:
        """Return whether other sessions go on, so that the end of this one is no failure of the account's.

        Args:
            refused: the server did not let it begin: it takes as many as are open, which is remembered for a while. One more
                if it had let in one before, which it may not know yet to be gone.
        """
        others = 0 if self.is_refused else self._others.count_open(but=self)
        if others:
            self.is_refused = True
            if refused:
                self._reading.standing.note_sessions_refused(others + self._share.has_sent)
        return self.is_refused

    def _is_poison(self, error: BaseException) -> TypeGuard[Exception]:
        """Return whether it is the message's: nothing is known of it once its dot is out, nor is the account to blame."""
        return (
            isinstance(error, Exception) and not self._permission.is_out and not isinstance(error, NOT_POISON)
        )

    def _after_poison(self, turn: Turn, error: Exception) -> None:
        """Settle a bad message, which never stops the loop: it fails alone, after three times, and visibly."""
        self._sessions.close()
        self._aftermath.give_back(turn)
        if isinstance(error, StorageAway):
            # That is nothing of the message's: it keeps its place.
            self._drop_journaled()
            self._reading.line.note_storage_away(error)
            return
        if turn.message.has_tokens:
            # The words of an error, and the variables behind it, may hold what the tokens stand for.
            error = PrivateError(type(error).__name__)
            logger.error("message %s cannot be handed over: %s", turn.message.uuid, error)
        else:
            logger.error("message %s cannot be handed over", turn.message.uuid, exc_info=error)
        self.flush()
        note_internal_error(turn.message.pk, error, now=self._ownership.clock.now())

    # The end.

    def flush(self) -> None:
        """Commit all outcomes in hand."""
        if self._journaling is not None:
            self._journaling.flush()

    def put_down(self) -> None:
        """Give back what is in hand and not handed over, and commit what came of all else. The session stays."""
        self._drop_journaled()
        self.flush()

    def leave(self) -> None:
        """End in good order, the last outcomes before QUIT; where those cannot be committed, the connection is dropped."""
        try:
            self.put_down()
        except BaseException:
            self._sessions.close()
            raise
        self._sessions.quit()

    def break_off(self) -> None:
        """Drop the connection; whatever ends a conversation, what its mails came to is committed."""
        self._sessions.close()
        self.put_down()

    def _drop_journaled(self) -> None:
        """Give back what the journal took and what is not handed over."""
        if self._journaling is not None:
            self._journaling.drop(self._aftermath.put_back)
