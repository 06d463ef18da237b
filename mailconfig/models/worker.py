"""Workers at work, as they last said of themselves."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from .written import WrittenManager


class Worker(models.Model):
    """One process that sends. It writes its row every few seconds; the sweep removes those that fell silent."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    """Of this run: processes come by the numbers of others that have ended."""
    host = models.CharField(_("machine"), max_length=255, editable=False)
    pid = models.PositiveIntegerField(_("process"), editable=False)
    started_at = models.DateTimeField(_("since"), editable=False)
    seen_at = models.DateTimeField(_("seen"), editable=False)
    concurrency = models.PositiveIntegerField(_("accounts at most"), editable=False)
    lanes = models.PositiveIntegerField(_("accounts in hand"), default=0, editable=False)
    waiting = models.PositiveIntegerField(_("of them wait for servers"), default=0, editable=False)
    mails_a_minute = models.PositiveIntegerField(_("mails a minute"), default=0, editable=False)

    objects = WrittenManager["Worker"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        ordering: ClassVar = ["started_at", "pk"]

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"
