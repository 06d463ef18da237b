"""Writing an outcome: attempt, recipients and message in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from django.db import transaction

from mailconfig.delivery import trail
from mailconfig.delivery.lanes import Ownership
from mailconfig.delivery.mishaps import in_words
from mailconfig.delivery.queue import outcomes
from mailconfig.delivery.queue.coming_home import going_home, refuse_others
from mailconfig.delivery.queue.due import DueRecipient, is_under_way, waiting
from mailconfig.delivery.queue.ends import aggregate, announce, counted, erase_after, final_values, locked
from mailconfig.delivery.queue.transitions import states_allowing
from mailconfig.delivery.queue.turn import Settlement
from mailconfig.models import (
    FINAL_STATES,
    Attempt,
    AttemptOutcome,
    HandOver,
    Lane,
    Message,
    MessageState,
    Recipient,
    RecipientState,
    WaitReason,
)
from mailconfig.values import Answer

INTERNAL_ERRORS = 3
"""A message we ourselves stumble over so often has failed."""
INTERNAL_PAUSE = timedelta(minutes=1)
CHUNK = 500
"""Rows named by number in one statement: every database takes so many."""


def settle(settlement: Settlement, *, ownership: Ownership) -> None:
    """Write what came of a turn. Idempotent: what is settled already stays as it is."""
    with transaction.atomic():
        if not settlement.turn.is_journaled:
            _settle_untouched(settlement, ownership)
        elif _end_hand_over(settlement, ownership):
            _settle_recipients(settlement)
            state = _settle_message(settlement, ownership)
            outcomes.log_outcome(settlement, state, account_id=ownership.account_id)
        elif settlement.sent:
            state = _settle_late(settlement)
            outcomes.log_outcome(settlement, state, account_id=ownership.account_id, late=True)


def _settle_untouched(settlement: Settlement, ownership: Ownership) -> None:
    """A turn that did not come to its dot: no journal speaks for it, so it counts as long as nobody else was at it.

    The database may have been away for longer than the lease. Then somebody else may be handing the message over,
    and what we heard before that is a line of the log, and nothing else.
    """
    turn = settlement.turn
    mine = {"message_id": turn.message.pk, "worker": ownership.worker, "started_at": turn.started_at}
    if Attempt.objects.filter(**mine, handed_over_at=None).exists():
        return  # the answer to its commit was lost
    _note_attempt(settlement, ownership, started_at=turn.started_at)
    state: MessageState | str = ""
    # Where it counted for somebody else, the message has another number of attempts by now, or another account.
    queued = Message.objects.filter(
        pk=turn.message.pk,
        account_id=ownership.account_id,
        attempts=turn.message.attempts,
        state=MessageState.QUEUED,
    )
    lane = Lane.objects.filter(pk=ownership.lane_id, lease_token=ownership.token)
    # All else is asked once the row is ours, on which a journal that came first had us wait.
    if locked(queued) and lane.exists() and not is_under_way(turn.message.pk):
        _settle_recipients(settlement)
        state = _settle_message(settlement, ownership)
    outcomes.log_outcome(settlement, state, account_id=ownership.account_id)


def _attempt_values(settlement: Settlement) -> dict[str, object]:
    reply = settlement.reply
    return {
        "outcome": settlement.outcome,
        "ended_at": settlement.ended_at,
        "stage": settlement.stage,
        "recipients": settlement.handed_over,
        "reply_code": reply.code if reply and reply.code > 0 else None,
        "enhanced_code": reply.enhanced if reply else "",
        "reply_text": reply.text if reply else "",
    }


def _end_hand_over(settlement: Settlement, ownership: Ownership) -> bool:
    """Let an attempt take the place of the hand-over in the journal; ``False``: it was given up."""
    mine = HandOver.objects.filter(message_id=settlement.turn.message.pk, lease_token=ownership.token)
    times = mine.values("started_at", "handed_over_at").first()
    # Who deletes it is the one whose word counts.
    if times is None or not mine.delete()[0]:
        return False
    _note_attempt(settlement, ownership, **times)
    return True


def _note_attempt(settlement: Settlement, ownership: Ownership, **times: datetime) -> None:
    attempt = Attempt.objects.create(
        account_id=ownership.account_id,
        message_id=settlement.turn.message.pk,
        worker=ownership.worker,
        **times,
        **_attempt_values(settlement),
    )
    settlement.turn.attempt_id = attempt.pk


def _settle_recipients(settlement: Settlement) -> None:
    if settlement.sent and not settlement.is_plain:
        _note_sent(settlement.sent)
    # If others go on at once, those put off wait by themselves; else with the message.
    retry_at = settlement.retry_at if settlement.keeps_place else None
    for recipients, state, not_before in (
        (settlement.failed, RecipientState.FAILED, None),
        (settlement.deferred, RecipientState.AS_MESSAGE, retry_at),
    ):
        for reply, chunk in _by_reply(recipients):
            # A late reply may have said of one that it was sent.
            Recipient.objects.filter(pk__in=chunk, state=RecipientState.AS_MESSAGE).update(
                state=state,
                not_before=not_before,
                attempts=counted(settlement.counts),
                reply_code=reply.code if reply.code > 0 else None,
                enhanced_code=reply.enhanced,
                reply_text=reply.text,
            )


def _note_sent(recipients: Sequence[DueRecipient]) -> None:
    for chunk in _chunks([recipient.pk for recipient in recipients]):
        Recipient.objects.filter(pk__in=chunk).update(
            state=RecipientState.SENT, not_before=None, reply_code=None, enhanced_code="", reply_text=""
        )


def _by_reply(
    recipients: Sequence[tuple[DueRecipient, Answer]],
) -> Iterator[tuple[Answer, Sequence[int]]]:
    """Each reply with those who got it, in lists that any database takes for one statement."""
    alike: dict[Answer, list[int]] = {}
    for recipient, reply in recipients:
        alike.setdefault(reply, []).append(recipient.pk)
    for reply, ids in alike.items():
        for chunk in _chunks(ids):
            yield reply, chunk


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))


def _settle_message(settlement: Settlement, ownership: Ownership) -> MessageState | str:
    """The state that the message has now; ``""``: it was none of ours any more."""
    turn = settlement.turn
    state, not_before = _next(settlement)
    values: dict[str, object] = {"state": state, "attempts": counted(settlement.counts_for_message)}
    if state in FINAL_STATES:
        values |= final_values(state, settlement.ended_at)
    else:
        values |= {"wait_reason": settlement.wait_reason}
        if not_before is not None:
            values["not_before"] = not_before
    is_home = settlement.goes_home and state == MessageState.QUEUED
    if is_home:
        values |= going_home(turn.message)
    elif state != MessageState.SENT and settlement.error_code:
        values["error_code"] = settlement.error_code
        values["error_text"] = settlement.error_reply.text if settlement.error_reply else ""
    if state == MessageState.PARTIAL and not settlement.failed:
        # The last words may be those of somebody who was put off, and has it by now.
        failed = Recipient.objects.filter(message_id=turn.message.pk, state=RecipientState.FAILED)
        values["error_text"] = failed.order_by("pk").values_list("reply_text", flat=True).first() or ""
    if not Message.objects.filter(pk=turn.message.pk, state=MessageState.QUEUED).update(**values):
        return ""
    if is_home:
        refuse_others(settlement, account_id=ownership.account_id)
    erase_after(turn.message.pk, state, has_source=turn.message.has_tokens)
    announce(turn.message.pk, state, stored_as=turn.message.stored_as, tenant_id=turn.message.tenant_id)
    return state


def _next(settlement: Settlement) -> tuple[MessageState, datetime | None]:
    """The state that follows, and from when on if it waits."""
    if settlement.is_plain:
        return MessageState.SENT, None
    state, times = aggregate(settlement.turn.message.pk)
    if state != MessageState.QUEUED:
        return state, None
    if settlement.holds:
        return MessageState.HELD, None
    if settlement.outcome in {AttemptOutcome.UNKNOWN, AttemptOutcome.LOST}:
        return MessageState.QUEUED, settlement.retry_at
    due = [at or settlement.retry_at for at in times]
    if settlement.keeps_place or None in due:
        return state, None
    return state, min(at for at in due if at is not None)


def _settle_late(settlement: Settlement) -> MessageState | str:
    """The reply came after the attempt was given up: who has the mail must not get it again, the others still do.

    Returns:
        The state that the message has now; ``""``: it stayed as it was.
    """
    turn, reply = settlement.turn, settlement.reply
    given_up = Attempt.objects.filter(
        message_id=turn.message.pk, started_at=turn.started_at, outcome=AttemptOutcome.UNKNOWN
    )
    given_up.update(
        outcome=settlement.outcome,
        recipients=settlement.handed_over,
        reply_code=reply.code if reply else None,
        reply_text=f"late: {reply.text}" if reply else "late",
    )
    # While it is handed over again, or after it was cancelled, its recipients are told apart and nothing else.
    message = locked(Message.objects.filter(pk=turn.message.pk, state__in=states_allowing("settle_late")))
    if is_under_way(turn.message.pk):
        message = None
    if message and message.is_final:
        waiting = Recipient.objects.filter(message_id=message.pk, state=RecipientState.AS_MESSAGE)
        waiting.update(state=RecipientState.FAILED)
    _note_sent(settlement.sent)
    if message is None:
        return ""
    state, _times = aggregate(message.pk)
    if state in FINAL_STATES:
        values = final_values(state, settlement.ended_at)
    elif message.state == MessageState.HELD and message.wait_reason == WaitReason.MAYBE_SENT:
        # There is no doubt any more, and the others were not even asked.
        values = {"wait_reason": "", "not_before": settlement.ended_at}
    else:
        return ""
    Message.objects.filter(pk=message.pk).update(state=state, **values)
    erase_after(message.pk, state, has_source=message.has_tokens)
    announce(message.pk, state, stored_as=turn.message.stored_as, tenant_id=message.tenant_id)
    return state


def settle_all(settlements: Iterable[Settlement], *, ownership: Ownership) -> None:
    """:func:`settle` each in its order."""
    for settlement in settlements:
        settle(settlement, ownership=ownership)


def note_internal_error(message_id: int, error: Exception, *, now: datetime) -> None:
    """Put a message that we stumbled over back for a minute, or let it fail the third time."""
    # One that does not wait is another's: the lane was lost.
    message = waiting(Message.objects.filter(pk=message_id))
    stumbled = message.values_list("internal_errors", flat=True).first()
    if stumbled is None:
        return
    text = in_words(error)
    values: dict[str, object] = {
        "internal_errors": stumbled + 1,
        "error_code": "internal_error",
        "error_text": text,
    }
    state = MessageState.QUEUED if stumbled + 1 < INTERNAL_ERRORS else MessageState.FAILED
    if state == MessageState.QUEUED:
        values |= {"not_before": now + INTERNAL_PAUSE, "wait_reason": WaitReason.INTERNAL_ERROR}
    else:
        values |= {"state": state, **final_values(state, now)}
    if message.update(**values):
        trail.moved("internal_error", message_id, state, error_code="internal_error", words=text)
        if state == MessageState.FAILED:
            announce(message_id, state)
