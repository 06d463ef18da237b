"""Sends what is due, without Celery."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from collections import Counter
from types import FrameType

from django.core.management.base import BaseCommand, CommandError

from mailconfig import delivery
from mailconfig.exceptions import WrongInstallation
from mailconfig.models import AttemptOutcome


class Command(BaseCommand):
    """SIGTERM or Ctrl-C ends it after the message in hand, with the lane freed."""

    help = "Sends the mail that is due, until it is told to stop; with --once until nothing is due."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """``--once``."""
        parser.add_argument("--once", action="store_true", help="end when nothing is due any more")

    def handle(self, *, once: bool, **options: object) -> None:
        """Run the loop, and say at the end what came of the mails."""
        stop = threading.Event()

        def on_signal(number: int, frame: FrameType | None) -> None:
            stop.set()

        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_signal)
            signal.signal(signal.SIGINT, on_signal)
        outcomes: Counter[AttemptOutcome] = Counter()

        def note(report: delivery.DrainReport) -> None:
            outcomes.update(report.outcomes)

        try:
            if once:
                delivery.drain_all(should_stop=stop.is_set, on_report=note)
            else:
                delivery.run(should_stop=stop.is_set, wait=stop.wait, on_report=note)
        except WrongInstallation as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(summary(outcomes))


def summary(outcomes: Counter[AttemptOutcome]) -> str:
    """Say how many hand-overs came to which outcome, in the order of the outcomes."""
    counts = [f"{outcomes[outcome]} {outcome.label}" for outcome in AttemptOutcome if outcomes[outcome]]
    hand_overs = "hand-over" if outcomes.total() == 1 else "hand-overs"
    return f"{outcomes.total()} {hand_overs}: {', '.join(counts)}" if counts else "Nothing was handed over."
