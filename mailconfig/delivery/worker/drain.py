"""The drain: owns one account's lane, hands its due mail over within its limits, and leaves."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mailconfig import crash
from mailconfig.conf import get_settings
from mailconfig.delivery import failures, lanes
from mailconfig.delivery.installation import ensure_this_installation
from mailconfig.delivery.mishaps import is_everybodys
from mailconfig.delivery.queue import due
from mailconfig.delivery.worker.handing_over import Drain
from mailconfig.delivery.worker.room import Room
from mailconfig.exceptions import LeaseLost
from mailconfig.models import AttemptOutcome

logger = logging.getLogger("mailconfig.drain")


@dataclass(frozen=True, slots=True)
class DrainReport:
    """Report of a drain.

    Attributes:
        owned: whether the lane could be had; if not, somebody else is at it.
        outcomes: how often which outcome came about.
        is_due: whether mail is due right now, so that somebody should go on.
        due_at: when mail is due next; ``None``: nothing waits, or somebody has to act first.
    """

    owned: bool
    outcomes: Mapping[AttemptOutcome, int] = field(default_factory=dict)
    is_due: bool = False
    due_at: datetime | None = None

    @property
    def settled(self) -> int:
        """Turns whose outcome is known."""
        return sum(self.outcomes.values())


def _never() -> bool:
    return False


def drain_account(
    *, account_id: int, should_stop: Callable[[], bool] = _never, slice_seconds: float | None = None
) -> DrainReport:
    """Hand over what is due of one account, for one slice of time, over one session.

    Args:
        account_id: whose lane.
        should_stop: asked between messages; true ends the drain after the message in hand.
        slice_seconds: instead of the deployment's ``SLICE_SECONDS``.

    Raises:
        WrongInstallation: this database belongs to another installation; nothing was sent.
    """
    return drain_lane(account_id=account_id, should_stop=should_stop, slice_seconds=slice_seconds, room=None)


def drain_lane(
    *, account_id: int, should_stop: Callable[[], bool], slice_seconds: float | None, room: Room | None
) -> DrainReport:
    """Do what :func:`drain_account` does, over several sessions where there is ``room`` in the worker for them."""
    ensure_this_installation()
    settings = get_settings()
    ownership = lanes.take(account_id=account_id, lease=settings.lease_seconds)
    if ownership is None:
        return DrainReport(owned=False)
    crash.point("after_lane")
    drain = Drain(ownership, settings, should_stop, slice_seconds or settings.slice_seconds, room)
    due_at: datetime | None = ownership.clock.now() + timedelta(seconds=settings.sweep_seconds)
    is_resting = False
    try:
        due_at = drain.run()
    except LeaseLost:
        logger.warning("the lane of account %s was lost to another worker", account_id)
    except Exception as error:  # whatever it is, it costs this account its turn and nobody else
        if is_everybodys(error):
            raise
        due_at = failures.rest(ownership, error, what="drained")
        is_resting = True
    finally:
        lanes.free(ownership, due_at=due_at, succeeded_at=drain.succeeded_at)
    # A message may have been queued while the lane was being freed; its doorbell found the lane owned.
    next_at = None if is_resting or drain.is_held_back else due.next_at(account_id=account_id)
    is_due = next_at is not None and next_at <= ownership.clock.now()
    if next_at is not None and (due_at is None or next_at < due_at):
        lanes.make_due_at(account_id, next_at)
        due_at = next_at
    return DrainReport(True, drain.outcomes, is_due, due_at)
