"""Failovers: which account may send for which, by who decides it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.translation import gettext as _

from mailconfig.models import Account
from mailconfig.models.access import Action, holds, within_reach
from mailconfig.models.failover import may_take_over

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

    from mailconfig.models.account_queries import AccountQuerySet


def failovers_for(account: Account, by: AbstractBaseUser) -> AccountQuerySet:
    """Return the accounts, without their secrets, that this person may let send for that one, and the one that does.

    Those that lead back to it are among them, and for an account that is not stored yet those of every tenant and owner: which
    are its own is entered with them. Saving refuses these.
    """
    theirs = Q(tenant=account.tenant_id) & (Q(owner=None) | Q(owner=account.owner_id))
    if account._state.adding:
        theirs = Q()
    if not holds(by, "choose_project_accounts"):
        theirs &= Q(serves_project=False)
    may_choose = _within_reach(by, "change").filter(theirs).exclude(pk=account.pk)
    chosen = Q(pk__in=may_choose.values("pk")) | Q(pk=account.failover_id)
    return (
        Account.objects.kept().filter(chosen).defer("secret").select_related("tenant").order_by("name", "pk")
    )


def accounts_without_failover(
    account_ids: Collection[int], by: AbstractBaseUser | AnonymousUser
) -> tuple[list[Account], int]:
    """Return the accounts that nobody stands in for any more once those are deleted.

    Returns:
        Those that this person may see, and how many there are besides.
    """
    theirs = Account.objects.kept().filter(failover_id__in=account_ids).exclude(pk__in=account_ids)
    seen = _within_reach(by, "view").filter(pk__in=theirs.values("pk"))
    found = list(seen.defer("secret").order_by("name", "pk"))
    return found, theirs.count() - len(found)


def require_say_over_failover(account: Account, by: AbstractBaseUser | None) -> None:
    """Let nobody lead mail over an account that he may not change, nor over the project's who may not choose those.

    Raises:
        ValidationError: at ``failover``.
    """
    if by is None or account.failover_id is None or not account.fails_over_anew():
        return
    theirs = _within_reach(by, "change").filter(pk=account.failover_id)
    found = theirs.values_list("serves_project", flat=True).first()
    if found is None or (found and not holds(by, "choose_project_accounts")):
        words = _("You may not lead mail over this account.")
        raise ValidationError({"failover": ValidationError(words, code="not_permitted")})


def _within_reach(by: AbstractBaseUser | AnonymousUser, action: Action) -> AccountQuerySet:
    """Return the accounts with which this person may do that, of whatever kind: permissions alone say nothing of tenants."""
    return Account.objects.for_principal(by, action).filter(within_reach(Account, by))


def useless_failovers() -> list[str]:
    """Name the accounts whose failover never takes their mail: it may not, as things are now, or the chain comes back.

    What :func:`require_say_over_failover` and the model refuse comes about where owners and tenants change later, or rows
    are written past both. One query.
    """
    rows = {
        row.pk: row
        for row in Account.objects.exclude(failover=None).defer("secret").select_related("failover")
    }
    return [str(row) for row in rows.values() if row.deleted_at is None and _is_useless(row, rows)]


def _is_useless(account: Account, rows: Mapping[int, Account]) -> bool:
    other = account.failover
    if other is None or other.deleted_at is not None or not may_take_over(other, account):
        return True
    seen: set[int] = set()
    at: Account | None = account
    while at is not None and at.pk not in seen:
        seen.add(at.pk)
        at = rows.get(at.failover_id or 0)
    return at is not None and at.pk == account.pk
