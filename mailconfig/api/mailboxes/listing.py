"""Query of resources: which parameters a list takes, and the shape of what it answers. What is not known is refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from mailconfig.api.common import queries

from . import filters, pages
from .filters import (
    IN_ANY_CASE,
    Filter,
    QueryRefused,
    has_integer_users,
    read_key,
    read_moment,
    read_text,
    read_user_key,
)
from .pages import Page
from .reading import TYPE, USER_TYPE
from .resources import ALL_RELATIONSHIPS, RELATIONSHIPS, Shape
from .serializers import SHOWN

__all__ = ["Listing", "Page", "QueryRefused", "has_integer_users"]

_FLAGS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Questions that a list of resources of one type answers."""

    type: str
    fields: tuple[str, ...]
    """Attributes and relationships that are shown."""
    include: tuple[str, ...] = ()
    """Relationships whose resources can be answered as well."""
    others: Mapping[str, tuple[str, ...]]
    """The fields of their types."""
    filters: Mapping[str, Filter]
    sortable: Mapping[str, str]

    @property
    def one(self) -> frozenset[str]:
        """Parameters of a call that answers with one resource."""
        return frozenset(name for name, _schema, _words in self.parameters_of_one)

    @property
    def many(self) -> frozenset[str]:
        """Parameters of the list."""
        return frozenset(name for name, _schema, _words in self.parameters_of_list)

    @property
    def parameters_of_one(self) -> tuple[tuple[str, dict[str, Any], str], ...]:
        """Name, JSON schema and meaning of each."""
        include = (
            "include",
            queries.list_schema(f"({'|'.join(self.include)})"),
            "Relationships whose resources are answered as well.",
        )
        return (
            (
                f"fields[{self.type}]",
                queries.list_schema(f"({'|'.join(self.fields)})"),
                "The attributes and relationships that are wanted.",
            ),
            *(
                (
                    f"fields[{name}]",
                    queries.list_schema(f"({'|'.join(words)})"),
                    "What is wanted of resources of this type.",
                )
                for name, words in self.others.items()
            ),
            *([include] if self.include else []),
            (
                "provideAuthorizationMeta",
                {"type": "boolean"},
                "Whether each resource says what the caller may do with it.",
            ),
        )

    @property
    def parameters_of_list(self) -> tuple[tuple[str, dict[str, Any], str], ...]:
        """Name, JSON schema and meaning of each."""
        by = "Only those with one of these values or in one of these ranges: a,b or x..y."
        return (
            *self.parameters_of_one,
            *((name, {"type": "string"}, by) for name in self.filters),
            (
                "sort",
                queries.ordering_schema(self.sortable),
                "Attributes to sort by, - before one for descending order.",
            ),
            *pages.PARAMETERS,
        )

    def shape_of(self, parameters: Mapping[str, str]) -> Shape:
        """Return the shape that is wanted of each resource.

        Raises:
            QueryRefused: it is not there.
        """
        include = _words(parameters, "include", self.include)
        others = {name: _words(parameters, f"fields[{name}]", words) for name, words in self.others.items()}
        return Shape(
            fields=_words(parameters, f"fields[{self.type}]", self.fields),
            others=others,
            include=None if include is None else tuple(sorted(include)),
            authorization=flag(parameters, "provideAuthorizationMeta"),
        )

    def filtered(self, rows: QuerySet[Any], parameters: Mapping[str, str]) -> QuerySet[Any]:
        """The rows for which each filter holds.

        Raises:
            QueryRefused: a value that the attribute cannot have.
        """
        return filters.filtered(rows, parameters, self.filters)

    def page_of(self, rows: QuerySet[Any], request: Request, parameters: dict[str, str]) -> Page:
        """The page that is asked for, by cursor or by offset.

        Raises:
            QueryRefused: an unknown order, a page that cannot be, or both ways of paging at once.
        """
        return pages.page_of(rows, request, parameters, self.sortable)


OF_USER = ("name",)
MAILBOXES = Listing(
    type=TYPE,
    fields=(*SHOWN, *ALL_RELATIONSHIPS),
    include=tuple(RELATIONSHIPS),
    others={USER_TYPE: OF_USER},
    filters={
        "filter[id]": Filter("pk", read_key),
        "filter[createdAt]": Filter("created_at", read_moment),
        "filter[email]": Filter("from_email", read_text, IN_ANY_CASE),
        "filter[updatedAt]": Filter("updated_at", read_moment),
        "filter[userId]": Filter("owner_id", read_user_key),
        "filter[user][id]": Filter("owner_id", read_user_key),
    },
    sortable={
        "createdAt": "created_at",
        "email": "from_email",
        "updatedAt": "updated_at",
        "userId": pages.OWNER,
    },
)
PARAMETERS_OF_ONE, PARAMETERS_OF_LIST = MAILBOXES.parameters_of_one, MAILBOXES.parameters_of_list
ONE, LIST = MAILBOXES.one, MAILBOXES.many
shape_of = MAILBOXES.shape_of


def read(request: Request, known: Collection[str]) -> dict[str, str]:
    """The parameters by name.

    Raises:
        QueryRefused: one is unknown, comes twice, is too long, or holds what cannot be stored.
    """
    try:
        return queries.read(request, known=known)
    except ValidationError as error:
        raise QueryRefused(error.detail) from None


def flag(parameters: Mapping[str, str], name: str) -> bool:
    """A parameter that is ``true`` or ``false``; false if nothing is said.

    Raises:
        QueryRefused: it is neither.
    """
    try:
        return name in parameters and queries.flag(parameters, name, _FLAGS)
    except ValidationError as error:
        raise QueryRefused(error.detail) from None


def _words(parameters: Mapping[str, str], name: str, known: Collection[str]) -> frozenset[str] | None:
    if name not in parameters:
        return None
    named = frozenset(filter(None, parameters[name].split(",")))
    if not named <= set(known):
        raise QueryRefused({name: [_("Must be some of %(words)s.") % {"words": ", ".join(known)}]})
    return named
