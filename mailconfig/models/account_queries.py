"""Queries for accounts: those that are there, may be used, and may be chosen for mail that names none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Q

from .access import Action, allowed
from .written import WrittenQuerySet

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

    from .account import Account  # noqa: F401 - the class below names it


class AccountQuerySet(WrittenQuerySet["Account"]):
    """Accounts that are there, and those that may be used."""

    def kept(self) -> Self:
        """Accounts that are not deleted."""
        return self.filter(deleted_at=None)

    def usable(self) -> Self:
        """Accounts that may send: kept and enabled."""
        return self.kept().filter(is_enabled=True)

    def for_principal(self, user: AbstractBaseUser | AnonymousUser, action: Action = "view") -> Self:
        """Accounts kept that ``user`` may view, change or delete; see :func:`mailconfig.models.access.allowed`."""
        return self.kept().filter(allowed(user, action))

    def of_active(self) -> Self:
        """Accounts whose owner and tenant, where they have them, are active."""
        rows = self.filter(Q(tenant=None) | Q(tenant__is_active=True))
        if knows_inactive_users():
            rows = rows.filter(Q(owner=None) | Q(owner__is_active=True))
        return rows

    def for_project(self) -> Self:
        """Accounts that may send what names neither account nor tenant: an administrator marked them for it."""
        return self.kept().of_active().filter(serves_project=True)

    def for_tenant(self, tenant: Q) -> Self:
        """Accounts that may send what is sent for a tenant.

        Anybody may keep an account of their own and name any address in it; so a person's own account takes nobody
        else's mail, unless an administrator marked it.

        Args:
            tenant: what is true of that tenant's accounts.
        """
        vouched_for = Q(owner=None) | Q(serves_project=True)
        return self.kept().of_active().filter(tenant, vouched_for, tenant__isnull=False)


def knows_inactive_users() -> bool:
    """Return whether the host's user model has the column; without it everybody is active."""
    try:
        get_user_model()._meta.get_field("is_active")
    except FieldDoesNotExist:
        return False
    return True
