"""Installation that a database belongs to, so that a copy of it sends nothing."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from .written import WrittenManager


class Installation(models.Model):
    """A single row. Its name is written by the first drain, and then changed by ``mailconfig_adopt`` only."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    name = models.CharField(max_length=255, blank=True)
    """Empty: not guarded."""
    adopted_at = models.DateTimeField(db_default=Now(), editable=False)

    swept_at = models.DateTimeField(null=True, editable=False)
    """The sweep's sign of life, for monitoring."""
    failing_steps = models.TextField(
        default="", db_default="", blank=True, editable=False, db_column="troubles"
    )
    """The steps of the house-keeping that throw, as JSON; empty: none does."""

    objects = WrittenManager["Installation"]()

    class Meta:
        base_manager_name = "objects"
        constraints: ClassVar = [
            models.CheckConstraint(name="mailconfig_one_installation", condition=Q(id=1)),
        ]

    def __str__(self) -> str:
        return self.name
