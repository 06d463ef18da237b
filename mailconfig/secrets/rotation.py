"""Brings every stored secret under the first key, so that the keys behind it can be dropped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import connections, models, router

from mailconfig import crash
from mailconfig.exceptions import SecretUnreadable

from . import keyring
from .fields import SecretField


@dataclass(slots=True, kw_only=True)
class FieldRotation:
    """Outcome for one field of one model."""

    label: str
    """``app.Model.field``."""
    rotated: int = 0
    """Rows that were (in a dry run: would be) sealed anew under the first key."""
    current: int = 0
    """Rows that were under the first key already."""
    changed: int = 0
    """How often somebody else wrote the row in between; it was then read again and counted by what it held."""
    unreadable: list[Any] = field(default_factory=list)
    """Primary keys of rows that no key opens; they are left as they are."""


def rotate(*, using: str = "default", batch_size: int = 500, dry_run: bool = False) -> list[FieldRotation]:
    """Seal the secrets of all installed apps under the first key, row by row, in order of primary key.

    Each row is a compare-and-swap of its own: a secret that is entered meanwhile is never overwritten. A run
    that was killed is continued by the next one, which passes over the rows that are done. No other column is
    touched. Processes that still have the old list of keys write under the old first key: restart
    them before this runs, and drop the old key only after a run that had nothing to rotate.

    Raises:
        ImproperlyConfigured: the keys are missing or malformed.
    """
    return [
        _rotate_field(secret, using=using, batch_size=batch_size, dry_run=dry_run)
        for secret in secret_fields()
        if router.allow_migrate_model(using, secret.model)
    ]


def secret_fields() -> list[SecretField]:
    """The secret fields of all installed models, each once: a proxy has no fields of its own."""
    return [
        local
        for model in apps.get_models(include_auto_created=True)
        for local in model._meta.local_fields
        if isinstance(local, SecretField)
    ]


def _rotate_field(secret: SecretField, *, using: str, batch_size: int, dry_run: bool) -> FieldRotation:
    result = FieldRotation(label=f"{secret.model._meta.label}.{secret.name}")
    for pk, token in _tokens(secret, using=using, batch_size=batch_size):
        _rotate_row(secret, pk, token, using=using, dry_run=dry_run, result=result)
    return result


def _rotate_row(
    secret: SecretField, pk: Any, token: str | None, *, using: str, dry_run: bool, result: FieldRotation
) -> None:
    while token is not None:
        if keyring.is_current(token):
            result.current += 1
            return
        try:
            resealed = keyring.reseal(token)
        except SecretUnreadable:
            result.unreadable.append(pk)
            return
        if dry_run or _swap(secret, pk, token, resealed, using=using):
            result.rotated += 1
            crash.point("rotate_row")
            return
        result.changed += 1
        token = _token_of(secret, pk, using=using)


def _rows(secret: SecretField, using: str) -> models.QuerySet[Any, Any]:
    # The base manager: rows that the default manager hides (deleted ones) have secrets too.
    rows = secret.model._base_manager.using(using).filter(**{f"{secret.name}__isnull": False})
    return rows.order_by("pk").values_list("pk", secret.name)


def _tokens(secret: SecretField, *, using: str, batch_size: int) -> Iterator[tuple[Any, str]]:
    """Primary keys and tokens. Pages by key: a cursor held open over the updates would see them or not."""
    rows = _rows(secret, using)
    page = list(rows[:batch_size])
    while page:
        yield from ((pk, sealed.token) for pk, sealed in page if sealed is not None)
        page = list(rows.filter(pk__gt=page[-1][0])[:batch_size])


def _token_of(secret: SecretField, pk: Any, *, using: str) -> str | None:
    row = _rows(secret, using).filter(pk=pk).first()
    return row[1].token if row and row[1] is not None else None


def _swap(secret: SecretField, pk: Any, token: str, resealed: str, *, using: str) -> bool:
    """Return whether the row still held `token` and now holds `resealed`. SQL, since the field refuses look-ups."""
    connection = connections[using]
    quote = connection.ops.quote_name
    key = secret.model._meta.pk
    column, key_column = quote(str(secret.column)), quote(str(key.column))
    sql = (
        f"UPDATE {quote(secret.model._meta.db_table)} SET {column} = %s "  # noqa: S608 - names, quoted
        f"WHERE {key_column} = %s AND {column} = %s"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [resealed, key.get_db_prep_value(pk, connection), token])
        return bool(cursor.rowcount == 1)
