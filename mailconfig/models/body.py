"""The bytes of a message, apart from its row: that is written anew with each change, and they are not."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from .message import Message
from .written import WrittenManager


class Body(models.Model):
    """Deleted where the bytes are erased; a message without one has its bytes in storage, or none any more."""

    message = models.OneToOneField(Message, on_delete=models.CASCADE, primary_key=True, related_name="+")
    octets = models.BinaryField(editable=False)
    """RFC 5322, with CRLF line ends."""

    objects = WrittenManager["Body"]()

    class Meta:
        base_manager_name = "objects"
        default_permissions: ClassVar = ()

    def __str__(self) -> str:
        return f"{self.message_id}"
