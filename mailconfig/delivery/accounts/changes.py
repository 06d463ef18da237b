"""Record of what people change of accounts, in the transaction that changes it; for REST and the admin alike.

Why no library keeps it. django-auditlog (3.4) and django-simple-history (3.10) were looked at. Both listen to the signals of
each model that is registered, so each of our proxies and the child table would be registered by itself, an update whose
values are expressions, as ``revision``, is recorded as the expression, and one without ``save`` is not seen. Both learn who
did it from a middleware, which runs before an API has authenticated anybody. simple-history keeps a copy of the whole row,
sealed secrets too unless each is excluded, in a table per model that grows by every migration of ours. And both bring pages
of their own, which show what belongs to every tenant. Django's ``LogEntry`` goes with the user who made it, cannot be without one,
and is not there where a host has no admin.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.db.models import ForeignKey, Model

from mailconfig.models import Account, AccountChange, AccountChangeKind
from mailconfig.models.account_destination import SECRET_COLUMNS
from mailconfig.secrets.sealed import SealedSecret

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.db.models import Field

SECRETS = frozenset(SECRET_COLUMNS.values())
LEFT_OUT = frozenset({"kind", "updated_at", "account_ptr"})
LONGEST = 200
"""Characters of a value that are kept: a signature may be a page."""


def recorded_columns(model: type[Account]) -> list[str]:
    """Return the columns of a kind whose changes are recorded, as rows are asked for them."""
    return [field.attname for field in _fields(model)]


def differences(
    account: Account, stored: Mapping[str, Any] | None, by: AbstractBaseUser | None
) -> list[dict[str, Any]]:
    """Return what of the account, about to be stored, differs from its row; before it is sealed.

    Args:
        account: with the values as they were entered.
        stored: the row's by :func:`recorded_columns`; ``None``: it is new, and what differs from the defaults is meant.
        by: who entered them.
    """
    found: list[dict[str, Any]] = []
    for field in _fields(type(account)):
        old = field.get_default() if stored is None else stored.get(field.attname)
        new = getattr(account, field.attname)
        if field.name in SECRETS:
            if what := _of_secret(old, new):
                found.append({"field": field.name, "secret": what})
        elif old != new:
            found.append({"field": field.name, "old": _plain(field, old, by), "new": _plain(field, new, by)})
    return found


def record_change(
    account: Account,
    kind: AccountChangeKind,
    fields: list[dict[str, Any]],
    by: AbstractBaseUser | None,
) -> None:
    """Write down what was done; a save that changes nothing leaves no trace."""
    if kind == AccountChangeKind.CHANGED and not fields:
        return
    AccountChange.objects.create(
        account_id=account.pk,
        account_name=str(account)[:255],
        tenant_id=account.tenant_id,
        kind=kind,
        fields=fields,
        by_id=by.pk if by else None,
        by_name=str(by)[:255] if by else "",
    )


def _fields(model: type[Account]) -> list[Field[Any, Any]]:
    return [
        field
        for field in model._meta.concrete_fields
        if (field.editable or field.name in SECRETS) and not field.primary_key and field.name not in LEFT_OUT
    ]


def _of_secret(old: Any, new: Any) -> str:
    """Say what became of a secret, of which nothing else is ever told; ``""``: nothing."""
    if new is None:
        return "removed" if old is not None else ""
    if isinstance(new, SealedSecret):
        return ""
    return "changed" if old is not None else "set"


def _plain(field: Field[Any, Any], value: Any, by: AbstractBaseUser | None) -> Any:
    """Return a value as it is kept: of another row its name, which may be gone when somebody reads this."""
    if value is None or (isinstance(value, (bool, int)) and not isinstance(field, ForeignKey)):
        return value
    if isinstance(field, ForeignKey):
        other: type[Model] = field.related_model
        is_by = by is not None and isinstance(by, other) and by.pk == value
        row = by if is_by else other._base_manager.filter(pk=value).first()
        return str(row if row is not None else value)[:LONGEST]
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
