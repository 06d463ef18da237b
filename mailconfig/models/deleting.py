"""Deletion of what accounts refer to."""

from __future__ import annotations

from typing import Any

from django.db import models


def protect_unless_deleted(collector: Any, field: Any, sub_objs: models.QuerySet[Any], using: str) -> None:
    """``on_delete`` of what an account belongs to: an account that is there protects it, a deleted one lets it go.

    Raises:
        ProtectedError: there are accounts that are not deleted.
    """
    kept = sub_objs.filter(deleted_at=None)
    if kept:
        models.PROTECT(collector, field, kept, using)
    models.SET_NULL(collector, field, sub_objs, using)
