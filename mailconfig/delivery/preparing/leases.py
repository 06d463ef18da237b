"""Leases on mails that are prepared: one worker at a time fetches the files of a mail, and only its owner writes."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from operator import itemgetter

from django.db import transaction
from django.db.models import F, Q, QuerySet, Subquery

from mailconfig.conf import get_settings
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.lanes import worker_name
from mailconfig.exceptions import LeaseLost
from mailconfig.models import Message, MessageState, Preparation

MOST_DUE = 100
MOST_OF_ACCOUNT = 2
"""Mails of one account whose files are fetched at once, so that a server which hangs for one tenant leaves room for the
others: of one worker, or of all under Celery, where they take the place of drains."""
MOST_LOOKED_AT = 5000
"""Of what is due: among these each account has its turn."""


class Stopped(Exception):
    """The worker is to end: what it does for this mail is left to another."""


def due_files(*, now: datetime | None = None) -> list[int]:
    """Return the messages whose files are to be fetched, each account in its turn; a few are enough, and nobody owns them."""
    return list(due_by_account(now=now))


def due_by_account(*, now: datetime | None = None) -> dict[int, int]:
    """Return the messages whose files are to be fetched, with their accounts; a few are enough, and nobody owns them.

    First is what is longest due of each account, then the next of each: whose files do not come is in nobody's way.
    """
    now = now or database_now()
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    due = Preparation.objects.filter(free, due_at__lte=now).order_by("due_at", "pk")
    turns: Counter[int] = Counter()
    in_turn = []
    for message_id, account_id in due.values_list("pk", "message__account_id")[:MOST_LOOKED_AT]:
        turns[account_id] += 1
        in_turn.append((turns[account_id], message_id, account_id))
    in_turn.sort(key=itemgetter(0))
    return {message_id: account_id for _turn, message_id, account_id in in_turn[:MOST_DUE]}


class Lease:
    """A mail taken by this worker. Every write is fenced by the token."""

    def __init__(self, message_id: int, token: uuid.UUID, should_stop: Callable[[], bool]) -> None:
        self.message_id = message_id
        self._token = token
        self._should_stop = should_stop
        self._seconds = get_settings().lease_seconds
        self._renewed_at = time.monotonic()

    def keep_up(self) -> None:
        """Renew when a quarter of the lease is gone. Called again and again while a server is waited for.

        Raises:
            LeaseLost: somebody else owns the mail, or it was cancelled.
            Stopped: the worker is to end.
        """
        if self._should_stop():
            raise Stopped
        if time.monotonic() - self._renewed_at < self._seconds / 4:
            return
        asked_at = time.monotonic()
        until = database_now() + timedelta(seconds=self._seconds)
        if not self._mine().update(lease_until=until):
            raise _lost()
        self._renewed_at = asked_at

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write about the message in a transaction, in which nobody else changes it.

        Raises:
            LeaseLost: somebody else owns it, or it is not being prepared any more. Nothing was written.
        """
        with transaction.atomic():
            # The message first: so does whoever cancels it. An update, since not every database locks rows otherwise.
            preparing = Message.objects.filter(pk=self.message_id, state=MessageState.PREPARING)
            if not preparing.update(state=F("state")) or not self._mine().update(due_at=F("due_at")):
                raise _lost()
            yield

    def give_back(self) -> None:
        """Leave the mail to whoever comes next, now."""
        self._mine().update(lease_token=None, lease_until=None)

    def put_off(self, until: datetime, *, failures: int) -> None:
        """Leave the mail alone until then. Within :meth:`writing`."""
        self._mine().update(due_at=until, lease_token=None, lease_until=None, failures=failures)

    def end(self) -> None:
        """Note that nothing is left to prepare. Within :meth:`writing`."""
        self._mine().delete()

    def _mine(self) -> QuerySet[Preparation]:
        return Preparation.objects.filter(pk=self.message_id, lease_token=self._token)


def take(message_id: int, *, should_stop: Callable[[], bool], within_share: bool = False) -> Lease | None:
    """Own a mail that is due, or ``None``: it is not, or somebody else does.

    Args:
        message_id: its key.
        should_stop: see :meth:`Lease.keep_up`.
        within_share: leave it if as many mails of its account as may be are in hand already, by whomever.
    """
    if within_share and _in_hand_beside(message_id).count() >= MOST_OF_ACCOUNT:
        return None
    now, token = database_now(), uuid.uuid4()
    lease = Lease(message_id, token, should_stop)
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    due = Preparation.objects.filter(free, pk=message_id, due_at__lte=now)
    until = now + timedelta(seconds=get_settings().lease_seconds)
    if not due.update(lease_token=token, lease_until=until, worker=worker_name()):
        return None
    # Of several that are taken at one moment the first stay.
    if within_share and _in_hand_beside(message_id).filter(pk__lt=message_id).count() >= MOST_OF_ACCOUNT:
        lease.give_back()
        return None
    return lease


def _in_hand_beside(message_id: int) -> QuerySet[Preparation]:
    """Return the other mails of the same account that somebody owns."""
    account = Message.objects.filter(pk=message_id).values("account_id")
    owned = Preparation.objects.filter(lease_until__gt=database_now()).exclude(pk=message_id)
    return owned.filter(message__account_id=Subquery(account))


def _lost() -> LeaseLost:
    return LeaseLost("another worker prepares the mail, or it is not to be prepared any more")
