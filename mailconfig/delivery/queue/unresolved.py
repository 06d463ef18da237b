"""Mail whose tokens are not resolved: it waits and asks again, or fails. Written by the owner of its lane, fenced by its token."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, QuerySet
from django.db.models.functions import Least, Now

from mailconfig.conf import Settings
from mailconfig.delivery import trail
from mailconfig.delivery.lanes import MOST_COUNTED, Ownership
from mailconfig.delivery.queue import retry
from mailconfig.delivery.queue.due import waiting
from mailconfig.delivery.queue.ends import announce, final_values
from mailconfig.delivery.wake import wake_lane
from mailconfig.models import Lane, Message, MessageSource, MessageState, WaitReason

UNRESOLVED = "unresolved"
"""Error code of a mail whose tokens nobody could resolve for as long as a mail may wait."""
STEP = 1000
MOST_STEPS = 20


def put_off(message_id: int, *, ownership: Ownership, settings: Settings) -> datetime | None:
    """Let a mail wait of whose tokens nobody can say what they stand for, longer each time; one that is too old fails.

    Returns:
        Until when it waits; ``None``: it failed, or is none of ours any more.
    """
    now = ownership.clock.now()
    with transaction.atomic():
        mine = _waiting([message_id], ownership)
        created_at = mine.values_list("created_at", flat=True).first()
        if created_at is None:
            return None
        if created_at < _too_old_before(now, settings):
            _fail(mine, message_id, UNRESOLVED, now)
            return None
        source = MessageSource.objects.filter(message_id=message_id)
        source.update(resolver_failures=Least(F("resolver_failures") + 1, MOST_COUNTED))
        failures = source.values_list("resolver_failures", flat=True).first() or 1
        until = now + timedelta(seconds=retry.backoff_seconds(failures, settings))
        if not mine.update(not_before=until, wait_reason=WaitReason.UNRESOLVED, error_code=UNRESOLVED):
            return None
        trail.moved("unresolved", message_id, MessageState.QUEUED, reason=WaitReason.UNRESOLVED)
    return until


def fail(message_id: int, code: str, *, ownership: Ownership) -> None:
    """Let a mail fail whose tokens cannot be used: trying again would not help."""
    with transaction.atomic():
        _fail(_waiting([message_id], ownership), message_id, code, ownership.clock.now())


def set_aside(message_ids: Collection[int], until: datetime, *, ownership: Ownership) -> None:
    """Let mails wait whose tokens are being resolved while nobody waits for that: what comes of it is not known yet."""
    _waiting(message_ids, ownership).update(not_before=until, wait_reason=WaitReason.UNRESOLVED)


def set_all_aside(until: datetime, *, ownership: Ownership, settings: Settings) -> None:
    """Let all due mail of the account with tokens wait, of which nothing was asked: the answer would be the same.

    What is too old fails. It takes a statement for each thousand.
    """
    now = ownership.clock.now()
    due = Message.objects.filter(
        account_id=ownership.account_id, state=MessageState.QUEUED, has_tokens=True, not_before__lte=now
    )
    too_old = _too_old_before(now, settings)
    for _step in range(MOST_STEPS):
        rows = list(due.order_by("not_before", "pk").values_list("pk", "created_at")[:STEP])
        old = [pk for pk, created_at in rows if created_at < too_old]
        for message_id in old:
            fail(message_id, UNRESOLVED, ownership=ownership)
        set_aside([pk for pk, created_at in rows if created_at >= too_old], until, ownership=ownership)
        if len(rows) < STEP:
            return


def call_back(account_id: int, message_id: int) -> None:
    """Let a mail that was set aside be due now: its tokens are resolved, in this process."""
    aside = Message.objects.filter(pk=message_id, wait_reason=WaitReason.UNRESOLVED)
    # One that was put off waits for longer, whoever was asked meanwhile.
    if waiting(aside.exclude(error_code=UNRESOLVED)).update(not_before=Now(), wait_reason=""):
        wake_lane(account_id)


def _waiting(message_ids: Collection[int] | Sequence[int], ownership: Ownership) -> QuerySet[Message]:
    """Return those of the mails that wait, as long as the lane is ours."""
    return waiting(Message.objects.filter(_is_mine(ownership.lane_id, ownership.token), pk__in=message_ids))


def _is_mine(lane_id: int, token: uuid.UUID) -> Exists:
    return Exists(Lane.objects.filter(pk=lane_id, lease_token=token))


def _fail(mine: QuerySet[Message], message_id: int, code: str, now: datetime) -> None:
    values = {"state": MessageState.FAILED, "error_code": code, "error_text": ""}
    if mine.update(**values, **final_values(MessageState.FAILED, now)):
        trail.moved("unresolved", message_id, MessageState.FAILED, error_code=code)
        announce(message_id, MessageState.FAILED)


def _too_old_before(now: datetime, settings: Settings) -> datetime:
    return now - timedelta(seconds=settings.max_age_seconds)
