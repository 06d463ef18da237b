"""Waits: before a message is tried again, and before its account connects again."""

from __future__ import annotations

import random

from mailconfig.conf import Settings

GREYLIST_SECONDS = 300.0
"""A refused recipient is not tried again sooner: greylisting servers want to see patience."""


def retry_seconds(attempts: int, settings: Settings, *, first_at_least: float = 0.0) -> float:
    """Seconds to wait after the ``attempts``-th counted attempt: doubled each time, capped, ±20 %.

    Jitter spreads what failed together; ``first_at_least`` is a floor that jitter does not cross.
    """
    doublings = min(max(0, attempts - 1), 60)  # beyond that the cap holds, and far beyond it no float does
    plain = min(settings.retry_seconds * 2.0**doublings, settings.retry_cap_seconds)
    jittered = plain * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, guards nothing
    return max(min(first_at_least, settings.retry_seconds), jittered)


def backoff_seconds(failures: int, settings: Settings) -> float:
    """Seconds an account rests after the ``failures``-th failed connection in a row."""
    ladder = settings.backoff_seconds
    return ladder[min(max(failures, 1), len(ladder)) - 1]
