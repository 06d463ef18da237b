"""Figures of an hour: what became of an account's mail in it. Counted from the attempts, and never written with a mail."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from .account import Account
from .written import WrittenManager


class HourFigures(models.Model):
    """An account's figures of one hour. An hour without a row had nothing to count."""

    hour_at = models.DateTimeField(_("hour"))
    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    sent = models.IntegerField(_("sent"), default=0)
    """Hand-overs that a server accepted, for all recipients or some."""
    put_off = models.IntegerField(_("put off"), default=0)
    """Hand-overs that came to nothing for now."""
    failed = models.IntegerField(_("failed"), default=0)
    """Mails that failed for good."""
    waiting = models.IntegerField(_("waiting"), default=0)
    """Mails that waited when it was counted last in this hour."""

    objects = WrittenManager["HourFigures"]()

    class Meta:
        base_manager_name = "objects"
        # The name of the entry that leads to the dashboard, in the lists of the admin.
        verbose_name = _("dashboard")
        verbose_name_plural = _("dashboard")
        default_permissions: ClassVar = ("view",)
        permissions: ClassVar = [("view_metrics", "Can read the metrics of the whole installation")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["hour_at", "account"], name="mailconfig_hour_figures"),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.hour_at:%Y-%m-%d %H:%M}"


class HourTotals(models.Model):
    """The sums of an hour over all accounts."""

    hour_at = models.DateTimeField(primary_key=True)
    sent = models.BigIntegerField(default=0)
    put_off = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)
    waiting = models.BigIntegerField(default=0)
    """Mails that waited when it was counted last in this hour."""

    objects = WrittenManager["HourTotals"]()

    class Meta:
        base_manager_name = "objects"
        default_permissions: ClassVar = ()

    def __str__(self) -> str:
        return f"{self.hour_at:%Y-%m-%d %H:%M}"


class FiguresState(models.Model):
    """The state of the counting, a single row: up to when, from which attempt on, and the sums of all that was counted."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    counted_until = models.DateTimeField(null=True)
    """Attempts and failures before this are counted; ``None``: nothing ever was."""
    last_attempt = models.BigIntegerField(default=0)
    """What is not counted yet has a higher key than this attempt."""
    sent = models.BigIntegerField(default=0)
    put_off = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)
    waiting = models.BigIntegerField(default=0)
    """Mails that waited at the last count."""
    leaders = models.JSONField(default=list)
    """Keys of the accounts that were the worst and the busiest of a day at the last count."""

    objects = WrittenManager["FiguresState"]()

    class Meta:
        base_manager_name = "objects"
        default_permissions: ClassVar = ()

    def __str__(self) -> str:
        at: datetime | None = self.counted_until
        return f"{at:%Y-%m-%d %H:%M}" if at else "-"
