"""What a client may ask for: JSON, whatever the host project's settings offer elsewhere."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import JSONRenderer


class PlainJSONRenderer(JSONRenderer):
    """JSON as RFC 8259 has it, in UTF-8; the host's ``UNICODE_JSON`` and ``STRICT_JSON`` do not matter."""

    ensure_ascii = False
    strict = True
    compact = True


class HeaderNegotiation(DefaultContentNegotiation):
    """By the Accept header alone: a query parameter such as ``format`` is a parameter like any other."""

    settings: Any = SimpleNamespace(URL_FORMAT_OVERRIDE=None)


def language_of(accept_language: str) -> str:
    """The first language of an Accept-Language header (RFC 9110 §12.5.4) that is there; else the project's own."""
    for code, _quality in parse_accept_lang_header(accept_language[:500]):
        if code == "*":
            break
        try:
            return translation.get_supported_language_variant(code)
        except LookupError:
            continue
    return settings.LANGUAGE_CODE
