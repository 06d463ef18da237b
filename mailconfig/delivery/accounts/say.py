"""Say over the accounts that send what names no account: the project's, and a tenant's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from mailconfig.models import Account, AccountKind, Tenant
from mailconfig.models.access import has_permission, holds

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser


def may_choose_addresses(*, account: Account, by: AbstractBaseUser | AnonymousUser) -> bool:
    """Return whether somebody who may change an account may also choose for which addresses it sends what names no account."""
    if account.serves_project and not holds(by, "choose_project_accounts"):
        return False
    return not _sends_for_tenant(account) or _has_say_over_tenant(by, account)


def require_say(account: Account, by: AbstractBaseUser | None) -> None:
    """Let nobody choose who sends for others that has no say over that; ``None`` is the project's own code, which has.

    Raises:
        ValidationError: by field; nothing was connected or stored.
    """
    if by is not None:
        _require_say_over_project(account, by)
        _require_say_over_tenant(account, by)


def _require_say_over_project(account: Account, by: AbstractBaseUser) -> None:
    """Let nobody mark the project's accounts, or lead a marked one elsewhere, who may not choose them."""
    if holds(by, "choose_project_accounts"):
        return
    if account.project_marks_changed():
        words = _("You may not choose which accounts send for the project.")
        raise ValidationError({"serves_project": ValidationError(words, code="not_permitted")})
    if account.serves_project and account.leads_elsewhere():
        words = _(
            "This account sends for the project: its name, server, login, addresses, owner and tenant are changed by"
            " those who may choose such accounts."
        )
        raise ValidationError(words, code="not_permitted")


def _require_say_over_tenant(account: Account, by: AbstractBaseUser) -> None:
    """Refuse an account in the way of a tenant's mail from who has no say over that."""
    if not _sends_for_tenant(account) or not account.leads_elsewhere():
        return
    if not _has_say_over_tenant(by, account):
        words = _("You may not choose which accounts send for this tenant.")
        raise ValidationError({"tenant": ValidationError(words, code="not_permitted")})


def _sends_for_tenant(account: Account) -> bool:
    """Return whether it sends for its tenant since it is nobody's own.

    The tenant's configuration has a permission of its own, which the caller asked about.
    """
    is_shared = account.tenant_id is not None and account.owner_id is None
    return is_shared and account.kind != AccountKind.TENANT_CONFIG


def _has_say_over_tenant(by: AbstractBaseUser | AnonymousUser, account: Account) -> bool:
    if holds(by, "choose_project_accounts") or has_permission(by, AccountKind.TENANT_CONFIG, "change"):
        return True
    tenant_id = account.tenant_id
    return tenant_id is not None and Tenant.objects.filter(pk=tenant_id, members=by.pk).exists()
