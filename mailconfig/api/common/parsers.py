"""Reads a JSON body (RFC 8259) so strictly that what is taken means one thing on every database."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.utils.http import parse_header_parameters
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32

# An unterminated string is taken to the end, so that the search never starts again inside it.
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{\]}]', re.DOTALL)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class BodyTooLarge(APIException):
    """The body is longer than this surface takes (RFC 9110 §15.5.14)."""

    status_code = 413
    default_code = "too_large"


class StrictJSONParser(BaseParser):
    """UTF-8 JSON up to ``max_bytes`` and ``MAX_DEPTH`` levels; every name once, every number finite, no NUL.

    What it refuses is a 400 (413 where too long, 415 where not UTF-8 JSON at all); the text never repeats the body.
    """

    media_type = "application/json"
    max_bytes = MAX_BYTES

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The value of the body."""
        _require_utf8(media_type or "")
        raw = stream.read(self.max_bytes + 1)
        if len(raw) > self.max_bytes:
            raise BodyTooLarge(_("The body is longer than %(bytes)d bytes.") % {"bytes": self.max_bytes})
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise ParseError(_("The body is not UTF-8.")) from None
        return parse_json(text)


def parse_json(text: str) -> Any:
    """The value of strict JSON.

    Raises:
        ParseError: it is none; the message holds nothing of it.
    """
    _check_depth(text)
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite
        )
    except json.JSONDecodeError as error:
        place = {"line": error.lineno, "column": error.colno}
        raise ParseError(_("The body is no JSON: line %(line)d, column %(column)d.") % place) from None
    except (ValueError, RecursionError):  # a number of thousands of digits
        raise ParseError(_("The body is no JSON.")) from None
    _check_text(value)
    return value


def _require_utf8(media_type: str) -> None:
    _name, parameters = parse_header_parameters(media_type)
    if parameters.get("charset", "utf-8").lower() not in {"utf-8", "utf8"}:
        raise UnsupportedMediaType(media_type[:100], detail=_("JSON is UTF-8 here: send no other charset."))


def _check_depth(text: str) -> None:
    depth = 0
    for token in _TOKENS.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ParseError(_("The body is nested more than %(levels)d levels.") % {"levels": MAX_DEPTH})
        elif token[0] in "]}":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ParseError(_("A name stands twice in one object."))
    return found


def _refuse_constant(_word: str) -> NoReturn:
    raise ParseError(_("NaN and Infinity are no JSON."))


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ParseError(_("A number is too large."))
    return value


def _check_text(value: Any) -> None:
    """What PostgreSQL cannot store (NUL) or UTF-8 cannot write (lone surrogates), in names and values."""
    if isinstance(value, str):
        if _UNSTORABLE.search(value):
            raise ParseError(_("A text holds a character that cannot be stored."))
    elif isinstance(value, dict):
        for name, inner in value.items():
            _check_text(name)
            _check_text(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_text(inner)
