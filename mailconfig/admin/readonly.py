"""Pages to look at only."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from .lookups import OfferedLookups


class ReadOnlyAdmin(OfferedLookups):
    """Nothing is added, edited or deleted here, whoever asks."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
