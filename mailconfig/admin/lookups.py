"""By what a list may be narrowed from its address: the filters it offers, and nothing else."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from .typed import AnyModelAdmin

MOST_WORDS = 20
LONGEST_NUMBER = 18
"""Digits of a number that every database compares; no value of a filter on a column is longer."""
MOST_CHARACTERS = 256
"""Of what somebody searches for; SQLite takes no pattern of 50,000."""
_STEPS = frozenset({"id", "pk", "exact", "in", "isnull"})


class OfferedLookups(AnyModelAdmin):
    """Any other look-up could ask for what no page shows: Django lets ``?body__regex=…`` read mail bit by bit."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Whether a filter of this list makes such an address, and the database takes the value.

        PostgreSQL takes no NUL, and SQLite no number of more than 64 bits.
        """
        name, *steps = lookup.split("__")
        filters = self.get_list_filter(request)
        offered = {_parameter(one).partition("__")[0] for one in filters}
        if name not in offered or not _STEPS.issuperset(steps) or "\x00" in str(value):
            return False
        # What is a class of ours looks at its values itself.
        ours = {_parameter(one) for one in filters if isinstance(one, type)}
        if lookup not in ours and any(len(part.strip()) > LONGEST_NUMBER for part in str(value).split(",")):
            return False
        return super().lookup_allowed(lookup, value, request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """As Django's, for the first words: each one makes the query larger, until the database refuses it."""
        return super().get_search_results(request, queryset, first_words(search_term))


def first_words(search_term: str) -> str:
    """As much of it as is searched for."""
    term = search_term[:MOST_CHARACTERS]
    words = term.split()
    return term if len(words) <= MOST_WORDS else " ".join(words[:MOST_WORDS])


def _parameter(list_filter: Any) -> str:
    """The name in the address of one entry of ``list_filter``."""
    if isinstance(list_filter, tuple):
        return str(list_filter[0])
    return str(getattr(list_filter, "parameter_name", list_filter))
