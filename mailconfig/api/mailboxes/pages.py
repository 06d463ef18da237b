"""Pages of lists, by cursor or by offset, and the links between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core import signing
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.utils.urls import remove_query_param, replace_query_param

from mailconfig.api.common import queries

from .filters import QueryRefused, has_integer_users

SIZE, MOST_SIZE = 50, 100
MOST_LIMIT, MOST_OFFSET = 1000, 10000
CURSORS = frozenset({"page[size]", "page[after]", "page[before]"})
OFFSETS = frozenset({"page[limit]", "page[offset]"})
OWNER = "owner_key"
"""The column to sort by owners, where they have whole numbers for keys."""
_SALT = "mailconfig.mailboxes.cursor"


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, and where the others are."""

    rows: list[Any]
    links: dict[str, str | None]


def page_of(
    rows: QuerySet[Any], request: Request, parameters: dict[str, str], sortable: Mapping[str, str]
) -> Page:
    """The page that is asked for, by cursor or by offset.

    Raises:
        QueryRefused: an unknown order, a page that cannot be, or both ways of paging at once.
    """
    try:
        if not has_integer_users():
            sortable = {name: column for name, column in sortable.items() if column != OWNER}
        columns = queries.ordering(parameters, sortable)
        if OWNER in {column.removeprefix("-") for column in columns}:
            # Those of nobody first, on every database.
            rows = rows.annotate(owner_key=Coalesce("owner_id", Value(0)))
        if OFFSETS & parameters.keys():
            return _by_offset(rows.order_by(*columns), request, parameters)
        return _by_cursor(rows, columns, request, parameters)
    except ValidationError as error:
        raise QueryRefused(error.detail) from None


def _by_offset(rows: QuerySet[Any], request: Request, parameters: dict[str, str]) -> Page:
    if mixed := CURSORS & parameters.keys():
        raise QueryRefused({min(mixed): [_("This does not go together with page[limit] and page[offset].")]})
    limit = queries.number(parameters, "page[limit]", default=SIZE, least=1, most=MOST_LIMIT)
    offset = queries.number(parameters, "page[offset]", default=0, most=MOST_OFFSET)
    found = list(rows[offset : offset + limit + 1])
    has_next = len(found) > limit and offset + limit <= MOST_OFFSET
    links = {
        "first": _link(request, {"page[offset]": 0}),
        "prev": _link(request, {"page[offset]": max(0, offset - limit)}) if offset else None,
        "next": _link(request, {"page[offset]": offset + limit}) if has_next else None,
    }
    return Page(found[:limit], links)


def _by_cursor(rows: QuerySet[Any], columns: list[str], request: Request, parameters: dict[str, str]) -> Page:
    size = queries.number(parameters, "page[size]", default=SIZE, least=1, most=MOST_SIZE)
    names = {"page[after]", "page[before]"} & parameters.keys()
    if len(names) > 1:
        raise QueryRefused({"page[before]": [_("This does not go together with page[after].")]})
    backwards = "page[before]" in names
    wanted = [_turned(column) for column in columns] if backwards else columns
    for name in names:
        rows = rows.filter(_behind(wanted, _values_of(parameters[name], columns, name)))
    found = list(rows.order_by(*wanted)[: size + 1])
    more, found = len(found) > size, found[:size]
    if backwards:
        found.reverse()
    links: dict[str, str | None] = {"first": _link(request, {}), "prev": None, "next": None}
    if found and (more if backwards else bool(names)):
        links["prev"] = _link(request, {"page[before]": _cursor(found[0], columns)})
    if found and (more or backwards):
        links["next"] = _link(request, {"page[after]": _cursor(found[-1], columns)})
    return Page(found, links)


def _turned(column: str) -> str:
    return column.removeprefix("-") if column.startswith("-") else f"-{column}"


def _behind(columns: list[str], values: list[Any]) -> Q:
    """Rows that come after the one with these values, in the order of the columns."""
    behind, same = Q(), Q()
    for column, value in zip(columns, values, strict=True):
        name = column.removeprefix("-")
        operator = "lt" if column.startswith("-") else "gt"
        behind |= same & Q(**{f"{name}__{operator}": value})
        same &= Q(**{name: value})
    return behind


def _cursor(row: Any, columns: list[str]) -> str:
    """A row's place in the order, signed: nobody else makes one up."""
    values = [getattr(row, column.removeprefix("-")) for column in columns]
    plain = [value.isoformat() if isinstance(value, datetime) else value for value in values]
    return signing.dumps([columns, plain], salt=_SALT)


def _values_of(cursor: str, columns: list[str], name: str) -> list[Any]:
    try:
        of, values = signing.loads(cursor, salt=_SALT)
    except signing.BadSignature:
        of, values = None, []
    if of != columns:
        raise QueryRefused({name: [_("This is no page of this list.")]})
    return [
        datetime.fromisoformat(value) if column.removeprefix("-").endswith("_at") else value
        for column, value in zip(columns, values, strict=True)
    ]


def _link(request: Request, at: Mapping[str, Any]) -> str:
    """This list's address with another page."""
    url = request.build_absolute_uri()
    for name in ("page[after]", "page[before]", "page[offset]"):
        url = remove_query_param(url, name)
    for name, value in at.items():
        url = replace_query_param(url, name, value)
    return url


PARAMETERS = (
    ("count", {"type": "boolean"}, "Whether to count all that are found."),
    ("page[size]", queries.number_schema(least=1, most=MOST_SIZE), f"How many; {SIZE} if nothing is said."),
    ("page[after]", {"type": "string"}, "The page behind; links.next has it."),
    ("page[before]", {"type": "string"}, "The page before; links.prev has it."),
    ("page[limit]", queries.number_schema(least=1, most=MOST_LIMIT), "How many, with page[offset]."),
    ("page[offset]", queries.number_schema(most=MOST_OFFSET), "How many are skipped."),
)
