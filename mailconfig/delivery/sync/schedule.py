"""Times at which mailboxes are synced: more often while their owners are there."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from mailconfig.conf import get_settings
from mailconfig.models import Mailbox

ACTIVE_FOR = timedelta(minutes=15)
"""Whoever used the application within that time is there."""
_EARLIEST = 0.92
"""So much of the interval has passed at least, so that mailboxes that became due together drift apart."""
_LATEST = 0.98


def interval_of(mailbox: Mailbox, *, seen_at: datetime | None, now: datetime) -> timedelta:
    """Return the time from one sync to the next.

    Args:
        mailbox: with its own intervals.
        seen_at: when its owner used the application last.
        now: the database's time.
    """
    passive = mailbox.sync_interval
    if seen_at is None or seen_at < now - ACTIVE_FOR:
        return timedelta(seconds=passive)
    return timedelta(seconds=min(passive, active_seconds(mailbox.active_sync_interval)))


def active_seconds(own: int | None) -> float:
    """Return the interval of mailboxes whose owners are there: their own, or the deployment's."""
    return get_settings().sync_active_seconds if own is None else own


def next_at(started_at: datetime, interval: timedelta) -> datetime:
    """Return when to sync next, a little before the interval is over."""
    return started_at + interval * random.uniform(_EARLIEST, _LATEST)  # noqa: S311 - spreads load, guards nothing
