"""Changes of accounts by people: who changed what from which value to which, and never a secret."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from .account import Account
from .written import WrittenManager


class AccountChangeKind(models.TextChoices):
    """Kinds of changes of an account."""

    ADDED = "added", _("added")
    CHANGED = "changed", _("changed")
    DELETED = "deleted", _("deleted")


class AccountChange(models.Model):
    """One change, written with it and never after. It outlives the account, its tenant, and whoever made it."""

    account = models.ForeignKey(
        Account,
        on_delete=models.SET_NULL,
        related_name="changes",
        null=True,
        verbose_name=_("account"),
        db_index=False,
    )
    account_name = models.CharField(_("account"), max_length=255)
    """As it was called then."""
    tenant = models.ForeignKey(
        "mailconfig.Tenant", on_delete=models.SET_NULL, related_name="+", null=True, verbose_name=_("tenant")
    )
    """Whose account it was then."""
    kind = models.CharField(_("what"), max_length=8, choices=AccountChangeKind.choices)
    fields = models.JSONField(_("fields"), default=list)
    """``[{"field", "old", "new"}]``, with the columns' own values, and names of what a column refers to; of a secret
    ``[{"field", "secret"}]``, which is ``set``, ``changed`` or ``removed``."""
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, related_name="+", null=True, verbose_name=_("by")
    )
    by_name = models.CharField(_("by"), max_length=255, blank=True)
    """As the person was called then; empty: code of the project."""
    at = models.DateTimeField(_("time"), db_default=Now(), editable=False)

    objects = WrittenManager["AccountChange"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("change of an account")
        verbose_name_plural = _("changes of accounts")
        default_permissions: ClassVar = ("view",)
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["account", "id"], name="mailconfig_account_change")]

    def __str__(self) -> str:
        return f"{self.account_name}: {self.get_kind_display()}"
