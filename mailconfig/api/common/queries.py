"""Reading a query string: what is not known is refused, since a filter that is ignored shows too much."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.utils.urls import remove_query_param, replace_query_param

_DIGITS = re.compile(r"[0-9]{1,9}")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
LONGEST_VALUE = 2000
"""Characters of one parameter: every name of a surface's list, and what any of its columns holds."""
BIGGEST = 10**9 - 1
"""The largest offset: what any database takes."""


def read(request: Request, *, known: Collection[str], prefix: str | None = None) -> dict[str, str]:
    """The parameters by name.

    Args:
        prefix: names that begin so are for the caller to judge, and not among those returned.

    Raises:
        ValidationError: one is unknown, comes twice, is too long, or holds what cannot be stored.
    """
    errors: dict[str, list[str]] = {}
    for name, values in request.query_params.lists():
        apart = prefix is not None and name.startswith(prefix)
        if name not in known and not apart:
            errors[name[:100]] = [_("There is no such parameter.")]
        elif len(values) > 1 and not apart:
            errors[name] = [_("This parameter stands there twice.")]
        elif any(len(value) > LONGEST_VALUE for value in values):
            errors[name[:100]] = [_("This is too long.")]
        elif any(_UNSTORABLE.search(value) for value in values):
            errors[name[:100]] = [_("This value cannot be used.")]
    if errors:
        raise ValidationError(errors)
    return {name: request.query_params[name] for name in request.query_params if name in known}


def number(parameters: dict[str, str], name: str, *, default: int, least: int = 0, most: int) -> int:
    """A parameter that is a whole number from ``least`` to ``most``.

    Raises:
        ValidationError: it is none.
    """
    text = parameters.get(name)
    if text is None:
        return default
    if not _DIGITS.fullmatch(text) or not least <= int(text) <= most:
        message = _("Must be a whole number from %(least)d to %(most)d.") % {"least": least, "most": most}
        raise ValidationError({name: [message]})
    return int(text)


def flag(parameters: Mapping[str, str], name: str, words: Mapping[str, bool]) -> bool:
    """A parameter that is yes or no.

    Raises:
        ValidationError: it is neither.
    """
    if parameters[name] not in words:
        raise ValidationError({name: [_("Must be one of %(words)s.") % {"words": ", ".join(words)}]})
    return words[parameters[name]]


def ordering(parameters: Mapping[str, str], sortable: Mapping[str, str], *, name: str = "sort") -> list[str]:
    """Columns to order by, the key always last so that pages do not overlap.

    Args:
        sortable: columns by the names on the wire.

    Raises:
        ValidationError: an unknown name.
    """
    columns: list[str] = []
    for word in filter(None, parameters.get(name, "").split(",")):
        column = sortable.get(word.removeprefix("-"))
        if column is None:
            raise ValidationError({name: [_("Must be one of %(words)s.") % {"words": ", ".join(sortable)}]})
        if column not in {known.removeprefix("-") for known in columns}:  # the first one decides
            columns.append(f"-{column}" if word.startswith("-") else column)
    return columns if {"pk", "-pk"} & set(columns) else [*columns, "pk"]


def links(request: Request, *, limit: int, offset: int, total: int) -> str:
    """The value of a Link header (RFC 8288) with ``first``, ``prev``, ``next`` and ``last``; ``""`` for one page."""
    if total <= limit and not offset:
        return ""
    last = max(0, (total - 1) // limit * limit)
    offsets = {"first": 0, "last": last}
    if offset > 0:
        offsets["prev"] = max(0, min(offset - limit, last))
    if offset + limit < total:
        offsets["next"] = offset + limit
    here = replace_query_param(request.build_absolute_uri(), "limit", limit)
    return ", ".join(
        f'<{replace_query_param(here, "offset", at) if at else remove_query_param(here, "offset")}>; rel="{rel}"'
        for rel, at in offsets.items()
    )


def documented(*parameters: tuple[str, dict[str, Any], str]) -> list[OpenApiParameter]:
    """Name, JSON schema and meaning of each, for the OpenAPI document."""
    return [OpenApiParameter(name, kind, description=text) for name, kind, text in parameters]


def number_schema(*, least: int = 0, most: int) -> dict[str, Any]:
    """The JSON schema of what :func:`number` reads."""
    return {"type": "integer", "minimum": least, "maximum": most}


def ordering_schema(sortable: Iterable[str]) -> dict[str, Any]:
    """The JSON schema of what :func:`ordering` reads."""
    return list_schema(f"-?({'|'.join(sortable)})")


def list_schema(word: str) -> dict[str, Any]:
    """The JSON schema of words between commas, where nothing and stray commas are heeded no more than here.

    Args:
        word: a regular expression.
    """
    return {"type": "string", "pattern": f"^({word})?(,({word})?)*$"}
