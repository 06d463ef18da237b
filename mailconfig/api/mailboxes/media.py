"""The media type of JSON:API, in and out (https://jsonapi.org/format/1.1/#content-negotiation)."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.http import parse_header_parameters
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from mailconfig.api.common.negotiation import HeaderNegotiation, PlainJSONRenderer
from mailconfig.api.common.parsers import StrictJSONParser

MEDIA_TYPE = "application/vnd.api+json"


class JSONAPIParser(StrictJSONParser):
    """Strict JSON under the name of JSON:API."""

    media_type = MEDIA_TYPE
    max_bytes = 4 * 1024 * 1024
    """What all attributes hold: five texts of 65535 characters, each of which takes 12 bytes as an escape (RFC 8259 §7)."""


class JSONAPIRenderer(PlainJSONRenderer):
    """JSON under the name of JSON:API."""

    media_type = MEDIA_TYPE
    format = "vnd.api+json"


class JSONAPINegotiation(HeaderNegotiation):
    """Of the media type's parameters only ``profile`` may be there: no extension is known, and nothing else is allowed."""

    def get_accept_list(self, request: Request) -> list[str]:
        """The media ranges that are left; a JSON:API that we cannot write is none."""
        ranges = request.META.get("HTTP_ACCEPT", "*/*").split(",")
        return [one.strip() for one in ranges if not _is_of_others(one, besides={"profile", "q"})]

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        """Select as the base does; a body with other parameters is none of ours."""
        if _is_of_others(request.content_type or "", besides={"profile"}):
            return None
        return super().select_parser(request, parsers)


def _is_of_others(media_type: str, *, besides: set[str]) -> bool:
    """Return whether it is JSON:API with parameters that nobody here knows."""
    try:
        name, parameters = parse_header_parameters(media_type)
    except (ValueError, LookupError):  # a parameter in an encoding that nobody knows (RFC 2231)
        return True
    return name.strip().lower() == MEDIA_TYPE and not besides.issuperset(key.lower() for key in parameters)
