"""Writing an outcome: attempt, recipients and message in one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from mailconfig import signals
from mailconfig.conf import get_settings
from mailconfig.delivery.queue import bodies
from mailconfig.delivery.queue.transitions import sources
from mailconfig.delivery.queue.turn import Settlement, state_after
from mailconfig.models import (
    FINAL_STATES,
    Attempt,
    AttemptOutcome,
    Message,
    MessageState,
    Recipient,
    RecipientState,
    WaitReason,
)

INTERNAL_ERRORS = 3
"""A message we ourselves stumble over so often has failed."""
INTERNAL_PAUSE = timedelta(minutes=1)


def settle(settlement: Settlement, *, account_id: int, worker: str) -> None:
    """Write what came of a turn. Idempotent: what is settled already stays as it is."""
    with transaction.atomic():
        if _settle_attempt(settlement, account_id=account_id, worker=worker):
            _settle_recipients(settlement)
            _settle_message(settlement)
        elif settlement.outcome == AttemptOutcome.SENT:
            _settle_late(settlement)


def _settle_attempt(settlement: Settlement, *, account_id: int, worker: str) -> bool:
    turn, reply = settlement.turn, settlement.reply
    values: dict[str, object] = {
        "outcome": settlement.outcome,
        "ended_at": settlement.ended_at,
        "stage": settlement.stage,
        "recipients": settlement.handed_over,
        "reply_code": reply.code if reply and reply.code > 0 else None,
        "enhanced_code": reply.enhanced if reply else "",
        "reply_text": reply.text if reply else "",
    }
    if turn.attempt_id is not None:
        rows = Attempt.objects.filter(pk=turn.attempt_id, outcome=AttemptOutcome.OPEN)
        return bool(rows.update(**values))
    Attempt.objects.create(
        account_id=account_id,
        message_id=turn.message.pk,
        worker=worker,
        started_at=turn.started_at,
        **values,
    )
    return True


def _settle_recipients(settlement: Settlement) -> None:
    sent = [recipient.pk for recipient in settlement.sent]
    if sent and not settlement.is_plain:
        Recipient.objects.filter(pk__in=sent).update(state=RecipientState.SENT, not_before=None)
    # If others go on at once, those put off wait by themselves; else with the message.
    retry_at = settlement.retry_at if settlement.keeps_place else None
    for recipients, state in (
        (settlement.failed, RecipientState.FAILED),
        (settlement.deferred, RecipientState.AS_MESSAGE),
    ):
        for recipient, reply in recipients:
            Recipient.objects.filter(pk=recipient.pk).update(
                state=state,
                not_before=retry_at if state == RecipientState.AS_MESSAGE else None,
                reply_code=reply.code if reply.code > 0 else None,
                enhanced_code=reply.enhanced,
                reply_text=reply.text,
            )


def _settle_message(settlement: Settlement) -> None:
    turn = settlement.turn
    state, not_before = _next(settlement)
    values: dict[str, object] = {"state": state, "attempts": F("attempts") + int(settlement.counts)}
    if state in FINAL_STATES:
        values |= final_values(state, settlement.ended_at)
    else:
        values |= {"wait_reason": settlement.wait_reason, "handed_over_at": None}
        if not_before is not None:
            values["not_before"] = not_before
    if state != MessageState.SENT and settlement.error_code:
        values["error_code"] = settlement.error_code
        values["error_text"] = settlement.reply.text if settlement.reply else ""
    allowed = [MessageState.HANDING_OVER] if turn.attempt_id is not None else sources("settle")
    if Message.objects.filter(pk=turn.message.pk, state__in=allowed).update(**values):
        told(turn.message.pk, state, stored_as=turn.message.stored_as)


def _next(settlement: Settlement) -> tuple[MessageState, datetime | None]:
    """The state that follows, and from when on if it waits."""
    if settlement.holds:
        return MessageState.HELD, None
    if settlement.outcome in {AttemptOutcome.UNKNOWN, AttemptOutcome.LOST}:
        return MessageState.QUEUED, settlement.retry_at
    message = settlement.turn.message
    if settlement.is_plain:
        return MessageState.SENT, None
    states = Recipient.objects.filter(message_id=message.pk).values_list("state", "not_before")
    waiting = [not_before for state, not_before in states if state == RecipientState.AS_MESSAGE]
    kept = {state for state, _not_before in states}
    state = state_after(
        waiting=bool(waiting),
        any_sent=RecipientState.SENT in kept,
        any_failed=RecipientState.FAILED in kept,
    )
    times = [at or settlement.retry_at for at in waiting]
    if settlement.keeps_place or not times or None in times:
        return state, None
    return state, min(at for at in times if at is not None)


def _settle_late(settlement: Settlement) -> None:
    """The reply came after the attempt was given up: the mail is out, so what waits again must not."""
    turn, reply = settlement.turn, settlement.reply
    if turn.attempt_id is None:
        return
    Attempt.objects.filter(pk=turn.attempt_id).update(
        outcome=AttemptOutcome.SENT,
        recipients=settlement.handed_over,
        reply_code=reply.code if reply else None,
        reply_text=f"late: {reply.text}" if reply else "late",
    )
    waiting = Message.objects.filter(pk=turn.message.pk, state__in=sources("settle_late"))
    if waiting.update(state=MessageState.SENT, **final_values(MessageState.SENT, settlement.ended_at)):
        told(turn.message.pk, MessageState.SENT, stored_as=turn.message.stored_as)


def final_values(state: MessageState, at: datetime) -> dict[str, object]:
    """What else changes when a message ends in ``state``: it waits for nothing, and loses its bytes."""
    values: dict[str, object] = {"settled_at": at, "wait_reason": "", "handed_over_at": None}
    if state == MessageState.SENT:
        values |= {"error_code": "", "error_text": ""}
    if erases(state):
        values |= {"body": None, "stored_as": ""}
    return values


def erases(state: MessageState) -> bool:
    """Whether the bytes go when a message ends so: not those of a failed one, which may be queued again."""
    return state != MessageState.FAILED and not get_settings().keep_sent_bytes


def told(message_id: int, state: MessageState, *, stored_as: str = "") -> None:
    """After commit: erase stored bytes, and tell who listens."""
    if stored_as and erases(state) and state in FINAL_STATES:
        transaction.on_commit(lambda: bodies.delete(stored_as), robust=True)
    if signals.message_settled.has_listeners(Message) and (
        state in FINAL_STATES or state == MessageState.HELD
    ):
        transaction.on_commit(lambda: _tell(message_id, state), robust=True)


def _tell(message_id: int, state: MessageState) -> None:
    account_id = Message.objects.filter(pk=message_id).values_list("account_id", flat=True).first()
    signals.message_settled.send_robust(
        sender=Message, message_id=message_id, account_id=account_id, state=str(state)
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
    stale = Attempt.objects.filter(outcome=AttemptOutcome.OPEN, handed_over_at__lt=before).exclude(
        account__lanes__lease_token=F("lease_token"), account__lanes__lease_until__gt=now
    )
    count = 0
    for attempt in stale.order_by("pk").values("pk", "message_id")[:1000]:
        with transaction.atomic():
            open_one = Attempt.objects.filter(pk=attempt["pk"], outcome=AttemptOutcome.OPEN)
            if not open_one.update(outcome=AttemptOutcome.UNKNOWN, ended_at=now):
                continue
            count += 1
            _put_back(attempt["message_id"], now=now, hold=hold, max_retries=max_retries)
    return count


def _put_back(message_id: int | None, *, now: datetime, hold: bool, max_retries: int) -> None:
    if message_id is None:
        return
    message = Message.objects.filter(pk=message_id, state__in=sources("reap"))
    found = message.values_list("attempts", "is_test", "account__max_retries").first()
    if found is None:
        return
    attempts, is_test, retries = found
    values: dict[str, object] = {"attempts": F("attempts") + 1, "handed_over_at": None}
    if is_test:
        # Whoever asked for it has long gone; a test mail goes out at once or not at all.
        state = MessageState.FAILED
        values |= final_values(state, now) | {"error_code": WaitReason.UNKNOWN_OUTCOME}
    elif hold or attempts + 1 > (max_retries if retries is None else retries):
        state = MessageState.HELD
        values |= {"wait_reason": WaitReason.MAYBE_SENT}
    else:
        state = MessageState.QUEUED
        values |= {"wait_reason": "", "not_before": now}
    message.update(state=state, **values)
    told(message_id, state)


def settle_all(settlements: Iterable[Settlement], *, account_id: int, worker: str) -> None:
    """:func:`settle` each in its order."""
    for settlement in settlements:
        settle(settlement, account_id=account_id, worker=worker)


def note_internal_error(message_id: int, error: Exception, *, now: datetime) -> None:
    """Put a message that we stumbled over back for a minute, or let it fail the third time."""
    message = Message.objects.filter(pk=message_id, state=MessageState.QUEUED)
    stumbled = message.values_list("internal_errors", flat=True).first()
    if stumbled is None:
        return
    text = f"{type(error).__name__}: {error}"[:500].replace("\x00", "")
    values: dict[str, object] = {
        "internal_errors": stumbled + 1,
        "error_code": "internal_error",
        "error_text": text,
    }
    if stumbled + 1 < INTERNAL_ERRORS:
        message.update(**values, not_before=now + INTERNAL_PAUSE, wait_reason=WaitReason.INTERNAL_ERROR)
        return
    values |= {"state": MessageState.FAILED, **final_values(MessageState.FAILED, now)}
    if message.update(**values):
        told(message_id, MessageState.FAILED)
