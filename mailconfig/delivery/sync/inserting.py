"""Inserting of many messages at once: by COPY on PostgreSQL, where an INSERT of large texts takes five times as long."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import Model

from mailconfig.delivery.postgres.driver import has_psycopg3
from mailconfig.incoming.content import Content
from mailconfig.models import SyncedContent, SyncedMessage


def insert(messages: Sequence[dict[str, Any]], contents: Sequence[Content | None]) -> Mapping[int, int]:
    """Insert new messages and what they say. Called within a transaction.

    Args:
        messages: all columns of each but its number, by the names of attributes; the numbers are added.
        contents: what each says; ``None``: it is not to be kept.

    Returns:
        The numbers of the messages, by their UIDs.
    """
    if not messages:
        return {}
    if not has_psycopg3():
        rows = SyncedMessage.objects.bulk_create([SyncedMessage(**values) for values in messages])
        SyncedContent.objects.bulk_create(
            [
                SyncedContent(message=row, text=content.text, html=content.html)
                for row, content in zip(rows, contents, strict=True)
                if content is not None
            ]
        )
        return {row.uid: row.pk for row in rows}
    with connection.cursor() as cursor:
        cursor.execute(_NUMBERS, [len(messages)])
        numbers = [number for (number,) in cursor.fetchall()]
    for values, number in zip(messages, numbers, strict=True):
        values["id"] = number
    names, statement = _columns(SyncedMessage)
    _copy(statement, ([values[name] for name in names] for values in messages))
    kept = [
        (number, content.text, content.html)
        for number, content in zip(numbers, contents, strict=True)
        if content is not None
    ]
    if kept:
        _copy(_CONTENTS, kept)
    return {values["uid"]: values["id"] for values in messages}


_NUMBERS = (
    f"SELECT nextval(pg_get_serial_sequence('{SyncedMessage._meta.db_table}', 'id'))"  # noqa: S608 - a name
    " FROM generate_series(1, %s)"
)
_CONTENTS = f"COPY {SyncedContent._meta.db_table} (message_id, text, html) FROM STDIN"


def _copy(statement: str, rows: Iterable[Sequence[Any]]) -> None:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


@cache
def _columns(model: type[Model]) -> tuple[Sequence[str], str]:
    """Return attributes in the order of the columns that are written, and the statement that takes them.

    What the database itself works out is left to it.
    """
    fields = [
        field for field in model._meta.concrete_fields if not hasattr(field.db_default, "resolve_expression")
    ]
    columns = ", ".join(connection.ops.quote_name(field.column) for field in fields if field.column)
    table = connection.ops.quote_name(model._meta.db_table)
    return tuple(field.attname for field in fields), f"COPY {table} ({columns}) FROM STDIN"
