"""A recipient of a message, with an outcome of its own where it differs from the message's."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .message import Message
from .written import WrittenManager


class RecipientState(models.TextChoices):
    """Outcomes of a recipient; empty: that of the message."""

    AS_MESSAGE = "", _("as the message")
    SENT = "sent", _("sent")
    FAILED = "failed", _("failed")


class Recipient(models.Model):
    """A forward-path (RFC 5321 §4.1.1.3)."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="recipients")
    address = models.CharField(_("address"), max_length=254)
    state = models.CharField(
        _("state"),
        max_length=8,
        choices=RecipientState.choices,
        blank=True,
        default=RecipientState.AS_MESSAGE,
    )
    not_before = models.DateTimeField(null=True, editable=False)
    """When it is tried again after a transient refusal; ``None``: with the message."""
    attempts = models.SmallIntegerField(default=0, db_default=0, editable=False)
    """How often it was put off, counting towards the retries: the parts of a large mail each have their own."""
    error_code = models.CharField(
        _("error"), max_length=32, blank=True, default="", db_default="", editable=False
    )
    """Why it failed, where it was not the server that said so: ``suppressed_`` and the reason."""
    reply_code = models.PositiveSmallIntegerField(_("reply"), null=True)
    enhanced_code = models.CharField(max_length=16, blank=True)
    reply_text = models.TextField(blank=True)

    objects = WrittenManager["Recipient"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("recipient")
        verbose_name_plural = _("recipients")
        constraints: ClassVar = [
            models.CheckConstraint(
                name="mailconfig_recipient_state_known", condition=Q(state__in=RecipientState.values)
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["address"], name="mailconfig_recipient_address")]

    def __str__(self) -> str:
        return self.address
