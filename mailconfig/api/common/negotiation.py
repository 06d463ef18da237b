"""Content negotiation: JSON, whatever the host project's settings offer elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from .parsers import MislabelledJSONParser


class PlainJSONRenderer(JSONRenderer):
    """JSON as RFC 8259 has it, in UTF-8; the host's ``UNICODE_JSON`` and ``STRICT_JSON`` do not matter."""

    ensure_ascii = False
    strict = True
    compact = True

    def get_indent(self, accepted_media_type: str, renderer_context: Any) -> None:
        """None, whatever parameters Accept has."""


class HeaderNegotiation(DefaultContentNegotiation):
    """By the Accept header alone: a query parameter such as ``format`` is a parameter like any other."""

    settings: Any = SimpleNamespace(URL_FORMAT_OVERRIDE=None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Select as DRF does; what cannot be parsed cannot be accepted, and an empty header asks for nothing (RFC 9110 §12.5.1)."""
        if not request.META.get("HTTP_ACCEPT", "").strip():
            first = next(iter(renderers))
            return first, first.media_type
        try:
            found: tuple[BaseRenderer, str] = super().select_renderer(request, renderers, format_suffix)
            return found
        except (ValueError, LookupError):  # a parameter in an encoding that nobody knows (RFC 2231)
            raise NotAcceptable from None

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        """Select as DRF does; no parser reads a type that cannot be parsed."""
        try:
            return super().select_parser(request, parsers)
        except (ValueError, LookupError):
            return None


class CurlNegotiation(HeaderNegotiation):
    """The same for surfaces whose clients were shown ``curl --data`` without a content type: it says "form".

    The parser is none of the view's, so that DRF does not hand over forms that a middleware has read.
    """

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        """Select as the base does, but look into a body that calls itself a form."""
        curl = MislabelledJSONParser()
        return super().select_parser(request, parsers) or super().select_parser(request, [curl])


def language_of(accept_language: str) -> str:
    """The first language of an Accept-Language header (RFC 9110 §12.5.4) that is there; else the project's own."""
    for code, quality in parse_accept_lang_header(accept_language):
        if code == "*":
            break
        if not quality:
            continue
        try:
            return translation.get_supported_language_variant(code)
        except LookupError:
            continue
    return settings.LANGUAGE_CODE
