"""Writing an outcome: attempt, recipients and message in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Count, Exists, F, Min, OuterRef, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Least

from mailconfig import signals
from mailconfig.conf import get_settings
from mailconfig.delivery import trail
from mailconfig.delivery.lanes import MOST_COUNTED, Ownership
from mailconfig.delivery.mishaps import in_words
from mailconfig.delivery.queue import bodies, outcomes
from mailconfig.delivery.queue.due import DueRecipient, is_under_way, waiting
from mailconfig.delivery.queue.transitions import states_allowing
from mailconfig.delivery.queue.turn import Settlement, state_after
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
        if settlement.turn.attempt_id is None:
            _settle_untouched(settlement, ownership)
        elif _end_hand_over(settlement, ownership):
            _settle_recipients(settlement)
            state = _settle_message(settlement)
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
    # Where it counted for somebody else, the message has another number of attempts by now.
    queued = Message.objects.filter(
        pk=turn.message.pk, attempts=turn.message.attempts, state=MessageState.QUEUED
    )
    lane = Lane.objects.filter(pk=ownership.lane_id, lease_token=ownership.token)
    # All else is asked once the row is ours, on which a journal that came first had us wait.
    if _locked(queued) and lane.exists() and not is_under_way(turn.message.pk):
        _settle_recipients(settlement)
        state = _settle_message(settlement)
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
    if settlement.turn.attempt_id is not None:
        settlement.turn.attempt_id = attempt.pk


def _locked(messages: QuerySet[Message]) -> Message | None:
    """The one message of the query, which nobody changes until the transaction ends."""
    if connection.features.has_select_for_update:
        messages = messages.select_for_update()
    return messages.first()


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


def _settle_message(settlement: Settlement) -> MessageState | str:
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
    if state != MessageState.SENT and settlement.error_code:
        values["error_code"] = settlement.error_code
        values["error_text"] = settlement.error_reply.text if settlement.error_reply else ""
    if state == MessageState.PARTIAL and not settlement.failed:
        # The last words may be those of somebody who was put off, and has it by now.
        failed = Recipient.objects.filter(message_id=turn.message.pk, state=RecipientState.FAILED)
        values["error_text"] = failed.order_by("pk").values_list("reply_text", flat=True).first() or ""
    if not Message.objects.filter(pk=turn.message.pk, state=MessageState.QUEUED).update(**values):
        return ""
    erase_after(turn.message.pk, state)
    announce(turn.message.pk, state, stored_as=turn.message.stored_as)
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


def aggregate(message_id: int) -> tuple[MessageState, list[datetime | None]]:
    """The message's state by its recipients, and when those who wait are due: the first time, ``None`` for no time."""
    rows = Recipient.objects.filter(message_id=message_id).order_by().values_list("state")
    counts = {state: (every, timed, at) for state, every, timed, at in rows.annotate(*_COUNTS)}
    every, timed, first_at = counts.get(RecipientState.AS_MESSAGE, (0, 0, None))
    state = state_after(
        waiting=bool(every),
        any_sent=RecipientState.SENT in counts,
        any_failed=RecipientState.FAILED in counts,
    )
    return state, [first_at] * bool(timed) + [None] * (every > timed)


_COUNTS = (Count("pk"), Count("not_before"), Min("not_before"))


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
    message = _locked(Message.objects.filter(pk=turn.message.pk, state__in=states_allowing("settle_late")))
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
    erase_after(message.pk, state)
    announce(message.pk, state, stored_as=turn.message.stored_as)
    return state


def counted(counts: bool) -> Combinable:
    """The number of attempts of a message or recipient after one more, which its column holds in any case."""
    return Least(F("attempts") + int(counts), MOST_COUNTED)


def final_values(state: MessageState, at: datetime) -> dict[str, object]:
    """Return what else changes when a message ends in ``state``: it waits for nothing. See :func:`erase_after`."""
    values: dict[str, object] = {"settled_at": at, "wait_reason": ""}
    if state == MessageState.SENT:
        values |= {"error_code": "", "error_text": ""}
    if erases(state):
        values |= {"stored_as": ""}
    return values


def erase_after(message_id: int, state: MessageState) -> None:
    """Delete the bytes in the database of a message that has just ended in ``state``, or waits on."""
    if state in FINAL_STATES and erases(state):
        bodies.forget([message_id])


def erases(state: MessageState) -> bool:
    """Return whether the bytes go when a message ends so: not those of a failed one, which may be queued again."""
    return state != MessageState.FAILED and not get_settings().keep_sent_bytes


def announce(message_id: int, state: MessageState, *, stored_as: str = "") -> None:
    """After commit: erase stored bytes, and tell who listens."""
    if stored_as and erases(state) and state in FINAL_STATES:
        transaction.on_commit(lambda: bodies.delete(stored_as), robust=True)
    if signals.message_settled.has_listeners(Message) and (
        state in FINAL_STATES or state == MessageState.HELD
    ):
        transaction.on_commit(lambda: _send_signal(message_id, state), robust=True)


def _send_signal(message_id: int, state: MessageState) -> None:
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
    owned = Lane.objects.filter(
        account_id=OuterRef("account_id"), lease_token=OuterRef("lease_token"), lease_until__gt=now
    )
    stale = HandOver.objects.filter(~Exists(owned), handed_over_at__lt=before)
    count = 0
    for hand_over in stale.order_by("handed_over_at", "pk")[:1000]:
        with transaction.atomic():
            # Its time tells it from one that somebody else began since.
            mine = HandOver.objects.filter(pk=hand_over.pk, handed_over_at=hand_over.handed_over_at)
            if not mine.delete()[0]:
                continue
            count += 1
            _give_up(hand_over, now)
            _put_back(hand_over.message_id, now=now, hold=hold, max_retries=max_retries)
    return count


def _give_up(hand_over: HandOver, now: datetime) -> None:
    Attempt.objects.create(
        account_id=hand_over.account_id,
        message_id=hand_over.message_id,
        worker=hand_over.worker,
        recipients=hand_over.recipients,
        outcome=AttemptOutcome.UNKNOWN,
        started_at=hand_over.started_at,
        handed_over_at=hand_over.handed_over_at,
        ended_at=now,
    )


def _put_back(message_id: int, *, now: datetime, hold: bool, max_retries: int) -> None:
    handing_over = Message.objects.filter(pk=message_id, state=MessageState.QUEUED)
    message = _locked(handing_over.select_related("account").defer("account__secret"))
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
    erase_after(message_id, state)
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
            announce(message_id, MessageState.FAILED)
            count += 1
    return count


def settle_all(settlements: Iterable[Settlement], *, ownership: Ownership) -> None:
    """:func:`settle` each in its order."""
    for settlement in settlements:
        settle(settlement, ownership=ownership)


def note_internal_error(message_id: int, error: Exception, *, now: datetime) -> None:
    """Put a message that we stumbled over back for a minute, or let it fail the third time."""
    message = waiting(
        Message.objects.filter(pk=message_id)
    )  # else the lane was lost, and the mail is another's
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
