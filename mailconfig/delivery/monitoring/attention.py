"""Attention: accounts that stopped until somebody acts, and mail that nobody sends. Cheap enough for every page."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from mailconfig.delivery.clock import database_now
from mailconfig.delivery.worker.steps import FailingStep, failing_steps
from mailconfig.models import PAUSES, Account, Installation, Lane, Message, MessageState, Purpose, WaitReason

STALE = timedelta(seconds=60)
"""Due mail nobody takes, or a sweep nobody runs, for so long means that the machinery stands."""


@dataclass(frozen=True, slots=True)
class StoppedAccount:
    """An account that sends nothing until somebody acts.

    Attributes:
        account: its row, without the secret.
        reason: why it stopped.
        since: since when.
        words: what the mail server said.
    """

    account: Account
    reason: WaitReason
    since: datetime | None
    words: str


@dataclass(frozen=True, slots=True)
class Attention:
    """All that needs somebody.

    Attributes:
        stopped: the accounts that stopped last, at most as many as were asked for.
        count: how many stopped altogether.
        nobody_sends: mail has been due for a minute, and no worker has looked for any.
        failing_steps: steps of the house-keeping that throw.
        at: the database's time at which this was so.
    """

    stopped: tuple[StoppedAccount, ...]
    count: int
    nobody_sends: bool
    failing_steps: tuple[FailingStep, ...]
    at: datetime


def find_attention(*, kinds: Collection[str], limit: int, among: Q | None = None) -> Attention:
    """Find what needs somebody, in a handful of queries.

    Args:
        kinds: of the accounts that whoever asks may see.
        limit: so many stopped accounts are named.
        among: the accounts that whoever asks has to do with; ``None``: all.
    """
    now = database_now()
    stopped = Lane.objects.filter(
        purpose=Purpose.SEND,
        wait_reason__in=[*PAUSES, WaitReason.INTERNAL_ERROR],
        account__deleted_at=None,
        account__is_enabled=True,
        account__kind__in=kinds,
    )
    if among:
        stopped = stopped.filter(account__in=Account.objects.filter(among).values("pk"))
    count = stopped.count()
    newest = stopped.select_related("account").defer("account__secret").order_by("-wait_since")[:limit]
    return Attention(
        stopped=tuple(
            StoppedAccount(lane.account, WaitReason(lane.wait_reason), lane.wait_since, lane.wait_text)
            for lane in (newest if count else ())
        ),
        count=count,
        nobody_sends=nobody_sends(now),
        failing_steps=tuple(failing_steps()),
        at=now,
    )


def nobody_sends(now: datetime) -> bool:
    """Return whether mail has been due for :data:`STALE` and nobody swept or took it meanwhile.

    Args:
        now: the database's time.
    """
    if Installation.objects.filter(swept_at__gt=now - STALE).exists():
        return False
    unowned = Q(lease_until=None) | Q(lease_until__lt=now)
    lanes = Lane.objects.filter(unowned, wait_reason="", account__is_enabled=True, due_at__lt=now - STALE)
    waiting = Message.objects.filter(state=MessageState.QUEUED, not_before__lt=now - STALE)
    return waiting.filter(account_id__in=lanes.values("account_id")).exists()
