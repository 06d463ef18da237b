"""A mail that was queued as a mailing: what its message does not know."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from .message import Message
from .written import WrittenManager


class Mailing(models.Model):
    """The sender's address and the time that were asked for; written once, beside the message."""

    message = models.OneToOneField(
        Message, on_delete=models.CASCADE, primary_key=True, related_name="mailing"
    )
    address = models.CharField(max_length=254)
    """Of the mailbox, or of one of its aliases."""
    scheduled_at = models.DateTimeField()
    """A message's own time moves when it is tried again."""

    objects = WrittenManager["Mailing"]()

    class Meta:
        base_manager_name = "objects"
        default_permissions: ClassVar = ()

    def __str__(self) -> str:
        return f"{self.message_id}"
