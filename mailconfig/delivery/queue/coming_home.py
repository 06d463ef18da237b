"""Coming home: mail goes back to its account when the one that stands in is not allowed to send it."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction

from mailconfig.delivery.queue.due import DueMessage
from mailconfig.delivery.queue.moving import move
from mailconfig.delivery.queue.turn import Settlement
from mailconfig.delivery.wake import wake_lane
from mailconfig.models import Lane, Purpose

NO_FAILOVER = timedelta(hours=1)
"""How long no further mail is given to an account whose server refused another one's: a right is granted at the server,
and nobody tells us."""
MOST = 5000
"""So many messages come back with the one that was refused; the others as they are refused."""


def going_home(message: DueMessage) -> dict[str, object]:
    """Return what changes with a message that goes back to the account that it was queued for."""
    return {"account_id": message.home_id, "failed_over_from_id": None, "failed_over_because": ""}


def refuse_others(settlement: Settlement, *, account_id: int) -> None:
    """Note at the account whose mail was refused why that was, and bring back what else waits at the one that sends.

    Within the transaction of the outcome.

    Args:
        settlement: of the message that was refused.
        account_id: the one that was to send it.
    """
    home_id = settlement.turn.message.home_id
    if home_id is None:
        return
    answer = settlement.judgement.answer
    Lane.objects.filter(account_id=home_id, purpose=Purpose.SEND).update(
        no_failover_until=settlement.ended_at + NO_FAILOVER, no_failover_text=answer.words
    )
    move(
        account_id=account_id,
        to=home_id,
        because=None,
        due_by=settlement.ended_at,
        most=MOST,
        home_id=home_id,
    )
    transaction.on_commit(lambda: wake_lane(home_id), robust=True)
