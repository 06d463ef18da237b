"""A user's own way to send mail."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from .account import Account
from .account_queries import AccountQuerySet
from .choices import AccountKind


class OutboundEmailManager(models.Manager["OutboundEmail"]):
    """Sees accounts of this kind only."""

    def get_queryset(self) -> AccountQuerySet:  # type: ignore[override]
        """Return those of this kind."""
        return AccountQuerySet(self.model, using=self._db).filter(kind=AccountKind.OUTBOUND_EMAIL)


class OutboundEmail(Account):
    """A user's own way to send mail. Needs no columns of its own."""

    kind_of_class = AccountKind.OUTBOUND_EMAIL
    objects: ClassVar = OutboundEmailManager()  # type: ignore[assignment]

    class Meta:
        proxy = True
        verbose_name = _("outbound e-mail")
        verbose_name_plural = _("outbound e-mails")
