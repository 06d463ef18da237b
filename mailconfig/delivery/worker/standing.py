"""The standing of an account with its server: what outcomes mean for its lane, and what they teach of the server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from mailconfig.conf import Settings
from mailconfig.delivery import failures, lanes
from mailconfig.delivery.failures import Wait
from mailconfig.delivery.lanes import Ownership
from mailconfig.delivery.queue import recent, retry
from mailconfig.delivery.queue.turn import Settlement, Turn
from mailconfig.delivery.worker import strikes
from mailconfig.delivery.worker.reading import Mark, changes_unseen, mark_of
from mailconfig.exceptions import SecretUnreadable, TransportError
from mailconfig.models import Account, Lane, WaitReason
from mailconfig.transports.contract import Verdict
from mailconfig.values import Answer

SERVER_LIMIT_SECONDS = 600.0
"""How long an account rests that has sent too much, if nobody says for how long."""
SESSIONS_LESSON_LASTS = timedelta(minutes=10)
"""How long it is remembered that the server did not want so many sessions: it may have been others' that were too many."""
LESSON_LASTS = timedelta(days=1)
"""How long it is remembered how a server wants to be talked to; then it may show once more."""


Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def _one_at_a_time(
    method: Callable[Concatenate[Standing, Arguments], Result],
) -> Callable[Concatenate[Standing, Arguments], Result]:
    """Let one session at a time conclude something: what it reads of the lane is what it changes."""

    @wraps(method)
    def locked(standing: Standing, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with standing._lock:
            return method(standing, *args, **kwargs)

    return locked


class Standing:
    """The standing of one account, from when it was read until it is held back or turns out to be edited.

    All sessions of a lane share it, and what one of them finds out counts for all.
    """

    def __init__(
        self, account: Account, lane: Lane, mark: Mark | None, ownership: Ownership, settings: Settings
    ) -> None:
        self.account, self.lane, self.mark = account, lane, mark
        self.is_held_back = False
        """Whether the whole account waits, so that due mail is no reason to come back."""
        self.is_edited = False
        """Whether it has to be read anew before anything else is sent."""
        self._ownership, self._settings = ownership, settings
        self._clock = ownership.clock
        self._lock = threading.RLock()
        self._ended_after = 0
        self._overlap_refused_to: int | None = None

    @property
    def is_over(self) -> bool:
        """Return whether nothing more may be sent by what we know."""
        return self.is_held_back or self.is_edited

    def is_as_read(self) -> bool:
        """Look whether account and server are what they were; see ``is_edited``."""
        if mark_of(self.account.pk) != self.mark:
            self.is_edited = True
        return not self.is_edited

    @property
    def may_change_unseen(self) -> bool:
        """Return whether the journal does not see each change: of the server, which is another account's, or of what came in."""
        return changes_unseen(self.account)

    # What holds it back.

    @_one_at_a_time
    def hold_back(self, wait: Wait | None) -> None:
        """Let the account wait; if it was edited since the cause was met, look at it anew instead.

        What another session found out before stands, unless this one has to wait for longer.
        """
        if wait is None or (self.is_held_back and not self._outlasts(wait)):
            return
        self.is_held_back = lanes.wait(
            self.lane,
            token=self._ownership.token,
            **wait.as_values(),
            now=self._clock.now(),
            revision=self.account.revision,
        )
        self.is_edited = not self.is_held_back

    def _outlasts(self, wait: Wait) -> bool:
        """Return whether that wait ends later than the one that holds the account back now, or needs somebody to act."""
        until = self.lane.wait_until
        return until is not None and (wait.until is None or wait.until > until)

    @_one_at_a_time
    def rest(self, answer: Answer | None) -> None:
        """Leave the server alone for a while: it ended a session in which nothing came about."""
        if self.is_held_back:
            return  # it is one failure, however many sessions meet it
        count = self.lane.failures + 1
        until = self._clock.now() + timedelta(seconds=retry.backoff_seconds(count, self._settings))
        words = answer.words if answer else ""
        self.hold_back(Wait(WaitReason.SERVER_AWAY, until, words, "connect_failed", count))

    @_one_at_a_time
    def note_failure(self, error: TransportError | SecretUnreadable) -> None:
        """A connection that failed, or broken protocol: a rest or a pause."""
        if self.is_held_back:
            return
        if self.lane.most_sessions is not None:  # nobody is let in, so the others were not too many
            self._learn(most_sessions=None, most_sessions_until=None)
        wait = failures.after_failure(error, self.lane, now=self._clock.now(), settings=self._settings)
        self.hold_back(wait)

    @_one_at_a_time
    def note_connected(self) -> None:
        """The server let us in and took our sender: what was wrong with the connection is over."""
        if not self.is_held_back and (self.lane.wait_reason or self.lane.failures):
            left = {"strikes": self.lane.strikes, "breaches": self.lane.breaches}
            lanes.clear(self.lane, token=self._ownership.token, succeeded_at=self._clock.now(), **left)

    @_one_at_a_time
    def note_outcome(self, settlement: Settlement) -> None:
        """Note what a message's outcome says of the account."""
        if settlement.sent:
            lanes.end_rows(self.lane, token=self._ownership.token)
        verdict, judgement = settlement.verdict, settlement.judgement
        if settlement.goes_home:
            return  # what is refused of another account says nothing of this one
        if verdict is Verdict.SERVER_LIMIT:
            seconds = SERVER_LIMIT_SECONDS if judgement.rest_seconds is None else judgement.rest_seconds
            until = self._clock.now() + timedelta(seconds=seconds)
            self.hold_back(Wait(WaitReason.SERVER_LIMIT, until, judgement.answer.words, "server_limit"))
        elif verdict is Verdict.PROTOCOL:
            self._strike(settlement, judgement.answer, self._clock.now())
        elif verdict in {Verdict.SENDER_REFUSED, Verdict.ACCOUNT_REFUSED}:
            self.hold_back(strikes.after_refusal(settlement, self.lane, token=self._ownership.token))

    def _strike(self, settlement: Settlement, answer: Answer, now: datetime) -> None:
        """A refused command: a rest before it is tried again, but others go on while only one message meets it."""
        if self._overlap_refused_to == settlement.turn.message.pk:
            self._allow_overlap()  # it is refused by itself as well
        last, message = self.lane.last_success_at, settlement.turn.message
        if settlement.retry_at is not None and last is not None and last > message.created_at:
            return  # others went out since: it is this message only
        if settlement.retry_at is not None and recent.was_last(self.account.pk, message_id=message.pk):
            return  # it was counted already: one message never pauses its account
        wait = failures.after_strike(self.lane, now=now, settings=self._settings, text=answer.words)
        if settlement.retry_at is None or wait.reason == WaitReason.PAUSED_PROTOCOL:
            self.hold_back(wait)
        else:
            lanes.note_breaches(self.lane, self.lane.breaches + 1, token=self._ownership.token)

    # What it teaches.

    def may_overlap(self) -> bool:
        """Return whether the next proposal may be sent behind a dot, before its reply."""
        until = self.lane.no_overlap_until
        return until is None or until <= self._clock.now()

    @_one_at_a_time
    def note_overlap_refused(self, turn: Turn) -> None:
        """The server does not take commands behind a dot: from now on each waits for the reply."""
        self._overlap_refused_to = turn.message.pk
        self._learn(no_overlap_until=self._clock.now() + LESSON_LASTS)

    def _allow_overlap(self) -> None:
        self._overlap_refused_to = None
        self._learn(no_overlap_until=None)

    def mails_per_session(self) -> int:
        """After how many mails a session is renewed: as we like it, or sooner as the server does."""
        most, lane = self._settings.session_messages, self.lane
        until = lane.session_mails_until
        if lane.session_mails is None or until is None or until <= self._clock.now():
            return most
        return min(most, lane.session_mails)

    @_one_at_a_time
    def note_session_ended(self, mails: int) -> None:
        """The server ended a session after so many mails: the second time in a row it means it."""
        if mails and mails == self._ended_after and mails < self.mails_per_session():
            self._learn(
                session_mails=min(mails, lanes.MOST_COUNTED),
                session_mails_until=self._clock.now() + LESSON_LASTS,
            )
        self._ended_after = mails

    def sessions_at_once(self, most: int) -> int:
        """Over how many sessions it may send now: ``most``, or fewer as the server does."""
        lane = self.lane
        until = lane.most_sessions_until
        if lane.most_sessions is None or until is None or until <= self._clock.now():
            return most
        return min(most, lane.most_sessions)

    @_one_at_a_time
    def note_sessions_refused(self, most: int) -> None:
        """The server does not want more sessions than so many."""
        if not self.is_held_back:
            until = self._clock.now() + SESSIONS_LESSON_LASTS
            self._learn(most_sessions=most, most_sessions_until=until)

    def _learn(self, **lesson: datetime | int | None) -> None:
        lanes.learn(self.lane, lesson, token=self._ownership.token)
