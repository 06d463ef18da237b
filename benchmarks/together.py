"""Several processes that begin at the same moment."""

from __future__ import annotations

from contextlib import ExitStack
from tempfile import TemporaryDirectory

from . import database
from .processes import Outcome, Place


def send(place: Place, *, processes: int, env: dict[str, str], count: int) -> Outcome:
    """Let several workers send all that is due: mails per second of all, from the first call to the last return.

    Raises:
        RuntimeError: not all of ``count`` mails were sent.
    """
    with TemporaryDirectory() as folder, ExitStack() as stack:
        running = [
            stack.enter_context(
                place.start("mailconfig_jobs:drain_among", env=env, folder=folder, processes=processes)
            )
            for _ in range(processes)
        ]
        outcomes = [one.outcome() for one in running]
    sent = database.sent(place.database_url)
    if sent != count:
        raise RuntimeError(f"{sent} of {count} mails were sent")
    begun = min(outcome.result["begun"] for outcome in outcomes)
    ended = max(outcome.result["ended"] for outcome in outcomes)
    return Outcome(count / (ended - begun), max(outcome.peak_rss_mb for outcome in outcomes))
