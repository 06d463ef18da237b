"""Two tables with a secret: one with a destination and a constraint, one with a UUID as its key."""

import uuid
from typing import Any

from django.db import models
from django.db.models import Q

from mailconfig.secrets.fields import SealedSecret, SecretField


class KeptBoxes(models.Manager[Any]):
    """Hides rows, as a default manager may."""

    def get_queryset(self) -> models.QuerySet[Any]:
        return super().get_queryset().exclude(note="hidden")


class Box(models.Model):
    """A thing with a destination."""

    host = models.CharField(max_length=100)
    note = models.CharField(max_length=200, blank=True)
    deleted = models.BooleanField(default=False)
    secret = SecretField(binding="smtp")

    objects = KeptBoxes()

    class Meta:
        constraints = [
            models.CheckConstraint(name="box_deleted_no_secret", condition=Q(deleted=False) | Q(secret=None)),
        ]

    def __str__(self) -> str:
        return self.host

    def secret_binding(self, name: str) -> str:
        return f"{name}:{self.host}"

    def password(self) -> str:
        """The stored secret, opened for this row's destination."""
        assert isinstance(self.secret, SealedSecret)
        return self.secret.bound_to(self.secret_binding("smtp")).reveal()


class Parcel(models.Model):
    """A row whose key is no number."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    secret = SecretField(db_column="sealed")

    def __str__(self) -> str:
        return str(self.id)

    def secret_binding(self, name: str) -> str:
        return f"parcel:{name}"
