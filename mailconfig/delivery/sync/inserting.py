"""Inserting of many messages at once: by COPY on PostgreSQL, where an INSERT of large texts takes five times as long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from django.db import connection
from django.db.models import Model

from mailconfig.delivery.postgres.driver import has_psycopg3
from mailconfig.models import SyncedContent, SyncedMessage


def insert(messages: Sequence[SyncedMessage], contents: Sequence[SyncedContent]) -> None:
    """Insert new messages, whose primary keys are set, and what they say. Called within a transaction."""
    if not messages:
        return
    if not has_psycopg3():
        SyncedMessage.objects.bulk_create(messages)
        for content in contents:
            content.message_id = content.message.pk
        SyncedContent.objects.bulk_create(contents)
        return
    with connection.cursor() as cursor:
        cursor.execute(_NUMBERS, [len(messages)])
        for message, (number,) in zip(messages, cursor.fetchall(), strict=True):
            message.pk = number
    for content in contents:
        content.message_id = content.message.pk
    _copy(messages)
    _copy(contents)


_NUMBERS = (
    f"SELECT nextval(pg_get_serial_sequence('{SyncedMessage._meta.db_table}', 'id'))"  # noqa: S608 - a name
    " FROM generate_series(1, %s)"
)


def _copy(rows: Sequence[Model]) -> None:
    """Copy rows into their table; what the database itself fills in is left to it."""
    if not rows:
        return
    names, statement = _columns(type(rows[0]))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row([getattr(row, name) for name in names])


@cache
def _columns(model: type[Model]) -> tuple[Iterable[str], str]:
    """Return attributes in the order of the columns that are written, and the statement that takes them."""
    fields = [field for field in model._meta.concrete_fields if not field.has_db_default()]
    columns = ", ".join(connection.ops.quote_name(field.column) for field in fields if field.column)
    table = connection.ops.quote_name(model._meta.db_table)
    return tuple(field.attname for field in fields), f"COPY {table} ({columns}) FROM STDIN"
