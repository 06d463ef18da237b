"""Activity of people: mailboxes of those who are there are synced more often, from the moment they come."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db.models import F, Q

from mailconfig.delivery.clock import database_now
from mailconfig.delivery.lanes import make_due_at
from mailconfig.delivery.sync.schedule import ACTIVE_FOR, active_seconds
from mailconfig.models import Activity, Lane, Purpose

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

NOTED_EVERY = 60.0
"""Seconds for which a person who was noted is not noted again."""
_MOST_REMEMBERED = 10_000

_lock = threading.Lock()
_noted_at: dict[object, float] = {}
"""When people were noted by this process, by the monotonic clock."""


def note_activity(user: AbstractBaseUser | AnonymousUser | None) -> bool:
    """Note that somebody uses the application; their mailboxes are synced soon if they were away until now.

    It costs a look into memory; once a minute a statement, and some more when somebody comes.

    Args:
        user: who; nothing is noted of who is not logged in.

    Returns:
        Whether they were away until now.
    """
    if not isinstance(user, get_user_model()) or _was_noted(user.pk):
        return False
    now = database_now()
    rows = Activity.objects.filter(user_id=user.pk)
    still_there = rows.filter(seen_at__gt=now - ACTIVE_FOR)
    if still_there.filter(seen_at__gt=now - timedelta(seconds=NOTED_EVERY)).exists():
        return False  # another process did
    if still_there.update(seen_at=now):
        return False
    if not rows.update(seen_at=now):
        Activity.objects.bulk_create([Activity(user_id=user.pk, seen_at=now)], ignore_conflicts=True)
    _bring_forward(user.pk)
    return True


def _was_noted(user_id: object) -> bool:
    now = time.monotonic()
    with _lock:
        if now - _noted_at.get(user_id, float("-inf")) < NOTED_EVERY:
            return True
        if len(_noted_at) >= _MOST_REMEMBERED:
            _noted_at.clear()
        _noted_at[user_id] = now
    return False


def forget_noted() -> None:
    """Forget whom this process has noted; for tests, whose clocks jump."""
    with _lock:
        _noted_at.clear()


def _bring_forward(user_id: Any) -> None:
    """Have the mailboxes synced that would have been by now, had their owner been there; none that something holds back."""
    lanes = Lane.objects.filter(
        Q(due_at=None) | Q(due_at__gt=database_now()),
        purpose=Purpose.SYNC,
        wait_reason="",
        account__owner_id=user_id,
        account__deleted_at=None,
        account__mailbox__is_sync_enabled=True,
        finished_at__isnull=False,
    ).annotate(active=F("account__mailbox__active_sync_interval"))
    now = database_now()
    for account_id, finished_at, own in lanes.values_list("account_id", "finished_at", "active"):
        at = (finished_at or now) + timedelta(seconds=active_seconds(own))
        make_due_at(account_id, max(now, at), purpose=Purpose.SYNC)
