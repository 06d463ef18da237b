"""Sends what is due, without Celery."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from types import FrameType

from django.core.management.base import BaseCommand, CommandError

from mailconfig import delivery
from mailconfig.exceptions import WrongInstallation


class Command(BaseCommand):
    """SIGTERM or Ctrl-C ends it after the message in hand, with the lane freed."""

    help = "Sends the mail that is due, until it is told to stop; with --once until nothing is due."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """``--once``."""
        parser.add_argument("--once", action="store_true", help="end when nothing is due any more")

    def handle(self, *, once: bool, **options: object) -> None:
        """Run the loop."""
        stop = threading.Event()

        def on_signal(number: int, frame: FrameType | None) -> None:
            stop.set()

        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_signal)
            signal.signal(signal.SIGINT, on_signal)
        try:
            if once:
                settled = delivery.drain_all(should_stop=stop.is_set)
                self.stdout.write(f"{settled} hand-overs settled")
            else:
                delivery.run(should_stop=stop.is_set, wait=stop.wait)
        except WrongInstallation as error:
            raise CommandError(str(error), returncode=2) from error
