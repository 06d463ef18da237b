"""Reading what is due: a range of the partial index per priority, whatever was sent and whatever waits."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, cast

from django.db import connection
from django.db.models import BigIntegerField, Exists, OuterRef, QuerySet, Subquery

from mailconfig.delivery.postgres import statements
from mailconfig.delivery.postgres.compiled import Compiled
from mailconfig.delivery.queue import bodies
from mailconfig.delivery.queue.listed import find_listed, listed_sql
from mailconfig.models import (
    Account,
    Body,
    HandOver,
    Message,
    MessageKind,
    MessageState,
    Priority,
    Recipient,
    RecipientState,
)
from mailconfig.rendering.compose import Rendered

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
    "failed_over_from_id",
    "has_tokens",
    "kind",
    "tenant_id",
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
    home_id: int | None = None
    """The account that it was queued for, if another one sends it."""
    has_tokens: bool = False
    """It is rendered once its tokens are resolved: see :meth:`render`."""
    kind: int = MessageKind.ORDINARY
    tenant_id: int | None = None
    recipients: list[DueRecipient] = field(default_factory=list)
    """Those due now."""
    suppressed: list[tuple[DueRecipient, str]] = field(default_factory=list)
    """Those that are on the suppression list, each with the reason; no others hear of the mail before they are left out."""
    others: bool = False
    """Whether it has recipients that are settled already, or that wait for a later time."""
    body: bytes | None = field(default=None, repr=False)
    opened: Iterator[bytes] | None = None
    masks: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """What its tokens stand for, each with its token."""

    def render(self, rendered: Rendered, masks: tuple[tuple[str, str], ...]) -> None:
        """Take over what its source became with its tokens resolved; see :mod:`.sources`."""
        self.body, self.size, self.eight_bit = rendered.body, rendered.size, rendered.eight_bit
        self.masks = masks

    def addresses(self, recipients: Iterable[DueRecipient]) -> tuple[str, ...]:
        """Return where these recipients are; what a token stands for is nowhere but in here."""
        if not self.has_tokens:
            return tuple(recipient.address for recipient in recipients)
        clear = {token: value for value, token in self.masks}
        return tuple(clear.get(recipient.address, recipient.address) for recipient in recipients)

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


class Batch(NamedTuple):
    """Due messages in their order, and whether that is all that is due."""

    messages: list[DueMessage]
    is_all: bool


def read(
    *,
    account_id: int,
    now: datetime,
    limit: int,
    without: Collection[int] = (),
    inline_only: bool = False,
    rendered_only: bool = False,
) -> Batch:
    """The next due messages of an account in their order: priority, then time due, then id.

    Args:
        account_id: whose.
        now: the database's time.
        limit: at most so many.
        without: ids that are in hand already.
        inline_only: leave out those whose bytes are in storage.
        rendered_only: leave out those with tokens.
    """
    is_postgres = connection.vendor == "postgresql"
    find = _read_at_once if is_postgres else _read_by_priority
    found: list[DueMessage] = []
    octets = 0
    only = {"inline_only": inline_only, "rendered_only": rendered_only}
    for message in find(account_id, now, limit, without, **only):
        octets += 0 if message.stored_as else message.size
        if found and octets > READ_AHEAD_BYTES:
            break
        found.append(message)
    if not is_postgres:
        _add_bodies(found)
        _add_recipients(found, now)
    return Batch(found, len(found) < limit and octets <= READ_AHEAD_BYTES)


def _read_at_once(
    account_id: int,
    now: datetime,
    limit: int,
    without: Collection[int],
    *,
    inline_only: bool,
    rendered_only: bool,
) -> Iterator[DueMessage]:
    """Due messages of all priorities, with their bytes and recipients."""
    values: list[object] = []
    taken = statements.array(without)
    for priority in Priority.values:
        values += [account_id, priority, now, taken, account_id, inline_only, rendered_only]
    for *columns, octets, recipients in statements.run(
        _READ.format(limit=limit), [*values, READ_AHEAD_BYTES]
    ):
        message = DueMessage(*columns)
        message.body = None if octets is None else bytes(octets)
        rows = (
            (pk, address, state, None if at is None else datetime.fromisoformat(at), attempts, reason)
            for pk, address, state, at, attempts, reason in recipients or ()
        )
        _share_out(message, rows, now)
        yield message


def _read_by_priority(
    account_id: int,
    now: datetime,
    limit: int,
    without: Collection[int],
    *,
    inline_only: bool,
    rendered_only: bool,
) -> Iterator[DueMessage]:
    """Due messages, one range of the index after another."""
    for priority in Priority.values:
        rows = _due(account_id, now).filter(priority=priority).order_by("not_before", "id")
        if inline_only:
            rows = rows.filter(stored_as="")
        if rendered_only:
            rows = rows.filter(has_tokens=False)
        for row in rows.values_list(*_COLUMNS)[: limit + len(without)]:
            message = DueMessage(*row)
            if message.pk not in without:
                limit -= 1
                yield message
            if limit == 0:
                return


_READ_PRIORITY = """
    (SELECT id, uuid, envelope_from, size, eight_bit, stored_as, attempts, created_at, not_before, error_code, priority,
            failed_over_from_id, has_tokens, kind, tenant_id
       FROM mailconfig_message
      WHERE account_id = %s::bigint AND state = 'queued' AND priority = %s::smallint
        AND not_before <= %s::timestamptz AND id <> ALL (%s::bigint[])
        AND id <> ALL (ARRAY(SELECT message_id FROM mailconfig_handover WHERE account_id = %s::bigint))
        AND (stored_as = '' OR NOT %s::boolean)
        AND NOT (has_tokens AND %s::boolean)
      ORDER BY not_before, id
      LIMIT {limit})
"""
_LISTED = f"SELECT min(reason) FROM ({listed_sql('measured', 'recipient.address')}) AS found"  # noqa: S608 - SQL of our own
_READ = f"""
    SELECT id, uuid, envelope_from, size, eight_bit, stored_as, attempts, created_at, not_before, error_code, failed_over_from_id,
           has_tokens, kind, tenant_id,
           (SELECT octets FROM mailconfig_body WHERE message_id = measured.id),
           (SELECT json_agg(json_build_array(id, address, state, not_before, attempts,
                                             CASE WHEN measured.kind > 0 AND state = '' THEN ({_LISTED}) END)
                            ORDER BY id)
              FROM mailconfig_recipient AS recipient WHERE message_id = measured.id)
      FROM (SELECT *, sum(CASE WHEN stored_as = '' THEN size ELSE 0 END) OVER (ORDER BY priority, not_before, id
                          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS octets_before
              FROM ({" UNION ALL ".join([_READ_PRIORITY] * len(Priority))}
                    ORDER BY priority, not_before, id LIMIT {{limit}}) AS due) AS measured
     WHERE COALESCE(octets_before, 0) <= %s::bigint
     ORDER BY priority, not_before, id
"""  # noqa: S608 - the same range for each priority
"""Bytes beyond the read-ahead are not even taken out of the table, but for those of the first mail beyond it."""


def _add_bodies(messages: list[DueMessage]) -> None:
    inline = {message.pk: message for message in messages if not message.stored_as}
    for pk, octets in Body.objects.filter(message_id__in=inline).values_list("message_id", "octets"):
        inline[pk].body = bytes(octets)


def _add_recipients(messages: list[DueMessage], now: datetime) -> None:
    by_message: dict[int, list[_RecipientRow]] = {message.pk: [] for message in messages}
    rows = Recipient.objects.filter(message_id__in=by_message).order_by("pk")
    for message_id, *row in rows.values_list("message_id", *_RECIPIENT_COLUMNS):
        by_message[message_id].append(cast("_RecipientRow", (*row, None)))
    for message in messages:
        waiting = [row[1] for row in by_message[message.pk] if row[2] == RecipientState.AS_MESSAGE]
        listed = find_listed(message.tenant_id, message.kind, waiting)
        rows_of_message = [(*row[:5], listed.get(row[1])) for row in by_message[message.pk]]
        _share_out(message, rows_of_message, now)


_RECIPIENT_COLUMNS = ("pk", "address", "state", "not_before", "attempts")
_RecipientRow = tuple[int, str, str, datetime | None, int, str | None]
"""The last one is the reason for which it is on the suppression list."""


def _share_out(message: DueMessage, rows: Iterable[_RecipientRow], now: datetime) -> None:
    """Give a message those of its recipients that are due, in the order of their rows."""
    later: list[DueRecipient] = []
    for pk, address, state, not_before, attempts, reason in rows:
        if state != RecipientState.AS_MESSAGE:
            message.others = True
        elif reason:
            message.others = True
            message.suppressed.append((DueRecipient(pk, address, attempts), reason))
        elif not_before is not None and not_before > now:
            later.append(DueRecipient(pk, address, attempts))
        else:
            message.recipients.append(DueRecipient(pk, address, attempts))
    if later and message.recipients:
        message.others = True
    elif later and not message.suppressed:
        # The message itself is due, whoever made it so: then are they.
        message.recipients = later


def next_at(
    *,
    account_id: int,
    without: Collection[int] = (),
    inline_only: bool = False,
    rendered_only: bool = False,
) -> datetime | None:
    """When the next queued message is due (it may be past); ``None``: nothing is queued.

    Args:
        account_id: whose.
        without: messages that are left out.
        inline_only: leave out those whose bytes are in storage.
        rendered_only: leave out those with tokens.
    """
    if without or inline_only or rendered_only:
        queued = Message.objects.exclude(pk__in=without)
        queued = queued.filter(stored_as="") if inline_only else queued
        rows = list(_first_of_each(account_id, queued.filter(has_tokens=False) if rendered_only else queued))
    else:
        rows = _FIRST_OF_EACH.rows(account_id=account_id)
    return min((at for times in rows for at in times if at is not None), default=None)


def _first_of_each(account_id: Any, messages: QuerySet[Message] | None = None) -> QuerySet[Account, Any]:
    """A row with the first time of each priority: each begins a range of the index."""
    mine = (Message.objects.all() if messages is None else messages).filter(account_id=account_id)
    queued = waiting(mine).order_by("not_before", "id").values("not_before")
    firsts = [Subquery(queued.filter(priority=priority)[:1]) for priority in Priority.values]
    return Account.objects.filter(pk=account_id).order_by().values_list(*firsts)


_FIRST_OF_EACH = Compiled(_first_of_each, account_id=BigIntegerField())
