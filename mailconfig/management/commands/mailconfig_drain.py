"""Sends what is due, and syncs mailboxes, without Celery."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from types import FrameType

from django.core.management.base import BaseCommand, CommandError

from mailconfig import delivery
from mailconfig.exceptions import WrongInstallation
from mailconfig.models import AttemptOutcome


class Command(BaseCommand):
    """SIGTERM or Ctrl-C ends it after the messages in hand, with their lanes freed."""

    help = "Sends the mail that is due and syncs mailboxes, until it is told to stop; with --once until nothing is due."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """``--once`` and ``--concurrency``."""
        parser.add_argument("--once", action="store_true", help="end when nothing is due any more")
        parser.add_argument(
            "--concurrency",
            type=_at_least_one,
            metavar="N",
            help="accounts drained at the same time, instead of the setting CONCURRENCY",
        )

    def handle(self, *, once: bool, concurrency: int | None, **options: object) -> None:
        """Run the loop, and say at the end what came of the mails."""
        stop = threading.Event()

        def on_signal(number: int, frame: FrameType | None) -> None:
            stop.set()

        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_signal)
            signal.signal(signal.SIGINT, on_signal)
        outcomes: Counter[AttemptOutcome] = Counter()

        stored = 0

        def note(report: delivery.DrainReport) -> None:
            outcomes.update(report.outcomes)

        def note_sync(report: delivery.SyncReport) -> None:
            nonlocal stored
            stored += report.stored

        try:
            if once:
                delivery.drain_all(
                    should_stop=stop.is_set, on_report=note, on_sync=note_sync, concurrency=concurrency
                )
            else:
                delivery.run(
                    should_stop=stop.is_set, on_report=note, on_sync=note_sync, concurrency=concurrency
                )
        except WrongInstallation as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(summary(outcomes))
        if stored:
            self.stdout.write(f"{stored} {'message' if stored == 1 else 'messages'} came in.")


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        msg = "must be at least 1"
        raise ArgumentTypeError(msg)
    return number


def summary(outcomes: Counter[AttemptOutcome]) -> str:
    """Say how many hand-overs came to which outcome, in the order of the outcomes."""
    counts = [f"{outcomes[outcome]} {outcome.label}" for outcome in AttemptOutcome if outcomes[outcome]]
    hand_overs = "hand-over" if outcomes.total() == 1 else "hand-overs"
    return f"{outcomes.total()} {hand_overs}: {', '.join(counts)}" if counts else "Nothing was handed over."
