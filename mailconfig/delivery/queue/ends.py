"""The end of a message: the state that its recipients make, what changes with a final one, who is told."""

from __future__ import annotations

from datetime import datetime

from django.db import connection, transaction
from django.db.models import Count, F, Min, QuerySet
from django.db.models.expressions import Combinable
from django.db.models.functions import Least

from mailconfig import signals
from mailconfig.conf import get_settings
from mailconfig.delivery import telling
from mailconfig.delivery.lanes import MOST_COUNTED
from mailconfig.delivery.queue import bodies
from mailconfig.delivery.queue.turn import state_after
from mailconfig.models import FINAL_STATES, Message, MessageState, Recipient, RecipientState

_COUNTS = (Count("pk"), Count("not_before"), Min("not_before"))


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


def erases(state: MessageState) -> bool:
    """Return whether the bytes go when a message ends so: not those of a failed one, which may be queued again."""
    return state != MessageState.FAILED and not get_settings().keep_sent_bytes


def erase_after(message_id: int, state: MessageState, *, has_source: bool = False) -> None:
    """Delete the bytes in the database of a message that has just ended in ``state``, or waits on.

    Args:
        message_id: which.
        state: that it is in now.
        has_source: it may have one instead of bytes, or besides.
    """
    if state in FINAL_STATES and erases(state):
        bodies.forget([message_id])
        if has_source:
            bodies.forget_source(message_id)


def announce(
    message_id: int, state: MessageState, *, stored_as: str = "", tenant_id: int | None = telling.ANY
) -> None:
    """Tell of a state that a message is in now, within the transaction that brought it there.

    Its tenant's webhooks are told with that transaction; after it stored bytes are erased, and who listens is told.

    Args:
        message_id: of the message.
        state: that it is in now.
        stored_as: the name of its stored bytes.
        tenant_id: of the message, where the caller knows it.
    """
    if state not in FINAL_STATES and state != MessageState.HELD:
        return
    telling.tell_settled(message_id, tenant_id=tenant_id)
    if stored_as and erases(state) and state in FINAL_STATES:
        transaction.on_commit(lambda: bodies.delete(stored_as), robust=True)
    if signals.message_settled.has_listeners(Message):
        transaction.on_commit(lambda: _send_signal(message_id, state), robust=True)


def _send_signal(message_id: int, state: MessageState) -> None:
    message = Message.objects.filter(pk=message_id).only("account_id", "failed_over_from_id").first()
    account_id = message.home_id if message else None
    signals.message_settled.send_robust(
        sender=Message, message_id=message_id, account_id=account_id, state=str(state)
    )


def locked(messages: QuerySet[Message]) -> Message | None:
    """The one message of the query, which nobody changes until the transaction ends."""
    if connection.features.has_select_for_update:
        messages = messages.select_for_update()
    return messages.first()
