"""By what a list may be narrowed from its address: the filters it offers, and nothing else."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from .within_reach import WithinReach

MOST_WORDS = 20
LONGEST_TERM = 254
"""Characters of a search: as many as the longest address has. SQLite takes no pattern of more than 50,000 bytes."""
LONGEST_VALUE = 18
"""Digits of a key: a longer number is none, and more than the databases compare."""
_STEPS = frozenset({"id", "pk", "exact", "in", "isnull"})


class OfferedLookups(WithinReach):
    """Any other look-up could ask for what no page shows: Django lets ``?body__regex=…`` read mail bit by bit."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Return whether a filter of this list makes such an address.

        No value has a NUL, which PostgreSQL refuses, nor is a number that no key can be.
        """
        name, *steps = lookup.split("__")
        offered = {_parameter(one).partition("__")[0] for one in self.get_list_filter(request)}
        if name not in offered or not _STEPS.issuperset(steps) or not _may_be_stored(value):
            return False
        return super().lookup_allowed(lookup, value, request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search for the first words only: each one makes the query larger, until the database refuses it."""
        if "\x00" in search_term:  # PostgreSQL refuses it, and no text has one
            return queryset.none(), False
        return super().get_search_results(request, queryset, shortened(search_term))

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Let what is no key select nothing."""
        chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
        keys = [one for one in chosen if is_key(one)]
        if len(keys) < len(chosen):
            data = request.POST.copy()
            data.setlist(ACTION_CHECKBOX_NAME, keys)
            request.POST = data  # type: ignore[assignment]
        return super().response_action(request, queryset, *args, **kwargs)


def is_key(text: str) -> bool:
    """Return whether a row could have this number."""
    return text.isdecimal() and len(text) <= LONGEST_VALUE


def shortened(search_term: str) -> str:
    """The part of a search term that any database takes."""
    words = search_term[:LONGEST_TERM].split()
    return search_term[:LONGEST_TERM] if len(words) <= MOST_WORDS else " ".join(words[:MOST_WORDS])


def _may_be_stored(value: Any) -> bool:
    parts = [str(part) for part in value] if isinstance(value, (list, tuple)) else str(value).split(",")
    is_number = (part.strip().lstrip("+-").isdecimal() for part in parts)
    long = any(found and len(part) > LONGEST_VALUE for found, part in zip(is_number, parts, strict=True))
    return not long and not any("\x00" in part for part in parts)


def _parameter(list_filter: Any) -> str:
    """The name in the address of one entry of ``list_filter``."""
    if isinstance(list_filter, tuple):
        return str(list_filter[0])
    return str(getattr(list_filter, "parameter_name", list_filter))
