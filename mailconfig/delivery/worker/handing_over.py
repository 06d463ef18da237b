"""The loop of a drain, from reading the account to leaving it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime

from mailconfig.conf import Settings
from mailconfig.delivery.failures import Wait
from mailconfig.delivery.lanes import Ownership
from mailconfig.delivery.queue import due
from mailconfig.delivery.queue.judge import Judge
from mailconfig.delivery.worker import guards
from mailconfig.delivery.worker.aftermath import Progress
from mailconfig.delivery.worker.conversation import Conversation, Others, Reading
from mailconfig.delivery.worker.crew import Crew, sessions_of
from mailconfig.delivery.worker.in_hand import PATIENCE_SECONDS
from mailconfig.delivery.worker.line import Line
from mailconfig.delivery.worker.reading import read_account
from mailconfig.delivery.worker.room import Room
from mailconfig.delivery.worker.standing import Standing
from mailconfig.models import Account, AttemptOutcome, WaitReason

LOOK_SECONDS = 1.0
"""How often it is looked after sessions in their threads."""


class Drain:
    """One drain of one account. Not to be used again after :meth:`run`."""

    def __init__(
        self,
        ownership: Ownership,
        settings: Settings,
        should_stop: Callable[[], bool],
        slice_seconds: float,
        room: Room | None = None,
    ) -> None:
        self.ownership = ownership
        self.settings = settings
        self.clock = ownership.clock
        self.progress = Progress()
        self._standing: Standing | None = None
        self._reading: Reading | None = None
        self._has_seen_all = False
        """Whether ``_next_at`` says what is left, since nothing came about after it was asked for."""
        self._next_at: datetime | None = None
        self._should_stop = should_stop
        self._slice_seconds, self._room = slice_seconds, room
        self._ends_at = time.monotonic() + slice_seconds
        self._crew = Crew(ownership, room, recruit=self._recruit, is_over=self._is_over)
        self._conversation = self._crew.first

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
            self._send()
            while not self._crew.gather(PATIENCE_SECONDS):
                if self._goes_on():
                    self._send()
            self._crew.tell()
        except BaseException:
            try:
                self._crew.dismiss()  # before: the first session may be in a thread, and hear just now of its mail
            finally:
                self._conversation.break_off()
            raise
        self._conversation.leave()
        if not self.is_held_back:
            self.progress.pay_rest()
        if self._standing is not None and self._standing.is_held_back:
            return self._standing.lane.wait_until
        if not self._has_seen_all:
            self._next_at = due.next_at(account_id=self.ownership.account_id)
        return self._next_at

    def _send(self) -> None:
        """Send until nothing is left: over one session in this thread, or over several in theirs."""
        crew, conversation = self._crew, self._conversation
        self._has_seen_all = False
        while not self._is_over() and (reading := self._read()) is not None:
            if crew.is_at_work:
                crew.wait(LOOK_SECONDS)
                crew.help_out(patience=PATIENCE_SECONDS)
            elif not conversation.is_idle():
                conversation.converse()
                crew.spread()
            elif not self._wait_for_slot(reading):
                break

    def _goes_on(self) -> bool:
        """Return whether to go on although the lane had its slice: one of its sessions hangs, and keeps it in hand."""
        if self._room is not None:
            self._room.go_on()
        self._ends_at = time.monotonic() + self._slice_seconds
        return not self._is_over()

    def _recruit(self, others: Others, is_surplus: Callable[[], bool]) -> Conversation:
        def is_over() -> bool:
            return self._is_over() or is_surplus()

        return Conversation(self.ownership, self.settings, self.progress, others, is_over=is_over)

    def _is_over(self) -> bool:
        is_ending = self.is_held_back or self._crew.error is not None or self._should_stop()
        return is_ending or time.monotonic() >= self._ends_at

    # The account.

    def _read(self) -> Reading | None:
        """Return the account as it is now; ``None``: it may not send."""
        if self._reading is not None and not self._reading.standing.is_edited:
            return self._reading
        self._crew.gather()
        self._conversation.put_down()
        account, lane, mark = read_account(self.ownership.account_id)
        standing = Standing(account, lane, mark, self.ownership, self.settings)
        self._standing = standing
        obstacle = guards.find_obstacle(account, standing.lane, now=self.clock.now())
        if obstacle:
            standing.hold_back(obstacle)
            return None
        self._reading = Reading(
            standing,
            Line(account, self.settings, self.ownership),
            self._judge_for(account),
            sessions_of(account, self.settings) if self._room is not None else 1,
            self.settings.window,
        )
        self._crew.begin(self._reading)
        return self._reading

    def _judge_for(self, account: Account) -> Judge:
        settings = self.settings
        retries = settings.max_retries if account.max_retries is None else account.max_retries
        return Judge(settings, max_retries=retries, redirected=bool(settings.redirect_all_to))

    # Waiting and leaving.

    def _wait_for_slot(self, reading: Reading) -> bool:
        """Return whether to go on: mail came back in line, or only the limit keeps us and a slot opens soon.

        A longer wait is noted on the lane.
        """
        self._conversation.flush()
        now, standing = self.clock.now(), reading.standing
        line, away = reading.line, reading.line.storage_error
        next_at = line.next_at()
        is_due = next_at is not None and next_at <= now
        may_go = not is_due and line.limiter.free(now) != 0
        if may_go and line.await_tokens(self.settings.limit_wait_seconds):
            return True
        if line.leave_tokens():
            line.look_again()
            return is_due
        if not is_due and away:
            standing.hold_back(guards.after_storage(away, standing.lane, now=now))
        limiter = line.limiter
        if not is_due or limiter.free(now) != 0:
            line.look_again()
            self._has_seen_all, self._next_at = not (line.in_hand or away), next_at
            return is_due
        free_at = limiter.next_free_at(now)
        seconds = (free_at - now).total_seconds() if free_at else float("inf")
        if seconds <= self.settings.limit_wait_seconds and time.monotonic() + seconds < self._ends_at:
            self._sleep(seconds)
            return True
        standing.hold_back(Wait(WaitReason.LIMIT, free_at))
        return not standing.is_held_back

    def _sleep(self, seconds: float) -> None:
        """Sleep in slices, between which the lease is renewed."""
        ends_at = time.monotonic() + seconds
        while (left := ends_at - time.monotonic()) > 0:
            time.sleep(min(left, self.settings.lease_seconds / 4))
            self.ownership.renew_if_due()
