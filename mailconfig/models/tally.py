"""A tally: recipients handed over by an account in one slot of time; kept so that a limit need not read each attempt."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from .account import Account
from .written import WrittenManager


class Tally(models.Model):
    """The sum of an account's attempts that ended from ``slot_at`` on, until the next slot begins.

    ``Lane.tallied_until`` says up to when there are tallies; a slot without one had no attempts.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+", db_index=False)
    slot_at = models.DateTimeField()
    recipients = models.IntegerField()

    objects = WrittenManager["Tally"]()

    class Meta:
        base_manager_name = "objects"
        default_permissions: ClassVar = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "slot_at"], name="mailconfig_tally_slot"),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.slot_at:%Y-%m-%d %H:%M} {self.recipients}"
