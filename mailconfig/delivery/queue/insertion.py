"""New messages and their recipients are written.

On PostgreSQL one mail is one data-modifying statement, and many are copied in; elsewhere the ORM does it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.db.models import Field, Model
from django.db.models.expressions import DatabaseDefault
from django.utils import timezone

from mailconfig.delivery.postgres import statements
from mailconfig.delivery.postgres.driver import has_psycopg3
from mailconfig.delivery.postgres.statements import Step
from mailconfig.models import Account, Attachment, Body, Message, MessageSource, Preparation, Recipient


@dataclass(frozen=True, slots=True)
class NewMessage:
    """An unsaved message, the addresses of its recipients in their order, and its bytes if no storage has them.

    One that is rendered later has its source instead.
    """

    message: Message
    recipients: tuple[str, ...]
    body: bytes | None
    source: MessageSource | None = None
    attachments: tuple[str, ...] = ()
    """URLs of files that are fetched before."""


_GIVEN = (
    "uuid",
    "account_id",
    "tenant_id",
    "priority",
    "kind",
    "envelope_from",
    "subject",
    "given_message_id",
    "size",
    "stored_as",
    "eight_bit",
    "idempotency_key",
    "content_digest",
    "request_id",
    "is_test",
)
_DEFAULT = {"not_before", "created_at"}

MOST_IN_STATEMENT = 1000
"""Recipients written out in one statement, whose values PostgreSQL counts with 16 bits. More are copied in."""


def insert_one(new: NewMessage) -> bool:
    """Write a message, within the caller's transaction or one of its own.

    Returns:
        Whether it was written: not if its account is deleted, or has used its idempotency key already.
    """
    if new.source is not None or not has_psycopg3():
        return _insert_by_orm([new])
    if len(new.recipients) > MOST_IN_STATEMENT:
        with transaction.atomic():
            if not insert_one(replace(new, recipients=new.recipients[:MOST_IN_STATEMENT])):
                return False
            with connection.cursor() as cursor:
                _copy_recipients(cursor, [(new.message.pk, new.recipients[MOST_IN_STATEMENT:])])
        return True
    with connection.cursor() as cursor:
        cursor.execute(*_step(new))
        row = cursor.fetchone()
    if row is None:
        return False
    _complete(new.message, *row)
    return True


def _step(new: NewMessage) -> Step:
    """The statement that writes it."""
    message = new.message
    has_key, has_body = message.idempotency_key is not None, new.body is not None
    values = [getattr(message, name) for name in _GIVEN]
    body = [new.body] if has_body else []
    params = [*values, _time_or_none(message), message.account_id, *new.recipients, *body]
    return _statement(len(new.recipients), has_key, has_body), params


def can_commit_at_once(recipients: Sequence[str]) -> bool:
    """Return whether :func:`insert_and_commit` may be used: on PostgreSQL, outside any transaction, for so many."""
    return (
        len(recipients) <= MOST_IN_STATEMENT
        and has_psycopg3()
        and not connection.in_atomic_block
        and connection.get_autocommit()
        and not connection.settings_dict["OPTIONS"].get("server_side_binding")
    )


def insert_and_commit(new: NewMessage, *, then: Step) -> tuple[bool, bool]:
    """Write a message, commit, and run one statement more, in a single trip to the server.

    Args:
        new: without an idempotency key.
        then: an UPDATE … RETURNING in a transaction of its own; should it fail, the message is there all the same.

    Returns:
        Whether the message was written (as for :func:`insert_one`), and whether ``then`` changed a row.
    """
    step = _step(new)
    try:
        both = statements.run_both(step, then)
        if both is None:
            row, changed = _insert_commit_and(step, then)
        else:
            row, changed = both[0][0] if both[0] else None, bool(both[1])
    except DatabaseError:
        row, changed = _find_row(new.message), False
        if row is None:
            raise
    if row is None:
        return False, False
    _complete(new.message, *row)
    return True, changed


def _insert_commit_and(first: Step, then: Step) -> tuple[Any, bool]:
    """Both in a single trip, as long as they are not prepared: the row of the first, and whether ``then`` did."""
    with connection.cursor() as cursor:
        cursor.execute(f"BEGIN; {first[0]}; COMMIT; {then[0]}", [*first[1], *then[1]])
        cursor.nextset()
        row = cursor.fetchone()
        cursor.nextset()
        cursor.nextset()
        return row, cursor.rowcount > 0


def _find_row(message: Message) -> Any:
    """The row of a message that may be written all the same, when an error, or nothing, was the answer."""
    raw = connection.connection
    if raw is not None and raw.closed:
        connection.close()  # whether the commit came before the end, a new connection knows
    elif raw is not None:
        with connection.wrap_database_errors:
            raw.rollback()  # of what was begun by hand; nothing if that was committed
    found = Message.objects.filter(uuid=message.uuid).values_list("pk", "not_before", "created_at")
    return found.first()


def insert_many(batch: Sequence[NewMessage]) -> bool:
    """Write messages without idempotency keys, in their order, within the caller's transaction.

    Returns:
        Whether they were written: all, or none if the account of one is deleted.
    """
    if not has_psycopg3():
        return _insert_by_orm(batch)
    accounts = list({new.message.account_id for new in batch})
    messages = quoted(Message)
    with connection.cursor() as cursor:
        cursor.execute(_NUMBERS, [Message._meta.db_table, len(batch), accounts])
        numbers, now, kept = cursor.fetchone()
        if kept < len(accounts):
            return False
        same = _constants(Message, {*_GIVEN, *_DEFAULT})
        columns = ", ".join((*_GIVEN, "not_before", "created_at", "id", *same))
        # Text format: psycopg sends each value as PostgreSQL reads it, whatever the column's exact type.
        with cursor.copy(f"COPY {messages} ({columns}) FROM STDIN") as copy:
            for new, pk in zip(batch, numbers, strict=True):
                given = [getattr(new.message, name) for name in _GIVEN]
                copy.write_row([*given, _time_or_none(new.message) or now, now, pk, *same.values()])
        _copy_recipients(cursor, [(pk, new.recipients) for new, pk in zip(batch, numbers, strict=True)])
        with cursor.copy(f"COPY {quoted(Body)} (message_id, octets) FROM STDIN") as copy:
            for new, pk in zip(batch, numbers, strict=True):
                if new.body is not None:
                    copy.write_row([pk, new.body])
    for new, pk in zip(batch, numbers, strict=True):
        _complete(new.message, pk, _time_or_none(new.message) or now, now)
    return True


def _copy_recipients(cursor: Any, rows: Sequence[tuple[int, Sequence[str]]]) -> None:
    """Copy in the addresses of messages."""
    same = _constants(Recipient, {"message_id", "address"})
    columns = ", ".join(("message_id", "address", *same))
    with cursor.copy(f"COPY {quoted(Recipient)} ({columns}) FROM STDIN") as copy:
        for pk, addresses in rows:
            for address in addresses:
                copy.write_row([pk, address, *same.values()])


_KEPT = f"""
    SELECT count(*) FROM (
        SELECT FROM {Account._meta.db_table} WHERE id = ANY(%s) AND deleted_at IS NULL FOR KEY SHARE
    ) AS kept
"""  # noqa: S608 - the name of a table
"""Django's foreign keys are looked at when the transaction ends, and a deleted account keeps its row. So the row is
locked: who deletes it waits for the mail, or the mail waits and sees it deleted."""


def keep_accounts(account_ids: Collection[int]) -> bool:
    """Return whether these accounts are there. Then none of them is deleted before the transaction ends.

    Where rows cannot be locked so, something must have been written in the transaction before.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(_KEPT, [list(account_ids)])
            (kept,) = cursor.fetchone()
    else:
        kept = Account.objects.kept().filter(pk__in=account_ids).count()
    return bool(kept == len(account_ids))


_NUMBERS = f"""
    SELECT array(SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)),
        statement_timestamp(),
        ({_KEPT})
"""  # noqa: S608 - the name of a table


@lru_cache(maxsize=32)
def _statement(recipients: int, has_key: bool, has_body: bool) -> str:
    """Message, recipients and bytes in one; the recipients' numbers are given after they were sorted by their place."""
    same, same_recipient = (
        _constants(Message, {*_GIVEN, *_DEFAULT}),
        _constants(Recipient, {"message_id", "address"}),
    )
    types = {field.attname: _type(field) for field in Message._meta.concrete_fields}
    # Whichever constraint it is: that of the account it is for, or of the mail that another account sends by now.
    conflict = "ON CONFLICT DO NOTHING" if has_key else ""
    listed = ", ".join(f"({place}, %s)" for place in range(recipients))
    body = f"INSERT INTO {quoted(Body)} (message_id, octets) SELECT id, %s::bytea FROM new_message"  # noqa: S608
    return f"""
        WITH new_message AS (
            INSERT INTO {quoted(Message)} ({", ".join((*_GIVEN, "not_before", *same))})
            SELECT {", ".join(f"%s::{types[name]}" for name in _GIVEN)},
                COALESCE(%s::timestamptz, statement_timestamp()){_literals(same)}
            WHERE EXISTS (SELECT FROM {quoted(Account)} WHERE id = %s AND deleted_at IS NULL FOR KEY SHARE)
            {conflict}
            RETURNING id, not_before, created_at
        ), new_recipient AS (
            INSERT INTO {quoted(Recipient)} ({", ".join(("message_id", "address", *same_recipient))})
            SELECT id, address{_literals(same_recipient)}
            FROM new_message, (VALUES {listed}) AS listed (place, address)
            ORDER BY place
        ){f", new_body AS ({body})" if has_body else ""}
        SELECT id, not_before, created_at FROM new_message
    """  # noqa: S608 - names of tables and columns, and our own defaults


def quoted(model: type[Model]) -> str:
    """The model's table, as SQL names it."""
    return connection.ops.quote_name(model._meta.db_table)


def _type(field: Field[Any, Any]) -> str:
    kind = field.db_type(connection) or "text"
    return "text" if kind.startswith("varchar") else kind  # a cast to varchar(n) would cut silently


def _constants(model: type[Model], given: set[str]) -> dict[str, Any]:
    """Column and value of what a new row has by default, unless it is given or the database's to fill in."""
    return {
        str(field.column): field.get_db_prep_save(field.get_default(), connection)
        for field in model._meta.concrete_fields
        if field.attname not in given and not field.primary_key
    }


def _literals(values: dict[str, Any]) -> str:
    """Defaults as SQL: they are NULL, numbers, truth values and plain words."""
    return "".join(f", {_literal(value)}" for value in values.values())


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'{}'".format(str(value).replace("'", "''").replace("%", "%%"))
    return str(value)  # numbers, and True and False as PostgreSQL reads them too


def _time_or_none(message: Message) -> Any:
    value: Any = message.not_before
    return None if isinstance(value, DatabaseDefault) else value


def _complete(message: Message, pk: int, not_before: Any, created_at: Any) -> None:
    """Fill in what a saved row knows."""
    message.pk, message.not_before, message.created_at = pk, not_before, created_at
    message._state.adding, message._state.db = False, connection.alias


def _insert_by_orm(batch: Sequence[NewMessage]) -> bool:
    messages = [new.message for new in batch]
    with transaction.atomic():
        if connection.features.can_return_rows_from_bulk_insert:
            Message.objects.bulk_create(messages)
        else:
            for message in messages:
                message.save(force_insert=True)
        Recipient.objects.bulk_create(
            Recipient(message_id=new.message.pk, address=address)
            for new in batch
            for address in new.recipients
        )
        Body.objects.bulk_create(
            Body(message_id=new.message.pk, octets=new.body) for new in batch if new.body is not None
        )
        for new in batch:
            if new.source is not None:
                new.source.message = new.message
                new.source.save(force_insert=True)
            if new.attachments:
                Attachment.objects.bulk_create(
                    Attachment(message=new.message, position=position, url=url)
                    for position, url in enumerate(new.attachments)
                )
                Preparation.objects.create(message=new.message)
        if not keep_accounts({message.account_id for message in messages}):
            transaction.set_rollback(True)
            return False
    now = timezone.now()
    for message in messages:
        created_at: Any = message.created_at
        created_at = now if isinstance(created_at, DatabaseDefault) else created_at
        _complete(message, message.pk, _time_or_none(message) or created_at, created_at)
    return True
