"""The edge of a drain: what nobody expected is told on the lane, and the account rests for a while."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import DatabaseError

from mailconfig.conf import get_settings
from mailconfig.delivery import lanes
from mailconfig.delivery.lanes import Ownership
from mailconfig.delivery.mishaps import in_words, require_database
from mailconfig.delivery.queue.retry import backoff_seconds
from mailconfig.models import Lane, WaitReason

logger = logging.getLogger("mailconfig.drain")


def rest(ownership: Ownership, error: Exception) -> datetime:
    """Log the error with its traceback, and let the account wait, longer each time.

    Returns:
        Until when.

    Raises:
        LeaseLost, DatabaseError: it could not be noted.
    """
    logger.error("account %s cannot be drained", ownership.account_id, exc_info=error)
    if isinstance(error, DatabaseError):
        require_database()
    lane = Lane.objects.get(pk=ownership.lane_id)
    failures, now = lane.failures + 1, ownership.clock.now()
    until = now + timedelta(seconds=backoff_seconds(failures, get_settings()))
    lanes.wait(
        lane,
        token=ownership.token,
        reason=WaitReason.INTERNAL_ERROR,
        until=until,
        now=now,
        text=in_words(error),
        error_code="internal_error",
        failures=failures,
    )
    return until
