"""Giving waiting mail to another account for good, as a person wishes; see :mod:`.moving` for what stands in."""

from __future__ import annotations

from collections.abc import Collection

from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from mailconfig.delivery import trail
from mailconfig.delivery.queue.insertion import keep_accounts
from mailconfig.delivery.queue.transitions import states_allowing
from mailconfig.delivery.wake import ring_on_commit
from mailconfig.exceptions import InvalidTransition
from mailconfig.models import Account, Attempt, AttemptOutcome, HandOver, Message, MessageState


def move_messages(*, message_ids: Collection[int], account_id: int) -> list[int]:
    """Let another account send these messages, whose they are from then on. Nothing of the mail itself changes.

    Those that are being handed over, that may have arrived already, that somebody else is changing at this moment, or
    that belong to another tenant than the account stay where they are.

    Args:
        message_ids: a few hundred at most: all are moved in one transaction.
        account_id: the one that is to send them.

    Returns:
        Those that were moved.

    Raises:
        InvalidTransition: there is no such account any more.
    """
    account = Account.objects.kept().filter(pk=account_id).defer("secret").first()
    if account is None:
        raise InvalidTransition(_("The message's account was deleted."))
    mine = Message.objects.filter(pk__in=message_ids).exclude(account_id=account_id)
    try:
        with transaction.atomic():
            if connection.features.has_select_for_update_skip_locked:
                locked = mine.select_for_update(skip_locked=True).order_by("pk")
                mine = Message.objects.filter(pk__in=list(locked.values_list("pk", flat=True)))
            keys = list(_movable(mine, account).order_by("pk").values_list("pk", flat=True))
            moved = _movable(Message.objects.filter(pk__in=keys), account).update(
                account_id=account_id, failed_over_from=None, failed_over_because=""
            )
            if moved != len(keys) or (moved and not keep_accounts([account_id])):
                transaction.set_rollback(True)
                return []
            for key in keys:
                trail.moved("move", key, MessageState.QUEUED, reason=str(account_id))
            ring_on_commit([(account_id, None)])
    except IntegrityError:
        return []  # the other account was given mail with the key of one of these, at this moment
    return keys


def _movable(messages: QuerySet[Message], account: Account) -> QuerySet[Message]:
    """Return those that nobody can have got yet, and that the other account can have."""
    under_way = HandOver.objects.filter(message_id=OuterRef("pk"))
    doubted = Attempt.objects.filter(message_id=OuterRef("pk"), outcome=AttemptOutcome.UNKNOWN)
    same_key = Message.objects.filter(
        Q(account_id=account.pk) | Q(failed_over_from_id=account.pk),
        idempotency_key=OuterRef("idempotency_key"),
    )
    return messages.filter(
        ~Exists(under_way),
        ~Exists(doubted),
        Q(idempotency_key=None) | ~Exists(same_key),
        state__in=states_allowing("move"),
        tenant=account.tenant_id,
    )
