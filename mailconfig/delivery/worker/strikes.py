"""Refusals in a row that are the account's fault, or look like it, and the pause they lead to."""

from __future__ import annotations

import uuid
from datetime import datetime

from mailconfig.delivery import lanes
from mailconfig.delivery.failures import Wait
from mailconfig.delivery.queue import recent
from mailconfig.delivery.queue.turn import ACCOUNT_REFUSED, Settlement
from mailconfig.models import AttemptOutcome, Lane, WaitReason
from mailconfig.transports.contract import Matter, Verdict
from mailconfig.transports.words import gist
from mailconfig.values import Stage

REFUSALS = 3
"""Refusals in a row, by different messages, that pause the account."""


def after_refusal(settlement: Settlement, lane: Lane, *, token: uuid.UUID) -> Wait | None:
    """Note on the lane that the account was refused; the third time in a row by different messages, the pause."""
    if _is_same_again(settlement, lane):
        return None
    strikes = lane.strikes + 1
    if strikes < REFUSALS:
        lanes.note_strikes(lane, strikes, token=token)
        return None
    words = settlement.judgement.answer.words
    if settlement.verdict is Verdict.SENDER_REFUSED or settlement.judgement.matter is Matter.SENDER:
        return Wait(WaitReason.PAUSED_SENDER, None, words, "sender_refused", strikes=0)
    return Wait(WaitReason.PAUSED_CONFIG, None, words, ACCOUNT_REFUSED, strikes=0)


def _is_same_again(settlement: Settlement, lane: Lane) -> bool:
    """Return whether it was this message's refusal that was counted last: one message never pauses its account."""
    message = settlement.turn.message
    if not lane.strikes or message.error_code != ACCOUNT_REFUSED:
        return False
    return recent.was_last(lane.account_id, message_id=message.pk)


def is_doubtful(settlement: Settlement) -> bool:
    """Return whether all recipients were refused in the same words, and these say nothing of the recipients."""
    if (settlement.outcome, settlement.stage) != (AttemptOutcome.REFUSED, Stage.RECIPIENT):
        return False
    return settlement.is_unexplained and len({gist(answer) for _, answer in settlement.failed}) == 1


def after_doubt(settlement: Settlement, lane: Lane, *, since: datetime | None) -> Wait | None:
    """The pause if the messages before were refused like :func:`is_doubtful`; their outcomes are committed.

    Args:
        settlement: the last one.
        lane: of the account.
        since: when the server took a message last, whose outcome another session may not have committed yet.
    """
    if not recent.all_refused_alike(lane.account_id, count=REFUSALS, since=since):
        return None
    words = settlement.reply.words if settlement.reply else ""
    return Wait(WaitReason.PAUSED_CONFIG, None, words, ACCOUNT_REFUSED, strikes=0)
