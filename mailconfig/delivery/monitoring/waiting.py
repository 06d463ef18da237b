"""Reasons for waiting: a message's own, or what holds its whole account back, and until when."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, Subquery

from mailconfig.conf import get_settings
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.installation import ensure_this_installation
from mailconfig.delivery.limits import Limiter
from mailconfig.exceptions import WrongInstallation
from mailconfig.models import Account, HandOver, Lane, Message, MessageState, Preparation, Purpose, WaitReason

COUNTED_POSITIONS = 1000
"""Positions in the queue behind this one are not counted: no time is foretold for them."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The reason for which a message waits.

    Attributes:
        reason: a stable word.
        text: the reason in words.
        next_at: when it may go, as things are; ``None``: nobody knows, or somebody has to act.
        words: what the mail server said of the account, or whoever paused it, where that is why; for staff.
    """

    reason: WaitReason
    next_at: datetime | None = None
    words: str = ""

    @property
    def text(self) -> str:
        """The reason in words."""
        return str(self.reason.label)


def explain(messages: Iterable[Message], *, foretells: bool = True) -> dict[int, Waiting]:
    """Explain why each message waits, by primary key. Those with a final state are left out.

    The number of queries grows with the accounts on the page and with the messages held by a limit, not with
    the backlog.

    Args:
        foretells: say when mail that a limit holds may go. If not, the number of queries does not grow at all.
    """
    waiting = [message for message in messages if not message.is_final]
    under_way = dict(
        HandOver.objects.filter(message_id__in=[message.pk for message in waiting]).values_list(
            "message_id", "handed_over_at"
        )
    )
    account_ids = {message.account_id for message in waiting}
    lanes = {
        lane.account_id: lane
        for lane in Lane.objects.filter(account_id__in=account_ids, purpose=Purpose.SEND)
        .select_related("account")
        .defer("account__secret")
    }
    now = database_now()
    if waiting and not _is_this_installation():
        return {message.pk: Waiting(WaitReason.WRONG_INSTALLATION) for message in waiting}
    limiters: dict[int, Limiter] = {}
    preparing = _preparing([message for message in waiting if message.state == MessageState.PREPARING])
    return {
        message.pk: preparing[message.pk]
        if message.pk in preparing
        else _handing_over(under_way[message.pk])
        if message.pk in under_way
        else _explain(message, lanes.get(message.account_id), now, limiters if foretells else None)
        for message in waiting
    }


def _preparing(messages: Collection[Message]) -> dict[int, Waiting]:
    """Explain why messages wait that are being prepared: a query, if there are any."""
    if not messages:
        return {}
    due = Preparation.objects.filter(message_id__in=[message.pk for message in messages])
    due_at = dict(due.values_list("message_id", "due_at"))
    return {
        message.pk: Waiting(WaitReason(message.wait_reason or WaitReason.FILES), due_at.get(message.pk))
        for message in messages
    }


def _is_this_installation() -> bool:
    try:
        ensure_this_installation()
    except WrongInstallation:
        return False
    return True


def _explain(
    message: Message, lane: Lane | None, now: datetime, limiters: dict[int, Limiter] | None
) -> Waiting:
    if message.state == MessageState.HELD:
        return Waiting(WaitReason(message.wait_reason or WaitReason.BUSY))
    if message.not_before > now:
        return Waiting(WaitReason(message.wait_reason or WaitReason.SCHEDULED), message.not_before)
    if lane is None:
        return Waiting(WaitReason.BUSY)
    if not lane.account.is_enabled:
        return Waiting(WaitReason.DISABLED)
    if lane.paused_at is not None:
        return Waiting(WaitReason.PAUSED_BY_PERSON, words=lane.paused_because)
    if lane.wait_reason == WaitReason.LIMIT and limiters is not None:
        return _explain_limit(message, lane.account, now, limiters)
    if lane.wait_reason:
        return Waiting(WaitReason(lane.wait_reason), lane.wait_until, lane.wait_text)
    return Waiting(WaitReason.BUSY)


def _handing_over(handed_over_at: datetime) -> Waiting:
    certain = timedelta(seconds=get_settings().ambiguous_after_seconds)
    return Waiting(WaitReason.HANDING_OVER, handed_over_at + certain)


def _explain_limit(
    message: Message, account: Account, now: datetime, limiters: dict[int, Limiter]
) -> Waiting:
    ahead = _count_ahead(message)
    if ahead is None:
        return Waiting(WaitReason.LIMIT)
    if account.pk not in limiters:
        open_for = timedelta(seconds=get_settings().ambiguous_after_seconds)
        limiters[account.pk] = Limiter.load(account, now=now, open_for=open_for, tallies=False)
    return Waiting(WaitReason.LIMIT, limiters[account.pk].next_free_at(now, behind=ahead))


def _count_ahead(message: Message) -> int | None:
    """Count the messages that go before it; ``None``: too many to count for a page."""
    # Compared within the database: SQLite keeps a time of its own as text that is no text of ours.
    due = Subquery(Message.objects.filter(pk=message.pk).values("not_before")[:1])
    before = Q(priority__lt=message.priority) | Q(priority=message.priority) & (
        Q(not_before__lt=due) | Q(not_before=due, pk__lt=message.pk)
    )
    queued = Message.objects.filter(before, account_id=message.account_id, state=MessageState.QUEUED)
    ahead = queued.order_by().values("pk")[: COUNTED_POSITIONS + 1].count()
    return ahead if ahead <= COUNTED_POSITIONS else None
