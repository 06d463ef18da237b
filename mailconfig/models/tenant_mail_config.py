"""The one connection through which a tenant's mail leaves."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from .account import Account
from .account_queries import AccountQuerySet
from .choices import AccountKind


class TenantMailConfigManager(models.Manager["TenantMailConfig"]):
    """Sees accounts of this kind only."""

    def get_queryset(self) -> AccountQuerySet:  # type: ignore[override]
        """Return those of this kind."""
        return AccountQuerySet(self.model, using=self._db).filter(kind=AccountKind.TENANT_CONFIG)


class TenantMailConfig(Account):
    """The one connection through which a tenant's mail leaves. Needs no columns of its own."""

    kind_of_class = AccountKind.TENANT_CONFIG
    objects: ClassVar = TenantMailConfigManager()  # type: ignore[assignment]

    class Meta:
        proxy = True
        verbose_name = _("tenant mail configuration")
        verbose_name_plural = _("tenant mail configurations")
