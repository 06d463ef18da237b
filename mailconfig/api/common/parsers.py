"""Reads a JSON body (RFC 8259) so strictly that what is taken means one thing on every database."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from functools import partial
from itertools import accumulate
from typing import IO, Any, NoReturn

from django.utils.http import parse_header_parameters
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser

from mailconfig.values import Secret

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_PARTS = 10_000

LONGEST_NUMBER = 64
"""In characters. Turning digits into a number takes time that grows faster than their count."""

# An unterminated string is taken to the end, so that the search never starts again inside it.
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = re.compile(r"[^\[{\]}]+")
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class BodyTooLarge(APIException):
    """The body is longer than this surface takes (RFC 9110 §15.5.14)."""

    status_code = 413
    default_code = "too_large"


class LengthRequired(APIException):
    """The body comes without its length (RFC 9110 §15.5.12), and so would not be read at all."""

    status_code = 411
    default_code = "length_required"


class StrictJSONParser(BaseParser):
    """UTF-8 JSON up to ``max_bytes``, ``MAX_DEPTH`` levels and ``MAX_PARTS`` objects and lists.

    Every name comes once, every number is finite, and there is no NUL. What it refuses is a 400 (413 where too long,
    415 where not UTF-8 JSON at all); the text never repeats the body.
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
        return parse_json(_decoded(self.read(stream)), secret_names=_secret_names(parser_context))

    def read(self, stream: IO[Any]) -> bytes:
        """All of the body."""
        raw: bytes = stream.read(self.max_bytes + 1)
        if len(raw) > self.max_bytes:
            raise BodyTooLarge(_("The body is longer than %(bytes)d bytes.") % {"bytes": self.max_bytes})
        return raw


class MislabelledJSONParser(StrictJSONParser):
    """JSON that calls itself a form, as ``curl --data`` sends what nobody named a type for. A form is a 415."""

    media_type = "application/x-www-form-urlencoded"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The value of the body."""
        _require_utf8(media_type or "")
        raw = self.read(stream)
        if raw.lstrip(b" \t\r\n")[:1] not in {b"{", b"["}:
            raise UnsupportedMediaType(self.media_type)
        return parse_json(_decoded(raw), secret_names=_secret_names(parser_context))


def parse_json(text: str, *, secret_names: Collection[str] = ()) -> Any:
    """The value of strict JSON.

    Args:
        secret_names: the texts of these names come out as a :class:`mailconfig.values.Secret`, at any depth: reports
            of a fault show every variable, and what holds the body is in many.

    Raises:
        ParseError: it is none; the message holds nothing of it.
    """
    _check_shape(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=partial(_unique, secret_names=secret_names),
            parse_constant=_refuse_constant,
            parse_int=_integer,
            parse_float=_finite,
        )
    except json.JSONDecodeError as error:
        position = {"line": error.lineno, "column": error.colno}
        raise ParseError(_("The body is no JSON: line %(line)d, column %(column)d.") % position) from None
    if "\\u" in text:  # a character that JSON or UTF-8 forbids can only come in as an escape
        _check_text(value)
    return value


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ParseError(_("The body is not UTF-8.")) from None


def _require_utf8(media_type: str) -> None:
    try:
        _name, parameters = parse_header_parameters(media_type)
    except (ValueError, LookupError):  # a parameter in an encoding that nobody knows (RFC 2231)
        parameters = {"charset": "unknown"}
    charsets = [value for name, value in parameters.items() if name.lower() == "charset"]
    if any(charset.lower() not in {"utf-8", "utf8"} for charset in charsets):
        raise UnsupportedMediaType(media_type[:100], detail=_("JSON is UTF-8 here: send no other charset."))


def _check_shape(text: str) -> None:
    """Count the levels and parts before anything is made of them."""
    brackets = _NO_BRACKETS.sub("", _STRINGS.sub("", text))
    if len(brackets) > 2 * MAX_PARTS:
        raise ParseError(_("The body has more than %(count)d objects and lists.") % {"count": MAX_PARTS})
    if max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > MAX_DEPTH:
        raise ParseError(_("The body is nested more than %(levels)d levels.") % {"levels": MAX_DEPTH})


def _secret_names(parser_context: Mapping[str, Any] | None) -> Collection[str]:
    names: Collection[str] = getattr((parser_context or {}).get("view"), "secret_names", ())
    return names


def _unique(pairs: list[tuple[str, Any]], *, secret_names: Collection[str]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ParseError(_("A name stands twice in one object."))
    for name in found.keys() & set(secret_names):
        if isinstance(found[name], str):
            found[name] = Secret(found[name])
    return found


def _refuse_constant(_word: str) -> NoReturn:
    raise ParseError(_("NaN and Infinity are no JSON."))


def _integer(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ParseError(_("A number is too long."))
    return int(text)


def _finite(text: str) -> float:
    if len(text) > LONGEST_NUMBER:
        raise ParseError(_("A number is too long."))
    value = float(text)
    if not math.isfinite(value):
        raise ParseError(_("A number is too large."))
    return value


def _check_text(value: Any) -> None:
    """Refuse what PostgreSQL cannot store (NUL) or UTF-8 cannot write (lone surrogates), in names and values."""
    if isinstance(value, Secret):
        _check_text(value.reveal())
    elif isinstance(value, str):
        if _UNSTORABLE.search(value):
            raise ParseError(_("A text holds a character that cannot be stored."))
    elif isinstance(value, dict):
        for name, inner in value.items():
            _check_text(name)
            _check_text(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_text(inner)
