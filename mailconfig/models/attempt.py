"""An attempt: written by the journal before the dot, completed by the outcome; the limiter's memory."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.lookups import Exact, IsNull
from django.utils.translation import gettext_lazy as _

from .account import Account
from .message import Message
from .written import WrittenManager


class AttemptOutcome(models.TextChoices):
    """Outcomes of an attempt; empty: not known yet."""

    OPEN = "", _("under way")
    SENT = "sent", _("accepted")
    PARTIAL = "partial", _("accepted for some")
    DEFERRED = "deferred", _("try again later")
    REFUSED = "refused", _("refused")
    LOST = "lost", _("connection lost before the end")
    UNKNOWN = "unknown", _("not known whether accepted")


class Attempt(models.Model):
    """Outlives its message: a window must know what went out, whatever was purged since."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="attempts", db_index=False)
    message = models.ForeignKey(
        Message, on_delete=models.SET_NULL, related_name="attempt_set", null=True, blank=True
    )
    lease_token = models.UUIDField(null=True, editable=False)
    """The drain that made it."""
    worker = models.CharField(_("worker"), max_length=128, blank=True)
    recipients = models.IntegerField(_("recipients"), default=1)
    """How many it counts in every window: those handed over. ``0``: nothing reached the dot."""
    stage = models.CharField(_("stage"), max_length=16, blank=True)
    outcome = models.CharField(
        _("outcome"), max_length=8, choices=AttemptOutcome.choices, blank=True, default=AttemptOutcome.OPEN
    )
    reply_code = models.SmallIntegerField(_("reply"), null=True)
    enhanced_code = models.CharField(max_length=16, blank=True)
    reply_text = models.TextField(_("the server's words"), blank=True)
    started_at = models.DateTimeField(_("started"))
    handed_over_at = models.DateTimeField(_("handed over"), null=True)
    """When the journal allowed the dot."""
    ended_at = models.DateTimeField(_("ended"), null=True)
    """When the reply was read."""

    objects = WrittenManager["Attempt"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        constraints: ClassVar = [
            # Short for the same reason as those of messages.
            models.CheckConstraint(
                name="mailconfig_attempt_ended_with_outcome",
                condition=Exact(IsNull(F("ended_at"), True), Exact(F("outcome"), "")),
            ),
        ]
        indexes: ClassVar = [
            # A window reads its newest rows from here.
            models.Index(fields=["account", "ended_at"], name="mailconfig_attempt_window"),
            models.Index(
                fields=["account", "handed_over_at"], name="mailconfig_attempt_open", condition=Q(outcome="")
            ),
            models.Index(fields=["ended_at"], name="mailconfig_attempt_ended"),
        ]

    def __str__(self) -> str:
        return f"{self.message_id} {self.get_outcome_display()}"
