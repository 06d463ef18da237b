"""New messages and their recipients are written: one statement a batch on PostgreSQL, the ORM elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db import connection, transaction
from django.db.models import Model
from django.db.models.expressions import DatabaseDefault
from django.utils import timezone

from mailconfig.models import Account, Message, Recipient

NewMessage = tuple[Message, tuple[str, ...]]
"""An unsaved message and the addresses of its recipients, in their order."""

_GIVEN = (
    "uuid",
    "account_id",
    "tenant_id",
    "priority",
    "envelope_from",
    "subject",
    "message_id",
    "size",
    "body",
    "stored_as",
    "eight_bit",
    "idempotency_key",
    "content_digest",
    "is_test",
)


def insert(batch: Sequence[NewMessage], *, unless_known: bool = False) -> list[Message]:
    """Write ``batch`` in its order, within the caller's transaction or one of its own.

    Args:
        unless_known: leave out those whose idempotency key the account has used already.

    Returns:
        Those that were written, with their keys and times; also left out are those of accounts that are deleted.
        Their bytes are not kept in memory.
    """
    if connection.vendor == "postgresql":
        written = _insert_by_statement(batch, unless_known=unless_known)
    else:
        written = _insert_by_orm(batch, unless_known=unless_known)
    for message in written:
        message.__dict__.pop("body")
    return written


def _insert_by_statement(batch: Sequence[NewMessage], *, unless_known: bool) -> list[Message]:
    sql, same, same_recipient = _statement(unless_known)
    messages = [message for message, _addresses in batch]
    parameters: list[object] = [*same, [str(message.uuid) for message in messages]]
    parameters += [[getattr(message, name) for message in messages] for name in _GIVEN[1:]]
    parameters.append([_time_or_none(message) for message in messages])
    parameters += same_recipient
    parameters.append([str(message.uuid) for message, addresses in batch for _address in addresses])
    parameters.append([address for _message, addresses in batch for address in addresses])
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        found = {row[0]: row[1:] for row in cursor.fetchall()}
    written = [message for message in messages if message.uuid in found]
    for message in written:
        message.pk, message.not_before, message.created_at = found[message.uuid]
        message._state.adding, message._state.db = False, connection.alias
    return written


def _time_or_none(message: Message) -> object:
    return None if isinstance(message.not_before, DatabaseDefault) else message.not_before


@cache
def _statement(unless_known: bool) -> tuple[str, list[object], list[object]]:
    """The statement, and what every new message and recipient has the same.

    The recipients' order is that of their keys, and the messages' order too: PostgreSQL gives the numbers after
    it has sorted.
    """
    quote = connection.ops.quote_name
    columns = {field.attname: field for field in Message._meta.concrete_fields}
    same = _constants(Message, {*_GIVEN, "not_before"})
    same_recipient = _constants(Recipient, {"message_id", "address"})
    types = [f"%s::{_array_of(columns[name])}" for name in (*_GIVEN, "not_before")]
    given = ", ".join(quote(columns[name].column) for name in _GIVEN)
    conflict = "ON CONFLICT (account_id, idempotency_key) DO NOTHING" if unless_known else ""
    sql = f"""
        WITH new_message AS (
            INSERT INTO {quote(Message._meta.db_table)}
                ({given}, not_before{"".join(f", {quote(name)}" for name in same)})
            SELECT {", ".join(f"given.{quote(columns[name].column)}" for name in _GIVEN)},
                COALESCE(given.not_before, statement_timestamp()){", %s" * len(same)}
            FROM unnest({", ".join(types)}) WITH ORDINALITY AS given ({given}, not_before, place)
            WHERE EXISTS (
                SELECT FROM {quote(Account._meta.db_table)} account
                WHERE account.id = given.account_id AND account.deleted_at IS NULL
            )
            ORDER BY given.place
            {conflict}
            RETURNING id, uuid, not_before, created_at
        ), new_recipient AS (
            INSERT INTO {quote(Recipient._meta.db_table)}
                (message_id, address{"".join(f", {quote(name)}" for name in same_recipient)})
            SELECT new_message.id, listed.address{", %s" * len(same_recipient)}
            FROM unnest(%s::uuid[], %s::text[]) WITH ORDINALITY AS listed (uuid, address, place)
            JOIN new_message USING (uuid)
            ORDER BY listed.place
        )
        SELECT uuid, id, not_before, created_at FROM new_message
    """  # noqa: S608 - names of tables and columns only
    return sql, list(same.values()), list(same_recipient.values())


def _constants(model: type[Model], given: set[str]) -> dict[str, Any]:
    """Column and value of what a new row has by default, unless it is given or the database's to fill in."""
    return {
        field.column: field.get_db_prep_save(field.get_default(), connection)
        for field in model._meta.concrete_fields
        if field.attname not in given and not field.primary_key and not field.has_db_default()
    }


def _array_of(field: Any) -> str:
    kind: str = field.db_type(connection)
    return "text[]" if kind.startswith("varchar") else f"{kind}[]"


def _insert_by_orm(batch: Sequence[NewMessage], *, unless_known: bool) -> list[Message]:
    kept = set(
        Account.objects.kept().filter(pk__in={m.account_id for m, _ in batch}).values_list("pk", flat=True)
    )
    batch = [(message, addresses) for message, addresses in batch if message.account_id in kept]
    if unless_known:
        pairs = [(message.account_id, message.idempotency_key) for message, _ in batch]
        batch = [
            new
            for new, (account_id, key) in zip(batch, pairs, strict=True)
            if key is None or not Message.objects.filter(account_id=account_id, idempotency_key=key).exists()
        ]
    with transaction.atomic(savepoint=unless_known):
        if connection.features.can_return_rows_from_bulk_insert:
            Message.objects.bulk_create([message for message, _addresses in batch])
        else:
            for message, _addresses in batch:
                message.save(force_insert=True)
        Recipient.objects.bulk_create(
            [
                Recipient(message=message, address=address)
                for message, addresses in batch
                for address in addresses
            ]
        )
    for message, _addresses in batch:
        for name in ("not_before", "created_at"):
            if isinstance(getattr(message, name), DatabaseDefault):
                setattr(message, name, timezone.now())
    return [message for message, _addresses in batch]
