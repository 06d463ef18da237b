"""Retention: what is settled long ago goes, in small steps, and never what a limit still counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import connection, transaction
from django.db.models import F

from mailconfig.conf import get_settings
from mailconfig.delivery.accounts.files.drafts import purge_imports
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.limits import WEEK
from mailconfig.delivery.queue import attached, bodies
from mailconfig.delivery.sync.upkeep import purge_contents
from mailconfig.delivery.webhooks.upkeep import purge_deliveries
from mailconfig.delivery.worker.deleted_accounts import remove_accounts
from mailconfig.delivery.worker.steps import do_steps
from mailconfig.models import Account, Attempt, ConnectionCheck, Message, Tally

PURGE_SECONDS = 3600.0
"""From one purge to the next, by the beat as by a worker without it."""
STEP = 1000
LONGEST_WINDOW = timedelta(seconds=366 * 86400)


@dataclass(frozen=True, slots=True)
class PurgeReport:
    """Numbers of rows and files that were deleted."""

    messages: int
    attempts: int
    checks: int
    files: int
    accounts: int
    texts: int
    webhooks: int
    imports: int


def purge(*, most: int = 100_000) -> PurgeReport:
    """Delete what was settled long ago: messages, attempts that no window counts, checks, files, deleted accounts; texts that came in, what webhooks were told, and files to import.

    Args:
        most: messages (and as many attempts, and accounts) deleted at most in this call.
    """
    now = database_now()
    gone = do_steps(
        {
            "purge_messages": partial(_purge_messages, now, most),
            "purge_attempts": partial(_purge_attempts, now, most),
            "purge_checks": partial(_purge_checks, now),
            "purge_files": bodies.remove_orphans,
            "purge_accounts": partial(_purge_accounts, now, most),
            "purge_synced_texts": partial(purge_contents, now, most),
            "purge_webhooks": partial(purge_deliveries, now, most),
            "purge_imports": purge_imports,
        }
    )
    return PurgeReport(*gone.values())


def _purge_messages(now: datetime, most: int) -> int:
    days = get_settings().retention_days
    return _delete_messages(now - timedelta(days=days), most) if days else 0


def _purge_attempts(now: datetime, most: int) -> int:
    Tally.objects.filter(slot_at__lt=now - longest_window()).delete()
    days = get_settings().retention_days
    if not days:
        return 0
    return _delete_attempts(now - max(timedelta(days=days), longest_window()), most)


def _purge_checks(now: datetime) -> int:
    days = get_settings().check_retention_days
    if not days:
        return 0
    count, _by_model = ConnectionCheck.objects.filter(created_at__lt=now - timedelta(days=days)).delete()
    return count


def _purge_accounts(now: datetime, most: int) -> int:
    return remove_accounts(now - longest_window(), most=most)


def longest_window() -> timedelta:
    """The longest window any account has, and at least a week: a limit may be set at any time."""
    longest = Account.objects.exclude(limit_period=None).order_by("-limit_period")
    seconds = longest.values_list("limit_period", flat=True).first() or 0
    return min(timedelta(seconds=max(seconds, WEEK)), LONGEST_WINDOW) + timedelta(days=1)


def _delete_messages(before: datetime, most: int) -> int:
    """Walk through the messages from the oldest on: an index of when they were settled would be written for each mail."""
    deleted = last = 0
    while deleted < most:
        oldest = Message.objects.filter(pk__gt=last).order_by("pk")
        rows = list(oldest.values_list("pk", "created_at", "settled_at")[:STEP])
        # A few may be in the order of another clock, a whole step is not.
        if all(created_at >= before for _pk, created_at, _settled_at in rows):
            break
        last = rows[-1][0]
        ids = [pk for pk, _created_at, settled_at in rows if settled_at is not None and settled_at < before]
        if ids:
            count, names = _delete_settled(ids[: most - deleted], before)
            for name in names:
                bodies.delete_if_there(name)
            deleted += count
    return deleted


def _delete_settled(ids: Sequence[int], before: datetime) -> tuple[int, list[str]]:
    """Delete those of the messages that are settled for so long even now: somebody may have queued one again.

    Returns:
        How many that were, and the names of their stored bytes and files.
    """
    with transaction.atomic():
        still = Message.objects.filter(pk__in=ids, settled_at__lt=before)
        if connection.features.has_select_for_update:
            still = still.select_for_update()
        else:
            # Where nobody locks rows, whoever has written keeps others from writing.
            still.update(settled_at=F("settled_at"))
        rows = dict(still.values_list("pk", "stored_as"))
        names = [name for name in rows.values() if name] + attached.names_of(list(rows))
        Message.objects.filter(pk__in=list(rows)).delete()
    return len(rows), names


def _delete_attempts(before: datetime, most: int) -> int:
    deleted = 0
    orphans = Attempt.objects.filter(ended_at__lt=before, message=None)
    while deleted < most:
        ids = list(orphans.order_by("ended_at").values_list("pk", flat=True)[:STEP])
        if not ids:
            break
        deleted += Attempt.objects.filter(pk__in=ids).delete()[0]
    return deleted
