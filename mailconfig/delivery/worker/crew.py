"""The crew of a lane: the conversations that send its mail at the same time, each in a thread of its own.

As long as one session is enough, the drain itself leads it. Before a second one is opened, the first goes to a thread as well,
so that the drain looks after all of them and waits for no server.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from django.db import DatabaseError, InterfaceError

from mailconfig.conf import Settings
from mailconfig.delivery.lanes import Ownership
from mailconfig.delivery.mishaps import reconnect
from mailconfig.delivery.worker.conversation import Conversation, Others, Reading
from mailconfig.delivery.worker.room import Room, SessionRoom
from mailconfig.models import Account
from mailconfig.presets import PRESETS

logger = logging.getLogger("mailconfig.drain")

LEAST_FOR_ANOTHER = 10
"""So many mails have to wait for each session before a further one is opened: a login takes as long as some mails do."""
LOOK_UP_SECONDS = 0.25
HOPELESS_SECONDS = 30.0
"""If all sessions hang for so long, another one is tried, whatever the server said of their number."""

Recruit = Callable[[Others, Callable[[], bool]], Conversation]
"""Makes a conversation that goes on until something is over."""


def sessions_of(account: Account, settings: Settings) -> int:
    """Return over how many sessions at once an account may send: as it says, else its mail service, else the deployment.

    Raises:
        ValidationError: the system's server, which the account uses, is gone.
    """
    if account.max_sessions is not None:
        return account.max_sessions
    preset = PRESETS.get(account.server().preset)
    if preset is not None and preset.sessions is not None:
        return preset.sessions
    return settings.max_sessions


class Crew:
    """Opens further sessions while much is due and nobody else waits for their room.

    A session ends by itself when nothing is left for it, when another lane waits for its room, and when the server
    does not let the account have so many. Whatever else one of them throws ends all of them, and is the drain's to judge.
    """

    def __init__(
        self, ownership: Ownership, room: Room | None, *, recruit: Recruit, is_over: Callable[[], bool]
    ) -> None:
        """Begin with one conversation, which the drain leads.

        Args:
            ownership: of the lane.
            room: of the worker; ``None``: there is one session, in the caller's thread.
            recruit: makes conversations.
            is_over: whether the drain is to end.
        """
        self.first = recruit(self, self._is_first_surplus)
        self.error: BaseException | None = None
        """The first that a session threw in its thread."""
        self._ownership, self._room, self._recruit, self._is_over = ownership, room, recruit, is_over
        self._reading: Reading | None = None
        self._members: list[Conversation] = []
        """Those that have threads."""
        self._changed = threading.Condition()
        self._growing = threading.Lock()
        """Whoever has it opens a session; one that moves goes on if another does so."""
        self._reserved: SessionRoom | None = None
        """Room for a second session, for which the drain lets go of the first: see :meth:`spread`."""
        self._moved_at = time.monotonic()
        self._is_dismissed = False

    @property
    def is_at_work(self) -> bool:
        """Return whether sessions have threads."""
        return bool(self._members)

    def begin(self, reading: Reading) -> None:
        """Go on with the account as it was read just now. No session is at work then."""
        self._reading = reading
        self.first.begin(reading)

    # What a conversation tells and asks.

    def note_outcome(self) -> None:
        """Note that a mail was answered, and open a further session if that is worth while."""
        if self._room is None:
            return
        self._moved_at = time.monotonic()
        self._room.note_moved()
        reading = self._reading
        if reading is None or reading.sessions == 1 or not self._growing.acquire(blocking=False):
            return
        try:
            if self._is_another_wanted(reading):
                self._grow(self._room, reading)
        finally:
            self._growing.release()

    def count_open(self, *, but: Conversation) -> int:
        """Return how many other sessions are open."""
        with self._changed:
            members = {self.first, *self._members}
        return sum(member.is_open for member in members if member is not but)

    # Growing.

    def _is_another_wanted(self, reading: Reading) -> bool:
        """Return whether more is due than the sessions at hand take soon; they are opened one after the other."""
        number, standing = len(self._members) or 1, reading.standing
        if self._reserved is not None or number >= standing.sessions_at_once(reading.sessions):
            return False
        if self._is_dismissed or standing.is_over or self._is_over():
            return False
        if not all(member.is_open for member in tuple(self._members)):
            return False
        return reading.line.has_more_than(number * max(LEAST_FOR_ANOTHER, reading.window))

    def _grow(self, room: Room, reading: Reading) -> None:
        session_room = room.take()
        if session_room is None:
            return
        if self._members:
            self._add(room, self._further(reading, session_room), session_room)
        else:
            # The drain comes for it once its conversation has ended.
            self._reserved = session_room

    def spread(self) -> None:
        """Let the first session go to a thread, and open the second, if that is wanted. Called by the drain."""
        room, reading = self._room, self._reading
        session_room, self._reserved = self._reserved, None
        if session_room is None or room is None or reading is None:
            return
        self._add(room, self.first, None)
        self._add(room, self._further(reading, session_room), session_room)

    def help_out(self, *, patience: float) -> None:
        """Open another session for what is due while all others hang. Called by the drain, now and then.

        Args:
            patience: seconds without a word from the server after which they do.
        """
        room, reading = self._room, self._reading
        if room is None or reading is None or reading.standing.is_over:
            return
        with self._growing:
            idle = time.monotonic() - self._moved_at
            if idle < patience:
                return
            most = reading.standing.sessions_at_once(reading.sessions)
            if len(self._members) >= (reading.sessions if idle >= HOPELESS_SECONDS else most):
                return
            if not reading.line.is_more_due() or (session_room := room.take()) is None:
                return
            self._moved_at = time.monotonic()
            self._add(room, self._further(reading, session_room), session_room)

    def _further(self, reading: Reading, session_room: SessionRoom) -> Conversation:
        conversation = self._recruit(self, partial(self._is_surplus, session_room))
        conversation.begin(reading)
        return conversation

    def _is_surplus(self, session_room: SessionRoom) -> bool:
        return self._is_dismissed or session_room.is_wanted()

    def _is_first_surplus(self) -> bool:
        return self._is_dismissed or self._reserved is not None

    # In their threads.

    def _add(self, room: Room, conversation: Conversation, session_room: SessionRoom | None) -> None:
        with self._changed:
            self._members.append(conversation)
        try:
            room.start(partial(self._work, conversation, session_room))
        except RuntimeError as error:
            logger.warning("no thread for a session of account %s: %s", self._ownership.account_id, error)
            self._remove(conversation, session_room)

    def _work(self, conversation: Conversation, session_room: SessionRoom | None) -> None:
        try:
            self._send(conversation)
        except BaseException as error:  # noqa: BLE001 - raised by the drain, which waits for all its sessions
            self.error = self.error or error
            if isinstance(error, (DatabaseError, InterfaceError)):
                reconnect()
        finally:
            self._remove(conversation, session_room)

    @staticmethod
    def _send(conversation: Conversation) -> None:
        try:
            while conversation.goes_on() and not conversation.is_idle():
                conversation.converse()
        except BaseException:
            conversation.break_off()
            raise
        conversation.leave()

    def _remove(self, conversation: Conversation, session_room: SessionRoom | None) -> None:
        if session_room is not None:
            session_room.free()
        conversation.is_refused = False
        with self._changed:
            self._members.remove(conversation)
            self._changed.notify_all()

    # Waiting for them.

    def wait(self, seconds: float) -> None:
        """Wait until one of the sessions has ended, the drain is to end, or so many seconds are over.

        Raises:
            LeaseLost: somebody else owns the lane by now.
        """
        ends_at = time.monotonic() + seconds
        with self._changed:
            number = len(self._members)
            while len(self._members) == number > 0 and not self._is_over():
                left = ends_at - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(min(left, LOOK_UP_SECONDS))
        self._ownership.renew_if_due()

    def gather(self, seconds: float = float("inf")) -> bool:
        """Wait for the sessions, which end as soon as the drain, or the reading, is over.

        Returns:
            Whether all have ended within so many seconds.
        """
        if self._reserved is not None:
            self._reserved.free()
            self._reserved = None
        ends_at = time.monotonic() + seconds
        with self._changed:
            while self._members and (left := ends_at - time.monotonic()) > 0:
                self._changed.wait(min(left, LOOK_UP_SECONDS))
            return not self._members

    def tell(self) -> None:
        """Raise what a session threw in its thread, if one did."""
        if self.error is not None:
            raise self.error

    def dismiss(self) -> None:
        """Let the sessions end after the mails in hand, and wait for them."""
        self._is_dismissed = True
        self.gather()
