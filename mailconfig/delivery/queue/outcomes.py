"""Lines of the log for outcomes; see :mod:`mailconfig.delivery.trail`."""

from __future__ import annotations

from mailconfig.delivery import trail
from mailconfig.delivery.queue.turn import Settlement
from mailconfig.models import MessageState


def log_outcome(
    settlement: Settlement, state: MessageState | str, *, account_id: int, late: bool = False
) -> None:
    """Log a settlement that was just written.

    Args:
        state: the message's, from now on; ``""``: the outcome changed nothing of it.
        account_id: whose mail it is.
        late: the reply came after the attempt was given up.
    """
    if not trail.is_logged(state):
        return
    turn = settlement.turn
    values = {
        "account_id": account_id,
        "message_id": turn.message.pk,
        "attempt_id": turn.attempt_id,
        "outcome": str(settlement.outcome),
        "stage": str(settlement.stage),
        "error_code": settlement.error_code if state != MessageState.SENT else "",
        "reason": str(settlement.wait_reason),
        "until": settlement.retry_at,
        "recipients": settlement.handed_over,
        "late": late,
    }
    addresses = [recipient.address for recipient in turn.recipients]
    trail.settled(values, state=state, reply=settlement.reply, addresses=addresses)
