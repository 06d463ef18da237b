"""The line of an account's due messages: whose turn is next, with slots of the limits held for it."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from mailconfig.conf import Settings
from mailconfig.delivery.lanes import Ownership
from mailconfig.delivery.limits import Limiter
from mailconfig.delivery.queue import due, suppressing
from mailconfig.delivery.queue.bodies import StorageAway
from mailconfig.delivery.queue.due import DueMessage, DueRecipient
from mailconfig.delivery.queue.turn import Settlement, Turn
from mailconfig.delivery.worker.token_mail import TokenMail
from mailconfig.exceptions import ResolverAway, TokenInvalid
from mailconfig.models import Account
from mailconfig.values import Envelope

logger = logging.getLogger("mailconfig.drain")

MAX_RECIPIENTS = 100
"""Recipients of one transaction; every server takes so many (RFC 5321 §4.5.3.1.8)."""
LOOK_BEYOND_SECONDS = 1.0
"""How often it is asked at most whether more is due than was read."""


class Line:
    """Reads ahead in batches. A turn stays in hand until it is settled or released.

    All sessions of a lane take from it, each a message of its own, and from the same slots.
    """

    def __init__(self, account: Account, settings: Settings, ownership: Ownership) -> None:
        self._account = account
        self._settings = settings
        self._clock = clock = ownership.clock
        self._ownership = ownership
        self._tokens = TokenMail(ownership, settings)
        self._has_left_tokens_out = False
        self._lock = threading.RLock()
        self._candidates: deque[DueMessage] = deque()
        self._looked_beyond_at = float("-inf")
        self._in_hand: set[int] = set()
        self._is_dry = False
        """All that is due was read; what came since, :meth:`look_again` brings."""
        self.storage_error: StorageAway | None = None
        """Why only mails go whose bytes are in the database."""
        open_for = timedelta(seconds=settings.ambiguous_after_seconds)
        self.limiter = Limiter.load(account, now=clock.now(), open_for=open_for)

    @property
    def in_hand(self) -> Collection[int]:
        """Messages that are not read again for now: their outcome is not committed, or they stand aside."""
        with self._lock:
            return frozenset(self._in_hand)

    def next(self) -> Turn | None:
        """The next turn of a message the journal has not taken yet; ``None``: nothing can go now, or the limit is reached."""
        while (turn := self._take()) is not None:
            message = turn.message
            try:
                message.open()
                if message.has_tokens:
                    self._tokens.render(message)
                    turn.envelope = self._envelope(message, turn.recipients)
            except StorageAway as error:
                self.release(turn)
                self.note_storage_away(error)
            except (ResolverAway, TokenInvalid) as error:
                self._tokens.give_up(message, error)
                self._release_unresolved(turn)
            else:
                return turn
        return None

    def _take(self) -> Turn | None:
        with self._lock:
            free = self.limiter.free(self._clock.now())
            message = None if free == 0 else self._next_candidate()
            if message is None:
                return None
            most = MAX_RECIPIENTS if free is None else min(free, MAX_RECIPIENTS)
            recipients = message.recipients[:most]
            self.limiter.take(len(recipients))
            self._in_hand.add(message.pk)
            envelope = self._envelope(message, recipients)
            return Turn(message, recipients, envelope, len(recipients), self._clock.now())

    def _reverse_path(self, message: DueMessage) -> str:
        """Where bounces go: of mail that was queued for another account to this one, as whom the server knows us."""
        is_own = message.home_id is None or not message.envelope_from
        return message.envelope_from if is_own else self._account.reverse_path

    def _envelope(self, message: DueMessage, recipients: Sequence[DueRecipient]) -> Envelope:
        """Return the envelope; of a mail with tokens it is none before that is rendered."""
        redirect = self._settings.redirect_all_to
        addresses = (redirect,) if redirect else message.addresses(recipients)
        return Envelope(
            self._reverse_path(message), addresses, message.size, message.eight_bit, message.masks
        )

    def _release_unresolved(self, turn: Turn) -> None:
        with self._lock:
            self.limiter.give_back(turn.slots, handed_over=0, ended_at=self._clock.now())
            self._in_hand.discard(turn.message.pk)
            if self._tokens.is_hopeless:
                self._in_hand.difference_update(self._tokens.drop_later())
                self._forget_candidates()

    def await_tokens(self, seconds: float) -> bool:
        """Return whether the resolution of a mail's tokens is over, waiting so long for that if any is under way."""
        return bool(self._tokens) and self._tokens.await_one(seconds)

    def leave_tokens(self) -> bool:
        """Let go of mail whose tokens are being resolved; it comes back by itself. Returns whether there was any."""
        with self._lock:
            left = self._tokens.leave() if self._tokens else []
            self._in_hand.difference_update(left)
            return bool(left)

    def has_more_than(self, number: int) -> bool:
        """Return whether more mails than that could go now, as far as is known: due, and within the limits."""
        with self._lock:
            now = self._clock.now()
            free = self.limiter.free(now)
            if free is not None and free <= number:
                return False
            if len(self._candidates) > number:
                return True
            return not self._is_dry and self._is_more_due(beyond_batch=True)

    def is_more_due(self) -> bool:
        """Return whether anything could go that no session has in hand, looking at the database once a second at most."""
        with self._lock:
            if self.limiter.free(self._clock.now()) == 0:
                return False
            return bool(self._candidates) or self._is_more_due(beyond_batch=False)

    def _is_more_due(self, *, beyond_batch: bool) -> bool:
        """Look whether anything is due, beyond the batch that was read or at all; a batch of large mails is short."""
        if time.monotonic() - self._looked_beyond_at < LOOK_BEYOND_SECONDS:
            return False
        self._looked_beyond_at = time.monotonic()
        read = self._in_hand.union(message.pk for message in self._candidates if beyond_batch)
        away = self.storage_error is not None
        next_at = due.next_at(
            account_id=self._account.pk, without=read, inline_only=away, rendered_only=self._tokens.is_full
        )
        is_due = next_at is not None and next_at <= self._clock.now()
        self._is_dry = self._is_dry and not is_due
        return is_due

    def _next_candidate(self) -> DueMessage | None:
        tokens = self._tokens
        if self._has_left_tokens_out and not tokens.is_full:
            self._has_left_tokens_out = self._is_dry = False
        while True:
            if tokens and (resolved := tokens.next()):
                tokens.begin()
                return resolved
            if not (self._candidates or self._is_dry):
                self._read()
            if not self._candidates:
                tokens.begin()
                return None
            message = self._candidates.popleft()
            if not message.has_tokens:
                return message
            self._in_hand.add(message.pk)
            tokens.add(message)
            tokens.begin()

    def _read(self) -> None:
        self._has_left_tokens_out = self._tokens.is_full
        batch = due.read(
            account_id=self._account.pk,
            now=self._clock.now(),
            limit=self._settings.batch_size,
            without=self._in_hand,
            inline_only=self.storage_error is not None,
            rendered_only=self._has_left_tokens_out,
        )
        self._is_dry = batch.is_all
        if any(message.suppressed for message in batch.messages):
            self._ownership.renew_if_due()  # where nobody is left, the next batch follows, and no server is asked between
        for message in batch.messages:
            if message.suppressed and not suppressing.leave_out(message, ownership=self._ownership):
                self._in_hand.add(message.pk)  # none of ours any more: not to be read again
            elif message.recipients or not message.suppressed:
                self._candidates.append(message)

    def next_at(self) -> datetime | None:
        """When the next message that is not in hand, and whose bytes can be had now, is due; ``None``: there is none."""
        return due.next_at(
            account_id=self._account.pk,
            without=self.in_hand,
            inline_only=self.storage_error is not None,
            rendered_only=self._tokens.is_full,
        )

    def look_again(self) -> None:
        """From now on what came since the last look is read as well."""
        with self._lock:
            self._is_dry = False

    def note_storage_away(self, error: StorageAway) -> None:
        """From now on only mails go whose bytes are in the database."""
        logger.warning("the storage cannot be reached, account %s: %s", self._account.pk, error)
        with self._lock:
            self.storage_error = error
            self._forget_candidates()

    def release(self, turn: Turn) -> None:
        """Put a turn back that the journal has not taken: it stays where it was."""
        turn.ready_for = 0
        with self._lock:
            self.limiter.give_back(turn.slots, handed_over=0, ended_at=self._clock.now())
            self._in_hand.discard(turn.message.pk)
            self._forget_candidates()

    def read_anew(self) -> None:
        """Read again what is due: some of it was moved to another account."""
        with self._lock:
            self._forget_candidates()

    def _forget_candidates(self) -> None:
        self._candidates.clear()
        self._is_dry = False

    def note_used(self, settlement: Settlement) -> None:
        """Note what a turn used of the limits. Until :meth:`committed` its message is not read again."""
        with self._lock:
            self.limiter.give_back(
                settlement.turn.slots, handed_over=settlement.handed_over, ended_at=settlement.ended_at
            )

    def committed(self, settlements: Iterable[Settlement]) -> None:
        """These outcomes are in the database, whose word about their messages counts again.

        Those that stand aside stay in hand: it is the next drain that reads them again.
        """
        with self._lock:
            self._in_hand.difference_update(
                settlement.turn.message.pk for settlement in settlements if not settlement.stands_aside
            )
