"""Reading what is due: a range of the partial index per priority, whatever was sent and whatever waits."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from mailconfig.delivery.postgres import statements
from mailconfig.delivery.queue import bodies
from mailconfig.models import (
    Account,
    Body,
    HandOver,
    Message,
    MessageState,
    Priority,
    Recipient,
    RecipientState,
)

READ_AHEAD_BYTES = 1024 * 1024
"""Bodies are read for so many octets at a time, so that a batch of large rows stays small in memory."""

_COLUMNS = (
    "pk",
    "uuid",
    "envelope_from",
    "size",
    "eight_bit",
    "stored_as",
    "attempts",
    "created_at",
    "not_before",
    "error_code",
)


@dataclass(slots=True)
class DueRecipient:
    """A recipient who still waits."""

    pk: int
    address: str
    attempts: int = 0


@dataclass(slots=True)
class DueMessage:
    """A message whose turn has come."""

    pk: int
    uuid: uuid.UUID
    envelope_from: str
    size: int
    eight_bit: bool
    stored_as: str
    attempts: int
    created_at: datetime
    not_before: datetime
    error_code: str
    """What the last attempt came to."""
    recipients: list[DueRecipient] = field(default_factory=list)
    """Those due now."""
    others: bool = False
    """Whether it has recipients that are settled already, or that wait for a later time."""
    body: bytes | None = None
    opened: Iterator[bytes] | None = None

    def open(self) -> None:
        """Open a stored file before anything is proposed to a server. One that is gone is told by :meth:`chunks`.

        Raises:
            StorageAway: the storage cannot be reached.
        """
        if self.stored_as:
            try:
                self.opened = bodies.open_chunks(self.stored_as, size=self.size)
            except bodies.StorageAway:
                raise
            except OSError:
                self.opened = None

    def chunks(self) -> Iterator[bytes]:
        """The RFC 5322 bytes, in pieces when they are in storage.

        Raises:
            OSError: the stored file cannot be read (``StorageAway``: for now).
            ValueError: the bytes are gone.
        """
        if self.opened is not None:
            opened, self.opened = self.opened, None
            return opened
        if self.stored_as:
            return bodies.open_chunks(self.stored_as, size=self.size)
        if self.body is None:
            msg = "the message's bytes are gone"
            raise ValueError(msg)
        return iter((self.body,))


def waiting(messages: QuerySet[Message]) -> QuerySet[Message]:
    """Return those of the messages that are queued and not being handed over."""
    under_way = HandOver.objects.filter(message_id=OuterRef("pk"))
    return messages.filter(~Exists(under_way), state=MessageState.QUEUED)


def is_under_way(message_id: int) -> bool:
    """Return whether somebody hands the message over: for who has its row, so that no journal can take it meanwhile."""
    return HandOver.objects.filter(message_id=message_id).exists()


def _due(account_id: int, now: datetime) -> QuerySet[Message]:
    return waiting(Message.objects.filter(account_id=account_id, not_before__lte=now))


def read(
    *,
    account_id: int,
    now: datetime,
    limit: int,
    without: Collection[int] = (),
    inline_only: bool = False,
) -> list[DueMessage]:
    """The next due messages of an account in their order: priority, then time due, then id.

    Args:
        account_id: whose.
        now: the database's time.
        limit: at most so many.
        without: ids that are in hand already.
        inline_only: leave out those whose bytes are in storage.
    """
    found: list[DueMessage] = []
    octets = 0
    for priority in Priority.values:
        for message in _read_priority(
            account_id, now, priority, limit - len(found), without, inline_only=inline_only
        ):
            octets += 0 if message.stored_as else message.size
            if found and octets > READ_AHEAD_BYTES:
                break
            found.append(message)
        if len(found) >= limit or octets > READ_AHEAD_BYTES:
            break
    if connection.vendor != "postgresql":
        _add_bodies(found)
    _add_recipients(found, now)
    return found


def _read_priority(
    account_id: int,
    now: datetime,
    priority: int,
    limit: int,
    without: Collection[int],
    *,
    inline_only: bool,
) -> Iterator[DueMessage]:
    """Due messages of one priority in their order; on PostgreSQL with their bytes."""
    if connection.vendor == "postgresql":
        sql = _READ.format(limit=limit)
        taken = statements.array(without)
        values = [account_id, priority, now, taken, account_id, inline_only, READ_AHEAD_BYTES]
        for row in statements.run(sql, values):
            message = DueMessage(*row[:-1])
            message.body = None if row[-1] is None else bytes(row[-1])
            yield message
        return
    rows = _due(account_id, now).filter(priority=priority).order_by("not_before", "id")
    if inline_only:
        rows = rows.filter(stored_as="")
    for row in rows.values_list(*_COLUMNS)[: limit + len(without)]:
        message = DueMessage(*row)
        if message.pk not in without:
            limit -= 1
            yield message
        if limit == 0:
            return


_READ = """
    SELECT id, uuid, envelope_from, size, eight_bit, stored_as, attempts, created_at, not_before, error_code,
           (SELECT octets FROM mailconfig_body WHERE message_id = id)
      FROM (SELECT *, sum(inline) OVER (ORDER BY not_before, id) - inline AS octets_before
              FROM (SELECT *, CASE WHEN stored_as = '' THEN size ELSE 0 END AS inline
                      FROM mailconfig_message
                     WHERE account_id = %s::bigint AND state = 'queued' AND priority = %s::smallint
                       AND not_before <= %s::timestamptz AND id <> ALL (%s::bigint[])
                       AND id <> ALL (ARRAY(SELECT message_id FROM mailconfig_handover WHERE account_id = %s::bigint))
                       AND (stored_as = '' OR NOT %s::boolean)
                     ORDER BY not_before, id
                     LIMIT {limit}) AS due) AS measured
     WHERE octets_before <= %s::bigint
     ORDER BY not_before, id
"""
"""Bytes beyond the read-ahead are not even taken out of the table, but for those of the first mail beyond it."""


def _add_bodies(messages: list[DueMessage]) -> None:
    inline = {message.pk: message for message in messages if not message.stored_as}
    for pk, octets in Body.objects.filter(message_id__in=inline).values_list("message_id", "octets"):
        inline[pk].body = bytes(octets)


def _add_recipients(messages: list[DueMessage], now: datetime) -> None:
    by_pk = {message.pk: message for message in messages}
    later: dict[int, list[DueRecipient]] = {}
    for message_id, pk, address, state, not_before, attempts in _recipients(by_pk):
        if state != RecipientState.AS_MESSAGE:
            by_pk[message_id].others = True
        elif not_before is not None and not_before > now:
            later.setdefault(message_id, []).append(DueRecipient(pk, address, attempts))
        else:
            by_pk[message_id].recipients.append(DueRecipient(pk, address, attempts))
    for message_id, recipients in later.items():
        message = by_pk[message_id]
        if message.recipients:
            message.others = True
        else:
            # The message itself is due, whoever made it so: then are they.
            message.recipients = recipients


_RecipientRow = tuple[int, int, str, str, datetime | None, int]


def _recipients(message_ids: Collection[int]) -> Iterable[_RecipientRow]:
    columns = ("message_id", "pk", "address", "state", "not_before", "attempts")
    if connection.vendor == "postgresql" and message_ids:
        rows = statements.run(_RECIPIENTS, [statements.array(message_ids)])
        return cast("list[_RecipientRow]", rows)
    return Recipient.objects.filter(message_id__in=message_ids).order_by("pk").values_list(*columns)


_RECIPIENTS = """
    SELECT message_id, id, address, state, not_before, attempts FROM mailconfig_recipient
     WHERE message_id = ANY (%s::bigint[]) ORDER BY id
"""


def exists(
    *, account_id: int, now: datetime, without: Collection[int] = (), inline_only: bool = False
) -> bool:
    """Return whether anything is due that is not in hand already; ``inline_only``: whose bytes are not in storage."""
    due = _due(account_id, now)
    if without:
        due = due.exclude(pk__in=without)
    if inline_only:
        due = due.filter(stored_as="")
    # One question with a range of the index for each priority.
    any_due = Q()
    for priority in Priority.values:
        any_due |= Q(Exists(due.filter(priority=priority)))
    return Account.objects.filter(any_due, pk=account_id).exists()


def next_at(*, account_id: int) -> datetime | None:
    """When the next queued message is due (it may be past); ``None``: nothing is queued."""
    queued = waiting(Message.objects.filter(account_id=account_id)).order_by("not_before", "id")
    firsts = [
        Subquery(queued.filter(priority=priority).values("not_before")[:1]) for priority in Priority.values
    ]
    times = Account.objects.filter(pk=account_id).order_by().values_list(*firsts).first() or ()
    return min((at for at in times if at is not None), default=None)
