"""The supervisor of a process: takes due lanes, gives each to a thread, and lets them come and go one by one."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from django.db import DatabaseError, InterfaceError, connection

from mailconfig.conf import get_settings
from mailconfig.delivery import lanes
from mailconfig.delivery.mishaps import Containment, is_database_away, lacks_migration, outage
from mailconfig.delivery.queue.retry import backoff_seconds
from mailconfig.delivery.worker.due_lanes import DueLanes
from mailconfig.delivery.worker.figures import Figures, Throughput
from mailconfig.delivery.worker.in_hand import InHand, LaneInHand
from mailconfig.delivery.worker.purposes import Report, Work
from mailconfig.delivery.worker.room import LaneRoom, Room
from mailconfig.delivery.worker.threads import Threads
from mailconfig.exceptions import WrongInstallation

logger = logging.getLogger("mailconfig.drain")

LONGEST_TURN = 60.0
"""Seconds for which a lane is kept while nobody else waits for it; its session would be renewed after as long anyway."""
COMPLAIN_EVERY = 60.0
LONGEST_REST = 30.0
FRUITLESS_TURNS = 3
"""A lane that is due after each of so many turns that brought nothing about is left alone for a while."""

Finished = tuple[LaneInHand, Report | None, Exception | None]


def _nothing() -> None:
    """There is nothing to do in between."""


def _always() -> bool:
    """Nobody works beside it."""
    return True


class Supervisor:
    """Has up to ``concurrency`` lanes in hand.

    Without threads (one lane at a time, in the caller's own thread) it does one after the other. What a lane throws costs
    that one its turn; what the supervisor itself meets, tables that are not there yet say, is waited for.

    As a context manager it ends when its lanes are left, or after ``STOP_SECONDS``.
    """

    def __init__(
        self, work: Work, *, concurrency: int, with_threads: bool, should_stop: Callable[[], bool]
    ) -> None:
        """Make a supervisor at rest.

        Args:
            work: of which lanes, and what is done with each. It is told of reports in the supervisor's own thread.
            concurrency: lanes that move at once.
            with_threads: a thread for each, else all in the caller's.
            should_stop: asked often, by each lane between its mails.
        """
        settings = get_settings()
        self._settings = settings
        self._work, self._should_stop = work, should_stop
        self._threads = Threads("mailconfig-lane") if with_threads else None
        self._in_hand = InHand(concurrency)
        self._bell = threading.Event()
        self._finished: SimpleQueue[Finished] = SimpleQueue()
        self._containment = Containment(rest_seconds=lambda failures: backoff_seconds(failures, settings))
        self._due = DueLanes(work, self._in_hand, self._containment, look_seconds=settings.ring_seconds)
        self._rung_at = float("-inf")
        self._has_just_started = False
        self._was_done = False
        """Whether its last look found nothing to do; not while it looks, when lanes are neither in line nor in hand."""
        self._is_winding_down = False
        self._throughput = Throughput()
        self._fruitless: Counter[int] = Counter()
        self._failures = 0
        self._complained_at = float("-inf")
        self._unreturned: set[int] = set()
        """Accounts whose drains ended in the middle: their lanes may be ours still, the database having been away."""
        self._fatal: BaseException | None = None

    # What others ask and tell, from any thread.

    def ring(self) -> None:
        """Have it look for what is due, now."""
        self._rung_at = time.monotonic()
        self._due.must_look = True
        self._bell.set()

    def wake(self) -> None:
        """Have it see whether there is anything to do, without looking into the database for it."""
        self._bell.set()

    def is_done(self) -> bool:
        """Return whether nothing is due, as far as it has looked, and no lane is in hand."""
        return self._was_done and not self._due.must_look

    def fail(self, error: BaseException) -> None:
        """End the run with this error."""
        self._fatal = error
        self._bell.set()

    def is_stopping(self) -> bool:
        """Return whether no further mail is to be begun."""
        return self._is_winding_down or self._fatal is not None or self._should_stop()

    @property
    def has_threads(self) -> bool:
        """Return whether lanes have threads of their own."""
        return self._threads is not None

    def figures(self) -> Figures:
        """Return what it does at this moment."""
        in_hand = self._in_hand
        return Figures(in_hand.concurrency, len(in_hand), in_hand.waiting, self._throughput.last_minute())

    # The run.

    def run(
        self,
        *,
        once: bool = False,
        between: Callable[[], object] = _nothing,
        is_alone: Callable[[], bool] = _always,
    ) -> None:
        """Drain until it is to stop.

        Args:
            once: end when nothing is due and no lane is in hand any more.
            between: called before each look for room.
            is_alone: asked with ``once`` when it is done; false: somebody beside it is not, and may make work for it.

        Raises:
            WrongInstallation: this database belongs to another installation.
        """
        while not self.is_stopping():
            seconds = self._turn(between)
            if once and self.is_done() and is_alone():
                break
            self._sleep(seconds)
        fatal, self._fatal = self._fatal, None
        if fatal is not None:
            raise fatal

    def step(self, *, seconds: float) -> None:
        """Do what is due in the caller's own thread, one lane at least, for so long at most.

        Raises:
            WrongInstallation: this database belongs to another installation.
        """
        ends_at = time.monotonic() + seconds
        while not self.is_stopping():
            self._turn(_nothing)
            if self.is_done() or self._failures or time.monotonic() >= ends_at:
                break
        if self._fatal is not None:
            raise self._fatal

    def start_beside(self, work: Callable[[], object]) -> None:
        """Run work in a thread of its own."""
        if self._threads is None:
            msg = "there are no threads"
            raise RuntimeError(msg)
        self._threads.start(work)

    def _turn(self, between: Callable[[], object]) -> float:
        """Take what there is room for, and say how long there is nothing to do."""
        self._was_done = False
        self._collect()
        try:
            between()
            self._give_back()
            self._fill()
            seconds = self._due.seconds_to_wait(has_just_started=self._has_just_started)
            outage.end()
        except WrongInstallation:
            raise
        except Exception as error:  # noqa: BLE001 - the edge of the loop: a worker goes on, whatever it meets
            return self._rest_after(error)
        self._failures = 0
        self._was_done = not (self._in_hand or self._due.line) and self._due.found_all
        return seconds

    def _rest_after(self, error: Exception) -> float:
        """Tell of an error of the loop's own, and wait: for the database, for a migration, for whatever it is."""
        self._failures += 1
        self._due.forget()
        self._complain(error)
        with suppress(DatabaseError, InterfaceError):
            if not connection.in_atomic_block:
                connection.close()
        return float(min(LONGEST_REST, self._settings.ring_seconds * 2 ** min(self._failures - 1, 10)))

    def _complain(self, error: BaseException) -> None:
        if time.monotonic() - self._complained_at < COMPLAIN_EVERY and self._failures > 1:
            return
        self._complained_at = time.monotonic()
        if is_database_away(error):
            outage.note(error)
        else:
            logger.error("an error of our own; trying again", exc_info=error)

    def _sleep(self, seconds: float) -> None:
        """Wait for a bell, in slices after which it is asked whether to stop."""
        ends_at = time.monotonic() + seconds
        while not self.is_stopping():
            left = ends_at - time.monotonic()
            if left <= 0 or self._bell.wait(min(left, 0.25)):
                break
        self._bell.clear()

    # Lanes.

    def _fill(self) -> None:
        """Take lanes as long as there is room for them."""
        self._has_just_started = False
        if self._due.is_look_due():
            self._due.look()
        while self._in_hand.room() and not self.is_stopping():
            lane = self._due.next_lane()
            if lane is None and self._due.may_find_more():
                self._due.look()
                lane = self._due.next_lane()
            if lane is None:
                break
            in_hand = self._in_hand.add(lane)
            if in_hand is None:  # a further session of another lane was faster
                self._due.line.appendleft(lane)
                break
            self._start(in_hand)
            self._has_just_started = True
            if not self.has_threads:
                break
        self._in_hand.note_others(self._due.line)

    def _give_back(self) -> None:
        """Give back the lanes that their drains could not: their leases would keep everybody from them."""
        if self._unreturned:
            lanes.abandon(self._unreturned.difference(self._in_hand.account_ids), purpose=self._work.purpose)
            self._unreturned.clear()
            self._due.must_look = True

    def _start(self, in_hand: LaneInHand) -> None:
        work = partial(self._drain, in_hand)
        if self._threads is None:
            work()
            self._collect()
            return
        try:
            self._threads.start(work)
        except BaseException:
            self._in_hand.remove(in_hand)  # nobody drains it, so it would never come back
            raise

    def _drain(self, in_hand: LaneInHand) -> None:
        """Drain a lane, in its thread. Whatever it throws, its lane comes back."""
        report: Report | None = None
        failure: Exception | None = None
        account_id = in_hand.lane.account_id
        try:
            report = self._containment.call(partial(self._take_turn, in_hand), self._work.unit, account_id)
        except Exception as error:  # noqa: BLE001 - told by the supervisor, whose affair it is
            failure = error
            if lacks_migration(error):
                outage.note(error)  # at once: by the time the lane is taken back it may not be true any more
        except BaseException:
            # In a thread nobody means to end the process by that; in the caller's own, somebody may.
            self._containment.let_rest(self._work.unit, account_id)
            raise
        finally:
            self._finished.put((in_hand, report, failure))
            self._bell.set()

    def _take_turn(self, in_hand: LaneInHand) -> Report:
        slice_seconds = self._settings.slice_seconds

        def is_over() -> bool:
            has_had_its_slice = time.monotonic() >= in_hand.slice_began_at + slice_seconds
            return self.is_stopping() or (has_had_its_slice and self._in_hand.gives_way(in_hand))

        room: Room | None = None
        if self._threads is not None:
            room = LaneRoom(
                self._in_hand,
                in_hand,
                start=self._threads.start,
                on_free=self._bell.set,
                takes_more=connection.vendor != "sqlite",  # which lets one write at a time
            )
        longest = max(LONGEST_TURN, slice_seconds) if self._threads else slice_seconds
        return self._work.turn(
            account_id=in_hand.lane.account_id, should_stop=is_over, slice_seconds=longest, room=room
        )

    def _collect(self) -> None:
        """Take back the lanes that were left."""
        with suppress(Empty):
            while True:
                in_hand, report, failure = self._finished.get_nowait()
                self._in_hand.remove(in_hand)
                # A ring may have been for this one, which every look leaves out as long as it is in hand.
                self._due.must_look |= self._due.has_left_out or self._rung_at >= in_hand.since
                if report is None:
                    self._unreturned.add(in_hand.lane.account_id)
                if report is not None:
                    self._after_report(in_hand, report)
                elif isinstance(failure, WrongInstallation):
                    self._fatal = failure
                elif failure is not None:
                    self._failures += 1
                    if not lacks_migration(failure):
                        self._complain(failure)

    def _after_report(self, in_hand: LaneInHand, report: Report) -> None:
        account_id = in_hand.lane.account_id
        self._throughput.note(report.settled)
        self._work.on_report(report)
        if report.settled or not report.owned or not report.is_due:
            self._fruitless.pop(account_id, None)
        else:
            self._fruitless[account_id] += 1
            if self._fruitless[account_id] >= FRUITLESS_TURNS:
                self._containment.let_rest(self._work.unit, account_id)
                return
        if report.is_due:
            self._due.must_look = True

    # The end.

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def wind_down(self) -> None:
        """Begin no further mail from now on."""
        self._is_winding_down = True
        self._bell.set()

    def close(self) -> None:
        """End for good, as :meth:`leave` does."""
        self.wind_down()
        if self._threads is not None:
            give_up_at = time.monotonic() + self._settings.stop_seconds
            all_left = self.leave(seconds=self._settings.stop_seconds)
            self._threads.close(seconds=max(1.0, give_up_at - time.monotonic()) if all_left else 0.0)

    def leave(self, *, seconds: float) -> bool:
        """Wait for the mails in hand, where no further ones are begun, and free the lanes that are waited for in vain.

        Returns:
            Whether all lanes were left in time.
        """
        all_left = self.await_lanes(seconds=seconds)
        if not all_left:
            self._give_up()
        return all_left

    def await_lanes(self, *, seconds: float) -> bool:
        """Return whether all lanes were left within so many seconds."""
        give_up_at = time.monotonic() + seconds
        while self._in_hand and time.monotonic() < give_up_at:
            self._bell.wait(0.25)
            self._bell.clear()
            self._collect()
        return not self._in_hand

    def _give_up(self) -> None:
        logger.warning(
            "%s lanes still wait for their servers after STOP_SECONDS; they are left to other workers",
            len(self._in_hand),
        )
        with suppress(DatabaseError, InterfaceError):
            lanes.abandon(self._in_hand.account_ids, purpose=self._work.purpose)
