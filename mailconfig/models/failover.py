"""Failover: the account that takes over an account's mail while that cannot send, and the chains this makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.db import connections, router
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from .account import Account

MOST_HOPS = 5
"""So many accounts of a chain are looked at, one after another, for one that can send."""
_LOCK = 0x6D61696C_6F766572
"""Number of the advisory lock under which chains are changed."""


def broken_failover(account: Account) -> ValidationError | None:
    """The reason why the account may not lead its mail over the one that it names; ``None``: it may, or names none.

    Whoever lends an account its way out sends its mail: so it is of the same tenant, and nobody else's own.
    """
    if account.failover_id is None:
        return None
    if account.failover_id == account.pk:
        return _refusal(_("An account cannot stand in for itself."), "failover_loop")
    found = type(account).all_rows.filter(pk=account.failover_id, deleted_at=None)
    other = found.values_list("tenant_id", "owner_id").first()
    if other is None:
        return _refusal(_("This account does not exist any more."), "failover_deleted")
    if other[0] != account.tenant_id:
        return _refusal(_("Choose an account of the same tenant."), "failover_tenant")
    if other[1] not in {None, account.owner_id}:
        return _refusal(_("Choose an account of the same owner, or one that nobody owns."), "failover_owner")
    return _leads_back() if leads_back(account) else None


def may_take_over(other: Account, account: Account) -> bool:
    """Return whether the rules of :func:`broken_failover` let one account send another one's mail."""
    return other.tenant_id == account.tenant_id and other.owner_id in {None, account.owner_id}


def leads_back(account: Account) -> bool:
    """Return whether the chain that begins with the account's failover comes back to the account, however long it is."""
    failovers = type(account).all_rows.exclude(failover=None)
    seen: set[int] = set()
    at = account.failover_id
    while not (at is None or at in seen):
        if at == account.pk:
            return True
        seen.add(at)
        at = failovers.filter(pk=at).values_list("failover_id", flat=True).first()
    return False


def lock_chains(account: Account, *, using: str | None = None) -> None:
    """Let nobody else change a chain until the transaction ends, so that two saves at once cannot close a loop.

    Where the database has no such lock, whoever has written a row keeps others from writing: there the chain is read
    afterwards.
    """
    connection = connections[using or router.db_for_write(type(account), instance=account)]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def refuse_loop(account: Account) -> None:
    """Refuse a row that was just written if it closes a loop.

    Raises:
        ValidationError: at ``failover``.
    """
    if leads_back(account):
        raise ValidationError({"failover": _leads_back()})


def _leads_back() -> ValidationError:
    words = _("This account fails over to the one you edit, directly or over others: choose another one.")
    return _refusal(words, "failover_loop")


def _refusal(words: object, code: str) -> ValidationError:
    return ValidationError(str(words), code=code)
