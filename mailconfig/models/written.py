"""Rows as they are in the database that is written, where a router sends reads elsewhere.

What a replica says is a while old: a drain would not see the lease it just took, nor a request the row it just stored.
"""

from __future__ import annotations

from typing import TypeVar

from django.db import models, router

Row_co = TypeVar("Row_co", bound=models.Model, covariant=True)


class WrittenQuerySet(models.QuerySet[Row_co]):
    """Asks the database that a router names for writing, unless ``using`` names another."""

    @property
    def db(self) -> str:
        """The alias that is asked."""
        return self._db or router.db_for_write(self.model, **self._hints)  # type: ignore[attr-defined]


class WrittenManager(models.Manager[Row_co]):
    """Hands out :class:`WrittenQuerySet`."""

    def get_queryset(self) -> models.QuerySet[Row_co]:
        """All rows."""
        return WrittenQuerySet(self.model, using=self._db, hints=self._hints)  # type: ignore[attr-defined]
