"""Asking the suppression list: when due mail is read, and once more in the transaction of the journal.

What is read is left out before a server hears of it. What is listed between reading and the dot the journal refuses; the
mail is then read again, and left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Exists

from mailconfig.delivery import trail
from mailconfig.delivery.lanes import Ownership
from mailconfig.delivery.queue.due import DueMessage, waiting
from mailconfig.delivery.queue.ends import aggregate, announce, erase_after, final_values, locked
from mailconfig.delivery.queue.listed import code_of
from mailconfig.models import Lane, Message, MessageState, Recipient, RecipientState

CHUNK = 400


def leave_out(message: DueMessage, *, ownership: Ownership) -> bool:
    """Let the recipients of a mail fail that are on the list; it ends if nobody else is left, and waits for those put off.

    Returns:
        Whether that was written: not if the mail is none of ours any more.
    """
    now = ownership.clock.now()
    with transaction.atomic():
        lane = Lane.objects.filter(pk=ownership.lane_id, lease_token=ownership.token)
        mine = waiting(Message.objects.filter(Exists(lane), pk=message.pk, account_id=ownership.account_id))
        if locked(mine) is None:
            return False
        by_reason: dict[str, list[int]] = {}
        for recipient, reason in message.suppressed:
            by_reason.setdefault(reason, []).append(recipient.pk)
        for reason, keys in by_reason.items():
            for chunk in _chunks(keys):
                Recipient.objects.filter(pk__in=chunk, state=RecipientState.AS_MESSAGE).update(
                    state=RecipientState.FAILED,
                    error_code=code_of(reason),
                    not_before=None,
                    reply_code=None,
                    enhanced_code="",
                    reply_text="",
                )
        _go_on_or_end(message, code_of(min(by_reason)), now)
    return True


def _go_on_or_end(message: DueMessage, code: str, now: Any) -> None:
    state, times = aggregate(message.pk)
    values: dict[str, object] = {"error_code": code, "error_text": ""}
    if state != MessageState.QUEUED:
        values |= {"state": state, **final_values(state, now)}
    elif not message.recipients:
        values["not_before"] = min((at for at in times if at is not None), default=now)
    Message.objects.filter(pk=message.pk).update(**values)
    trail.moved("suppressed", message.pk, state, error_code=code)
    erase_after(message.pk, state, has_source=message.has_tokens)
    announce(message.pk, state, stored_as=message.stored_as, tenant_id=message.tenant_id)


def _chunks(keys: Iterable[int]) -> Iterator[list[int]]:
    rest = iter(keys)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk
