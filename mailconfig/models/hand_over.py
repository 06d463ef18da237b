"""A hand-over under way: written by the journal before the dot, deleted with the outcome, which becomes an attempt."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from .account import Account
from .message import Message
from .written import WrittenManager


class HandOver(models.Model):
    """The message is being handed over for as long as this row is there, and nobody else takes it.

    Small and short-lived, so that neither message nor attempt is written at the journal.
    """

    message = models.OneToOneField(
        Message, on_delete=models.CASCADE, primary_key=True, related_name="hand_over", db_constraint=False
    )
    """Without a constraint in the database: whoever writes it holds the message's row."""
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+", db_constraint=False)
    lease_token = models.UUIDField(null=True)
    """The drain's that journaled it; ``None``: that of a test mail."""
    worker = models.CharField(max_length=128, blank=True)
    recipients = models.IntegerField(default=1)
    """How many it counts in every window."""
    started_at = models.DateTimeField()
    handed_over_at = models.DateTimeField()
    """When the journal allowed the dot."""

    objects = WrittenManager["HandOver"]()

    class Meta:
        base_manager_name = "objects"
        default_permissions: ClassVar = ()

    def __str__(self) -> str:
        return f"{self.message_id} {self.worker}"
