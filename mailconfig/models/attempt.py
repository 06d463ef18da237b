"""An attempt: written once, with its outcome; the limiter's memory."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from .account import Account
from .message import Message
from .written import WrittenManager


class AttemptOutcome(models.TextChoices):
    """Outcomes of an attempt."""

    SENT = "sent", _("accepted")
    PARTIAL = "partial", _("accepted for some")
    DEFERRED = "deferred", _("try again later")
    REFUSED = "refused", _("refused")
    LOST = "lost", _("connection lost before the end")
    UNKNOWN = "unknown", _("not known whether accepted")


class Attempt(models.Model):
    """Outlives its message: a window must know what went out, whatever was purged since."""

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="attempts", db_index=False, db_constraint=False
    )
    """Without a constraint in the database, which would lock the account's row for each mail: the message has one."""
    message = models.ForeignKey(
        Message, on_delete=models.SET_NULL, related_name="attempt_set", null=True, blank=True, db_index=False
    )
    worker = models.CharField(_("worker"), max_length=128, blank=True)
    recipients = models.IntegerField(_("recipients"), default=1)
    """How many it counts in every window: those handed over. ``0``: nothing reached the dot."""
    stage = models.CharField(_("stage"), max_length=16, blank=True)
    outcome = models.CharField(_("outcome"), max_length=8, choices=AttemptOutcome.choices)
    reply_code = models.SmallIntegerField(_("reply"), null=True)
    enhanced_code = models.CharField(max_length=16, blank=True)
    reply_text = models.TextField(_("the server's words"), blank=True)
    started_at = models.DateTimeField(_("started"))
    handed_over_at = models.DateTimeField(_("handed over"), null=True)
    """When the journal allowed the dot; ``None``: it did not come to that."""
    ended_at = models.DateTimeField(_("ended"))
    """When the reply was read."""

    objects = WrittenManager["Attempt"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        indexes: ClassVar = [
            # A window reads its newest rows from here.
            models.Index(fields=["account", "ended_at"], name="mailconfig_attempt_window"),
            models.Index(
                fields=["message"],
                name="mailconfig_attempt_message",
                condition=Q(message__isnull=False),
            ),
            # The retention reads those whose message is gone: an attempt is not in here when it is written.
            models.Index(
                fields=["ended_at"],
                name="mailconfig_attempt_orphan",
                condition=Q(message__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.message_id} {self.get_outcome_display()}"
