"""Giving up: hand-overs whose drain is gone, and mail that nobody drains any more."""

from __future__ import annotations

from datetime import datetime

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet

from mailconfig.delivery import trail
from mailconfig.delivery.queue import attached
from mailconfig.delivery.queue.due import is_under_way
from mailconfig.delivery.queue.ends import aggregate, announce, counted, erase_after, final_values, locked
from mailconfig.delivery.queue.transitions import states_allowing
from mailconfig.models import (
    FINAL_STATES,
    Attempt,
    AttemptOutcome,
    HandOver,
    Lane,
    Message,
    MessageState,
    WaitReason,
)


def reap(*, before: datetime, now: datetime, hold: bool, max_retries: int) -> int:
    """Give up hand-overs without an outcome whose drain is gone: queue them again, or hold them.

    Args:
        before: only those handed over before this, by when any reply would have come.
        now: the database's time.
        hold: the policy for what may or may not have been accepted.
        max_retries: after so many counted attempts it is held in any case, if its account says nothing else.

    Returns:
        How many were given up.
    """
    owned = Lane.objects.filter(
        account_id=OuterRef("account_id"), lease_token=OuterRef("lease_token"), lease_until__gt=now
    )
    stale = HandOver.objects.filter(~Exists(owned), handed_over_at__lt=before)
    count = 0
    for hand_over in stale.order_by("handed_over_at", "pk")[:1000]:
        with transaction.atomic():
            # Its time tells it from one that somebody else began since.
            mine = HandOver.objects.filter(pk=hand_over.pk, handed_over_at=hand_over.handed_over_at)
            if not _can_be_had(mine, hand_over.message_id) or not mine.delete()[0]:
                continue
            count += 1
            _give_up(hand_over, now)
            _put_back(hand_over.message_id, now=now, hold=hold, max_retries=max_retries)
    return count


def _can_be_had(hand_over: QuerySet[HandOver], message_id: int) -> bool:
    """Return whether nobody has locked the hand-over or its message; then nobody can until the transaction ends.

    Whoever has may take his time: a worker that stands still in the middle of its own sweep, a host's transaction. The
    next sweep asks again.
    """
    if not connection.features.has_select_for_update_skip_locked:
        return True
    message = Message.objects.filter(pk=message_id)
    unlocked = message.select_for_update(skip_locked=True).values_list("pk")
    return bool(hand_over.select_for_update(skip_locked=True).values_list("pk")) and (
        bool(unlocked) or not message.exists()
    )


def _give_up(hand_over: HandOver, now: datetime) -> None:
    # No constraint keeps a host's own code from deleting a message while it is handed over.
    message = Message.objects.filter(pk=hand_over.message_id)
    Attempt.objects.create(
        account_id=hand_over.account_id,
        message_id=hand_over.message_id if message.exists() else None,
        worker=hand_over.worker,
        recipients=hand_over.recipients,
        outcome=AttemptOutcome.UNKNOWN,
        started_at=hand_over.started_at,
        handed_over_at=hand_over.handed_over_at,
        ended_at=now,
    )


def _put_back(message_id: int, *, now: datetime, hold: bool, max_retries: int) -> None:
    handing_over = Message.objects.filter(pk=message_id, state=MessageState.QUEUED)
    message = locked(handing_over.select_related("account").defer("account__secret"))
    if message is None:
        return
    retries = message.account.max_retries
    values: dict[str, object] = {"attempts": counted(True)}
    state, _times = aggregate(message_id)
    if state in FINAL_STATES:
        # A late reply told of all who were left.
        values |= final_values(state, now)
    elif message.is_test:
        # Whoever asked for it has long gone; a test mail goes out at once or not at all.
        state = MessageState.FAILED
        values |= final_values(state, now) | {"error_code": WaitReason.UNKNOWN_OUTCOME}
    elif hold or message.attempts + 1 > (max_retries if retries is None else retries):
        state = MessageState.HELD
        values |= {"wait_reason": WaitReason.MAYBE_SENT}
    else:
        values |= {"wait_reason": "", "not_before": now}
    handing_over.update(state=state, **values)
    erase_after(message_id, state, has_source=message.has_tokens)
    announce(message_id, state, stored_as=message.stored_as)
    trail.moved("reap", message_id, state, reason=str(values["wait_reason"]))


def end_orphans(now: datetime) -> int:
    """Fail mail that waits in an account that was deleted: nobody drains it any more. How much there was."""
    orphans = Message.objects.filter(
        ~Exists(HandOver.objects.filter(message_id=OuterRef("pk"))),
        account__deleted_at__isnull=False,
        state__in=states_allowing("end_orphans"),
    )
    count = 0
    for message_id, state in orphans.values_list("pk", "state")[:1000]:
        with transaction.atomic():
            values = final_values(MessageState.FAILED, now) | {"error_code": "account_deleted"}
            message = Message.objects.filter(pk=message_id, state=state)
            if not message.update(state=MessageState.FAILED, **values):
                continue
            if is_under_way(message_id):
                transaction.set_rollback(True)  # a journal that came first had the update wait
                continue
            attached.stop_preparing([message_id])
            announce(message_id, MessageState.FAILED)
            count += 1
    return count
