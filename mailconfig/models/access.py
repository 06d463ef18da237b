"""Access to accounts: one rule a kind, for every surface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from django.db.models import Q

from .choices import AccountKind
from .tenant import Tenant

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser

Action = Literal["view", "add", "change", "delete"]

MODEL_NAMES = {
    AccountKind.OUTBOUND_EMAIL: "outboundemail",
    AccountKind.SMTP_PROVIDER: "smtpprovider",
    AccountKind.TENANT_CONFIG: "tenantmailconfig",
    AccountKind.MAILBOX: "mailbox",
}
OWNED = frozenset({AccountKind.OUTBOUND_EMAIL, AccountKind.MAILBOX})
NOBODY = Q(pk__in=[])


def has_permission(user: AbstractBaseUser | AnonymousUser, kind: AccountKind, action: Action) -> bool:
    """Return whether ``user`` has the model permission of that kind."""
    return holds(user, f"{action}_{MODEL_NAMES[kind]}")


def holds(user: AbstractBaseUser | AnonymousUser, codename: str) -> bool:
    """Return whether ``user`` has a permission of this app. A host's user model need not know permissions: nobody has any."""
    ask = getattr(user, "has_perm", None)
    return ask is not None and bool(ask(f"mailconfig.{codename}"))


def allowed_incoming(user: AbstractBaseUser | AnonymousUser) -> Q:
    """Return the mailboxes, by what leads to an account, whose mail that came in ``user`` may see with the permission to.

    A superuser: all. Others: one's own, those of one's tenants, and those that belong to nobody.
    """
    if user.pk is None or not user.is_active:
        return NOBODY
    if getattr(user, "is_superuser", False):
        return Q()
    if not holds(user, "view_syncedmessage"):
        return NOBODY
    of_tenants = Q(tenant__in=Tenant.objects.for_principal(user))
    return Q(owner=user.pk) | of_tenants | Q(owner=None, tenant=None)


def allowed(user: AbstractBaseUser | AnonymousUser, action: Action) -> Q:
    """Return the accounts that ``user`` may view, change or delete.

    A superuser: all. Outbound e-mails and mailboxes: one's own, and with the model permission those of one's
    tenants. SMTP providers: with the model permission. Tenant configurations: with the model permission those of
    one's tenants.
    """
    if user.pk is None or not user.is_active:
        return NOBODY
    if getattr(user, "is_superuser", False):
        return Q()
    in_tenant = Q(tenant__in=Tenant.objects.for_principal(user))
    rule = Q(owner=user.pk, kind__in=OWNED)
    for kind in AccountKind:
        if has_permission(user, kind, action):
            mine = Q(kind=kind)
            rule |= mine if kind == AccountKind.SMTP_PROVIDER else mine & in_tenant
    return rule
