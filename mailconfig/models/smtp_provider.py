"""A connection of the back office to a provider of SMTP."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from .account import Account
from .account_queries import AccountQuerySet
from .choices import AccountKind


class SMTPProviderManager(models.Manager["SMTPProvider"]):
    """Sees accounts of this kind only."""

    def get_queryset(self) -> AccountQuerySet:  # type: ignore[override]
        """Return those of this kind."""
        return AccountQuerySet(self.model, using=self._db).filter(kind=AccountKind.SMTP_PROVIDER)


class SMTPProvider(Account):
    """A connection of the back office to a provider of SMTP. Needs no columns of its own."""

    kind_of_class = AccountKind.SMTP_PROVIDER
    objects: ClassVar = SMTPProviderManager()  # type: ignore[assignment]

    class Meta:
        proxy = True
        verbose_name = _("SMTP provider")
        verbose_name_plural = _("SMTP providers")
