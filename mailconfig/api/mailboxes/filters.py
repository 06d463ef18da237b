"""Filters of lists: values, lists of values and ranges. What is not known is refused by its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError

MOST_VALUES = 100
_KEY = re.compile(r"[0-9]{1,18}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class QueryRefused(ValidationError):
    """A parameter is wrong: its name is no attribute's."""


IN_ANY_CASE = "small_letters"
"""Lookup of an address in whatever case it is written."""


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


def read_key(text: str) -> tuple[Any, Any]:
    """A whole number."""
    if not _KEY.fullmatch(text):
        raise ValueError
    return int(text), int(text)


def read_user_key(text: str) -> tuple[Any, Any]:
    """A user's key."""
    if not has_integer_users():
        raise ValueError
    return read_key(text)


def read_text(text: str) -> tuple[Any, Any]:
    """A text as it is."""
    if not text or len(text) > 255:
        raise ValueError
    return text, text


def read_moment(text: str) -> tuple[Any, Any]:
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


def has_integer_users() -> bool:
    """Return whether the host's users have whole numbers for keys."""
    return isinstance(get_user_model()._meta.pk, models.IntegerField)


def filtered(
    rows: QuerySet[Any], parameters: Mapping[str, str], filters: Mapping[str, Filter]
) -> QuerySet[Any]:
    """The rows for which each filter holds.

    Raises:
        QueryRefused: a value that the attribute cannot have.
    """
    for name, by in filters.items():
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
            wanted = least.lower() if by.lookup == IN_ANY_CASE else least
            return Q(**{f"{by.column}__{by.lookup}": wanted})
        return Q(**{f"{by.column}__gte": least, f"{by.column}__lte": largest})
    bounds = {}
    if first != "neginf":
        bounds[f"{by.column}__gte"] = by.read(first)[0]
    if last != "inf":
        bounds[f"{by.column}__lte"] = by.read(last)[1]
    return Q(**bounds) if bounds else Q(**{f"{by.column}__isnull": False})
