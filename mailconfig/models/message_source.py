"""The source of a mail that is rendered later than it is queued."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from .message import Message
from .written import WrittenManager


class MessageSource(models.Model):
    """A mail as its caller gave it, and the identity of its account at that time, so that each rendering is the same.

    There while a message is being prepared, and with tokens for as long as it may be sent; erased as a
    :class:`~.body.Body` is. A token stands here as a token: what it stands for is in no row.
    """

    message = models.OneToOneField(Message, on_delete=models.CASCADE, primary_key=True, related_name="+")
    recipient = models.TextField(editable=False)
    subject = models.TextField(blank=True, editable=False)
    text = models.TextField(blank=True, editable=False)
    from_email = models.CharField(max_length=254, editable=False)
    from_name = models.CharField(max_length=255, blank=True, editable=False)
    reply_to_email = models.CharField(max_length=254, blank=True, editable=False)
    reply_to_name = models.CharField(max_length=255, blank=True, editable=False)
    opt_out_sentence = models.TextField(blank=True, default="", db_default="", editable=False)
    """By which its recipient opts out, in the language that it was queued in; empty: it does not say how."""
    resolver_failures = models.SmallIntegerField(default=0, editable=False)
    """How often in a row nobody could say what its tokens stand for; chooses the back-off."""

    objects = WrittenManager["MessageSource"]()

    class Meta:
        base_manager_name = "objects"
        default_permissions: ClassVar = ()

    def __str__(self) -> str:
        return f"{self.message_id}"
