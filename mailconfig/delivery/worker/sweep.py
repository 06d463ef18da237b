"""The sweep: finds from the messages themselves what is due, and mends what a killed process left behind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db.models import Exists, OuterRef, Q

from mailconfig.conf import HOLD, get_settings
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.installation import ensure_this_installation, note_sweep
from mailconfig.delivery.notices.pauses import tell_pauses
from mailconfig.delivery.queue.attached import erase_of_settled
from mailconfig.delivery.queue.due import waiting
from mailconfig.delivery.queue.giving_up import end_orphans, reap
from mailconfig.delivery.sync import upkeep
from mailconfig.delivery.wake import ring_due
from mailconfig.delivery.webhooks.upkeep import drop_surplus
from mailconfig.delivery.worker.counting import count_figures
from mailconfig.delivery.worker.failing_over import bring_home, fail_over
from mailconfig.delivery.worker.presence import forget_silent
from mailconfig.delivery.worker.steps import do_steps
from mailconfig.models import PAUSES, Account, Lane, Message, Priority, Purpose, WaitReason

STEP = 1000
"""So many lanes are mended in one sweep."""


@dataclass(frozen=True, slots=True)
class SweepReport:
    """Report of a sweep.

    Attributes:
        reaped: hand-overs given up because their drain is gone.
        mended: lanes made due for mail they did not know of, or to be synced.
        rung: lanes a worker was called for.
    """

    reaped: int
    mended: int
    rung: int


def sweep() -> SweepReport:
    """Give up lost hand-overs, make lanes due whose mail is due, and ring what is due.

    Raises:
        WrongInstallation: this database belongs to another installation.
    """
    ensure_this_installation()
    now = database_now()
    found = do_steps(
        {
            "reap": partial(_reap, now),
            "make_lanes": _make_missing_lanes,
            "make_sync_lanes": partial(upkeep.make_missing_lanes, now),
            "mend_sync_lanes": partial(upkeep.mend_lanes, now),
            "heal": partial(_heal, now),
            "end_orphans": partial(end_orphans, now),
            "bring_home": partial(bring_home, now),
            "fail_over": partial(fail_over, now),
            "note_sweep": partial(note_sweep, now),
            "mend": partial(_mend, now),
            "tell_pauses": partial(tell_pauses, now),
            "forget_workers": partial(forget_silent, now),
            "erase_files": erase_of_settled,
            "drop_events": drop_surplus,
            "ring": ring_due,
            "count": partial(count_figures, now),
        }
    )
    syncs = found["make_sync_lanes"] + found["mend_sync_lanes"]
    return SweepReport(found["reap"], found["mend"] + found["heal"] + syncs, found["ring"])


def _reap(now: datetime) -> int:
    settings = get_settings()
    return reap(
        before=now - timedelta(seconds=settings.ambiguous_after_seconds),
        now=now,
        hold=settings.ambiguity == HOLD,
        max_retries=settings.max_retries,
    )


def _make_missing_lanes() -> int:
    """Bulk inserts of accounts leave out their lanes."""
    laneless = Account.objects.kept().exclude(lanes__purpose=Purpose.SEND)
    missing = [Lane(account_id=pk, purpose=Purpose.SEND) for pk in laneless.values_list("pk", flat=True)]
    if missing:
        Lane.objects.bulk_create(missing, ignore_conflicts=True)
    return len(missing)


def _heal(now: datetime) -> int:
    """Let go of lanes that are held back by what is not so (any more), and that nobody would look at again.

    An edit ends such a wait itself; this is for what was changed past :meth:`Account.save`, and for whatever else
    there may be: a reason without a time has to be true.
    """
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    endless = Lane.objects.filter(free, purpose=Purpose.SEND, wait_until=None).exclude(wait_reason="")
    endless = endless.exclude(wait_reason__in=PAUSES)
    usable = Q(account__is_enabled=True, account__deleted_at=None)
    closed = Q(account__limit_count=0) | Q(account__limit_per_day=0)
    closed |= Q(account__limit_per_week=0) | Q(account__limit_in_out_per_day=0)
    is_true = Q(wait_reason=WaitReason.PAUSED_BY_PERSON) & ~Q(paused_at=None)
    is_true |= Q(wait_reason=WaitReason.DISABLED) & ~usable | Q(wait_reason=WaitReason.LIMIT) & closed
    found = list(endless.exclude(is_true).values_list("pk", "wait_reason")[:STEP])
    healed = 0
    for pk, reason in found:
        # Only if it still has that reason: somebody may have noted another one by now.
        lane = Lane.objects.filter(free, pk=pk, wait_reason=reason, wait_until=None)
        healed += lane.update(wait_reason="", wait_since=None, wait_text="", due_at=now, rung_at=None)
    return healed


def _mend(now: datetime) -> int:
    """Make lanes due that have due mail, are not owned, are not due themselves and are held back by nothing.

    A process killed between the commit of a message and its doorbell leaves such a lane. The question is asked
    of the lanes, a probe of the queue's index each, so a backlog costs nothing.
    """
    queued = waiting(Message.objects.filter(account_id=OuterRef("account_id"), not_before__lte=now))
    due = Q()
    for priority in Priority.values:
        due |= Q(Exists(queued.filter(priority=priority)))
    unaware = Q(due_at=None) | Q(due_at__gt=now)
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    unheld = Q(wait_reason="") | Q(wait_until__lte=now)
    found = Lane.objects.filter(unaware, free, unheld, due, purpose=Purpose.SEND)
    ids = list(found.values_list("pk", flat=True)[:STEP])
    return Lane.objects.filter(unaware, pk__in=ids).update(due_at=now, rung_at=None)
