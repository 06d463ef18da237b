"""Query of mailboxes: filters, order, pages, shapes. What is not known is refused by its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core import signing
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Coalesce
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.utils.urls import remove_query_param, replace_query_param

from mailconfig.api.common import queries
from mailconfig.models.account_queries import AccountQuerySet

from .resources import RELATIONSHIPS, Shape
from .serializers import SHOWN

SIZE, MOST_SIZE = 50, 100
MOST_LIMIT, MOST_OFFSET = 1000, 10000
MOST_VALUES = 100
_FLAGS = {"true": True, "false": False}
_KEY = re.compile(r"[0-9]{1,18}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_SALT = "mailconfig.mailboxes.cursor"

ONE = frozenset({"fields[mailbox]", "fields[user]", "include", "provideAuthorizationMeta"})
"""Parameters of a call that answers with one mailbox."""
CURSORS = frozenset({"page[size]", "page[after]", "page[before]"})
OFFSETS = frozenset({"page[limit]", "page[offset]"})


class QueryRefused(ValidationError):
    """A parameter is wrong: its name is no attribute's."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A column to filter by, and what a text means there."""

    column: str
    read: Callable[[str], tuple[Any, Any]]
    """The least and the largest value that a text stands for.

    Raises:
        ValueError: it stands for none.
    """
    lookup: str = "exact"
    """How a single value is looked for."""


def _key(text: str) -> tuple[Any, Any]:
    if not _KEY.fullmatch(text):
        raise ValueError
    return int(text), int(text)


def _user_key(text: str) -> tuple[Any, Any]:
    if not has_integer_users():
        raise ValueError
    return _key(text)


def _text(text: str) -> tuple[Any, Any]:
    if not text or len(text) > 255:
        raise ValueError
    return text, text


def _moment(text: str) -> tuple[Any, Any]:
    """A moment, or a day from its beginning to its end, in UTC."""
    try:
        if _DAY.fullmatch(text) and (day := parse_date(text)):
            first = datetime(day.year, day.month, day.day, tzinfo=UTC)
            return first, first + timedelta(days=1, microseconds=-1)
        moment = parse_datetime(text) if _MOMENT.fullmatch(text) else None
        if moment is None:
            raise ValueError
        at = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        raise ValueError from None
    return at, at


FILTERS: Mapping[str, Filter] = {
    "filter[id]": Filter("pk", _key),
    "filter[createdAt]": Filter("created_at", _moment),
    "filter[email]": Filter("from_email", _text, "iexact"),
    "filter[updatedAt]": Filter("updated_at", _moment),
    "filter[userId]": Filter("owner_id", _user_key),
    "filter[user][id]": Filter("owner_id", _user_key),
}
SORTABLE = {
    "createdAt": "created_at",
    "email": "from_email",
    "updatedAt": "updated_at",
    "userId": "owner_key",
}
_WITHOUT_USERS = {name: column for name, column in SORTABLE.items() if name != "userId"}
LIST = frozenset({*ONE, *CURSORS, *OFFSETS, *FILTERS, "sort", "count"})
"""Parameters of the list."""


def has_integer_users() -> bool:
    """Return whether the host's users have whole numbers for keys."""
    return isinstance(get_user_model()._meta.pk, models.IntegerField)


def read(request: Request, known: Collection[str]) -> dict[str, str]:
    """The parameters by name.

    Raises:
        QueryRefused: one is unknown, comes twice, is too long, or holds what cannot be stored.
    """
    try:
        return queries.read(request, known=known)
    except ValidationError as error:
        raise QueryRefused(error.detail) from None


def shape_of(parameters: Mapping[str, str]) -> Shape:
    """Return the shape that is wanted of each resource.

    Raises:
        QueryRefused: it is not there.
    """
    include = _words(parameters, "include", RELATIONSHIPS)
    return Shape(
        fields=_words(parameters, "fields[mailbox]", (*SHOWN, *RELATIONSHIPS)),
        user_fields=_words(parameters, "fields[user]", ("name",)),
        include=None if include is None else tuple(sorted(include)),
        authorization=flag(parameters, "provideAuthorizationMeta"),
    )


def flag(parameters: Mapping[str, str], name: str) -> bool:
    """A parameter that is ``true`` or ``false``; false if nothing is said.

    Raises:
        QueryRefused: it is neither.
    """
    try:
        return name in parameters and queries.flag(parameters, name, _FLAGS)
    except ValidationError as error:
        raise QueryRefused(error.detail) from None


def filtered(rows: AccountQuerySet, parameters: Mapping[str, str]) -> AccountQuerySet:
    """The rows for which each filter holds.

    Raises:
        QueryRefused: a value that the attribute cannot have.
    """
    for name, by in FILTERS.items():
        if name in parameters:
            rows = rows.filter(_condition(name, by, parameters[name]))
    return rows


def _condition(name: str, by: Filter, text: str) -> Q:
    """Any of the values between commas, each of which may be a range: ``5..10``, ``5..inf``, ``neginf..10``."""
    values = text.split(",")
    if len(values) > MOST_VALUES:
        raise QueryRefused({name: [_("This is too long.")]})
    condition = Q()
    try:
        for value in values:
            condition |= _one(by, value)
    except ValueError:
        raise QueryRefused({name: [_("This attribute has no such value.")]}) from None
    return condition


def _one(by: Filter, value: str) -> Q:
    first, is_range, last = value.partition("..")
    if not is_range:
        least, largest = by.read(value)
        if least == largest:
            return Q(**{f"{by.column}__{by.lookup}": least})
        return Q(**{f"{by.column}__gte": least, f"{by.column}__lte": largest})
    bounds = {}
    if first != "neginf":
        bounds[f"{by.column}__gte"] = by.read(first)[0]
    if last != "inf":
        bounds[f"{by.column}__lte"] = by.read(last)[1]
    return Q(**bounds) if bounds else Q(**{f"{by.column}__isnull": False})


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, and where the others are."""

    rows: list[Any]
    links: dict[str, str | None]


def page_of(rows: AccountQuerySet, request: Request, parameters: dict[str, str]) -> Page:
    """The page that is asked for, by cursor or by offset.

    Raises:
        QueryRefused: an unknown order, a page that cannot be, or both ways of paging at once.
    """
    try:
        columns = queries.ordering(parameters, SORTABLE if has_integer_users() else _WITHOUT_USERS)
        if "owner_key" in {column.removeprefix("-") for column in columns}:
            # Those of nobody first, on every database.
            rows = rows.annotate(owner_key=Coalesce("owner_id", Value(0)))
        if OFFSETS & parameters.keys():
            return _by_offset(rows.order_by(*columns), request, parameters)
        return _by_cursor(rows, columns, request, parameters)
    except ValidationError as error:
        raise QueryRefused(error.detail) from None


def _by_offset(rows: AccountQuerySet, request: Request, parameters: dict[str, str]) -> Page:
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


def _by_cursor(
    rows: AccountQuerySet, columns: list[str], request: Request, parameters: dict[str, str]
) -> Page:
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


def _words(parameters: Mapping[str, str], name: str, known: Collection[str]) -> frozenset[str] | None:
    if name not in parameters:
        return None
    named = frozenset(filter(None, parameters[name].split(",")))
    if not named <= set(known):
        raise QueryRefused({name: [_("Must be some of %(words)s.") % {"words": ", ".join(known)}]})
    return named


PARAMETERS_OF_ONE = (
    (
        "fields[mailbox]",
        queries.list_schema(f"({'|'.join((*SHOWN, *RELATIONSHIPS))})"),
        "The attributes and relationships that are wanted.",
    ),
    ("fields[user]", queries.list_schema("(name)"), "The attributes of users that are wanted."),
    (
        "include",
        queries.list_schema(f"({'|'.join(RELATIONSHIPS)})"),
        "Relationships whose users are answered as well.",
    ),
    (
        "provideAuthorizationMeta",
        {"type": "boolean"},
        "Whether each mailbox says what the caller may do with it.",
    ),
)
PARAMETERS_OF_LIST = (
    *PARAMETERS_OF_ONE,
    *(
        (
            name,
            {"type": "string"},
            "Only those with one of these values or in one of these ranges: a,b or x..y.",
        )
        for name in FILTERS
    ),
    ("sort", queries.ordering_schema(SORTABLE), "Attributes to sort by, - before one for descending order."),
    ("count", {"type": "boolean"}, "Whether to count all that are found."),
    ("page[size]", queries.number_schema(least=1, most=MOST_SIZE), f"How many; {SIZE} if nothing is said."),
    ("page[after]", {"type": "string"}, "The page behind; links.next has it."),
    ("page[before]", {"type": "string"}, "The page before; links.prev has it."),
    ("page[limit]", queries.number_schema(least=1, most=MOST_LIMIT), "How many, with page[offset]."),
    ("page[offset]", queries.number_schema(most=MOST_OFFSET), "How many are skipped."),
)
