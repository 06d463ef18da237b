"""Moving mail from one account to another that sends it instead; its bytes, its place and its retries stay."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import BigIntegerField, Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce, NullIf

from mailconfig import crash
from mailconfig.delivery.queue.due import waiting
from mailconfig.delivery.queue.insertion import keep_accounts
from mailconfig.delivery.wake import ring_on_commit
from mailconfig.models import Attempt, AttemptOutcome, Message, Priority, WaitReason

BATCH = 500
"""Rows moved in one transaction: every database takes so many numbers in a statement, and nobody waits for it long."""


def move(
    *,
    account_id: int,
    to: int,
    because: WaitReason | None,
    due_by: datetime,
    most: int,
    home_id: int | None = None,
) -> int:
    """Let another account send what an account has due, in its order.

    Mail that may be under way, or may have arrived already, stays: it is being handed over, is held, or an attempt of it
    ended without an answer.

    Args:
        account_id: the one that has it now.
        to: the one that is to send it.
        because: what holds its account back; ``None``: it goes back to the account it was queued for.
        due_by: what became due later stays.
        most: messages at most in this call, which takes several transactions for them.
        home_id: only mail that was queued for this account.

    Returns:
        How many were moved.
    """
    moved = 0
    while moved < most:
        wanted = min(BATCH, most - moved)
        keys = _first_due(account_id, to, due_by, wanted, home_id)
        count = _move(keys, account_id, to, because) if keys else 0
        moved += count
        if count < wanted:
            break
    return moved


def _movable(messages: QuerySet[Message], to: int) -> QuerySet[Message]:
    """Return those that nobody can have got yet, and that the other account can have."""
    doubted = Attempt.objects.filter(message_id=OuterRef("pk"), outcome=AttemptOutcome.UNKNOWN)
    # The constraint of releases before this one, which knew no mail of other accounts: such a mail waits where it is.
    same_key = Message.objects.filter(account_id=to, idempotency_key=OuterRef("idempotency_key"))
    return waiting(messages).filter(
        ~Exists(doubted), Q(idempotency_key=None) | ~Exists(same_key), is_test=False
    )


def _first_due(account_id: int, to: int, due_by: datetime, limit: int, home_id: int | None) -> list[int]:
    keys: list[int] = []
    for priority in Priority.values:
        rows = Message.objects.filter(account_id=account_id, priority=priority, not_before__lte=due_by)
        if home_id is not None:
            rows = rows.filter(failed_over_from_id=home_id)
        rows = _movable(rows, to).order_by("not_before", "id")
        keys += rows.values_list("pk", flat=True)[: limit - len(keys)]
        if len(keys) >= limit:
            break
    return keys


def _move(keys: Collection[int], account_id: int, to: int, because: WaitReason | None) -> int:
    """Move them as far as they are still movable; none if the other account is deleted by now."""
    mine = Message.objects.filter(pk__in=keys, account_id=account_id)
    home: Any = Coalesce(F("failed_over_from"), F("account"), output_field=BigIntegerField())
    with transaction.atomic():
        if connection.features.has_select_for_update_skip_locked:
            # What a journal or a person has locked is theirs. The rest is looked at once it is ours: whoever hands
            # over locks the message first, and has committed.
            locked = mine.select_for_update(skip_locked=True).order_by("pk").values_list("pk", flat=True)
            mine = Message.objects.filter(pk__in=list(locked), account_id=account_id)
        try:
            with transaction.atomic():
                crash.point("before_move")
                moved = _movable(mine, to).update(
                    account_id=to,
                    failed_over_from_id=NullIf(home, Value(to), output_field=BigIntegerField()),
                    failed_over_because=because or "",
                )
        except IntegrityError:
            return 0  # the other account was given mail with the key of one of these, at this moment
        if moved and not keep_accounts([to]):
            transaction.set_rollback(True)
            return 0
    return moved


def part(*, account_id: int, home_id: int | None = None) -> int:
    """Bring mail home that an account sends for another, or another for it, since they may not do that any more.

    Other rules than for :func:`move`: all of it goes, whether the account at home can send or not. What is being handed over at this
    moment stays until that is over.

    Args:
        account_id: the one that got another owner or tenant, or that sends.
        home_id: only mail that was queued for this account, and that ``account_id`` sends.

    Returns:
        How many messages were moved.
    """
    theirs = Q(account_id=account_id, failed_over_from__isnull=False) | Q(failed_over_from_id=account_id)
    if home_id is not None:
        theirs = Q(account_id=account_id, failed_over_from_id=home_id)
    rows = waiting(Message.objects.filter(theirs))
    with transaction.atomic():
        homes = set(rows.order_by().values_list("failed_over_from_id", flat=True).distinct())
        moved = rows.update(
            account_id=F("failed_over_from_id"), failed_over_from_id=None, failed_over_because=""
        )
        ring_on_commit({(home, None) for home in homes})
    return moved


def of_accounts(
    messages: QuerySet[Message], account_ids: Collection[int] | QuerySet[Any, Any]
) -> QuerySet[Message]:
    """Return those of the messages that were queued for these accounts, whichever account sends them.

    ``home_key`` is the key of that account. It is asked once more whether any of these accounts' mail fails over at all:
    nearly always none does, and one index tells.
    """
    over = Q(failed_over_from_id__in=account_ids)
    if not Message.objects.filter(over).exists():
        return messages.annotate(home_key=F("account_id")).filter(
            account_id__in=account_ids, failed_over_from=None
        )
    home: Any = Coalesce(F("failed_over_from"), F("account"))
    stayed = Q(account_id__in=account_ids, failed_over_from=None)
    return messages.annotate(home_key=home).filter(stayed | over)
