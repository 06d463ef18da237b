"""By what a list may be narrowed from its address: the filters it offers, and nothing else."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from .typed import AnyModelAdmin

MOST_WORDS = 20
_STEPS = frozenset({"id", "pk", "exact", "in", "isnull"})


class OfferedLookups(AnyModelAdmin):
    """Any other look-up could ask for what no page shows: Django lets ``?body__regex=…`` read mail bit by bit."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Whether a filter of this list makes such an address; no value has a NUL, which PostgreSQL refuses."""
        name, *steps = lookup.split("__")
        offered = {_parameter(one).partition("__")[0] for one in self.get_list_filter(request)}
        if name not in offered or not _STEPS.issuperset(steps) or "\x00" in str(value):
            return False
        return super().lookup_allowed(lookup, value, request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """As Django's, for the first words: each one makes the query larger, until the database refuses it."""
        words = search_term.split()
        term = search_term if len(words) <= MOST_WORDS else " ".join(words[:MOST_WORDS])
        return super().get_search_results(request, queryset, term)


def _parameter(list_filter: Any) -> str:
    """The name in the address of one entry of ``list_filter``."""
    if isinstance(list_filter, tuple):
        return str(list_filter[0])
    return str(getattr(list_filter, "parameter_name", list_filter))
