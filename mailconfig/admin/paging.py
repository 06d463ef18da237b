"""Pages of tables that may hold millions of rows."""

from __future__ import annotations

from functools import cached_property

from django.core.paginator import Paginator
from django.db.models import QuerySet

from .typed import ChangeList

CAP = 10_000
"""Rows counted and paged through; the filters find what lies behind them."""


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts to :data:`CAP` and no further."""

    @cached_property
    def count(self) -> int:
        """Return the number of rows, at most the cap."""
        rows = self.object_list
        if isinstance(rows, QuerySet):
            return rows.order_by().values("pk")[:CAP].count()
        return min(CAP, len(rows))


class CappedChangeList(ChangeList):
    """A list that says when it was capped."""

    @property
    def is_capped(self) -> bool:
        """Return whether there may be more rows than are counted."""
        return self.result_count >= CAP
