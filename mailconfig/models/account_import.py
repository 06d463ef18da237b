"""Files of accounts that were uploaded and looked at, until they are imported or some minutes have passed."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from .written import WrittenManager


class AccountImport(models.Model):
    """Accounts that are to be imported, sealed: they may hold passwords. They open for the person and the session that uploaded it."""

    KEPT_MINUTES: ClassVar[int] = 75
    """From the upload, or the last step, on. Whoever made all the checks of an hour waits for up to an hour."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, editable=False, related_name="+"
    )
    sealed = models.TextField(editable=False)
    """``""``: all of it is imported."""
    outcomes = models.JSONField(default=list, editable=False)
    """Outcome of each row that was reached, with its name and no other value of it."""
    next_row = models.PositiveIntegerField(default=0, editable=False)
    is_trying = models.BooleanField(default=True, editable=False)
    """Whether connections are tried before they are stored."""
    busy_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    """When it was uploaded, or a step of its import ended: it is kept from then on."""

    objects = WrittenManager["AccountImport"]()

    class Meta:
        base_manager_name = "objects"
        indexes: ClassVar = [models.Index(fields=["created_at"], name="mailconfig_import_created")]

    def __str__(self) -> str:
        return str(self.pk)
