"""The OpenAPI documents: one a surface, one of all. What the host set for documents of its own does not reach them."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from typing import Any

from django.utils import translation
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from mailconfig.conf import get_settings

from .negotiation import HeaderNegotiation, PlainJSONRenderer
from .schema import BEARER, writing_our_own
from .unions import normalise_unions

Endpoint = tuple[str, str, str, Any]

TAGS = {
    "email_service": "Mail that a tenant's programs send.",
    "outbound_email": "A user's own ways to send mail.",
    "mailboxes": "Mailboxes that send, and shall sync.",
    "providers": "The back office's connections to mail services.",
    "tenant_config": "A tenant's mail configuration.",
}
"""What each surface is about; a surface is a tag."""

_patching = threading.Lock()
"""drf-spectacular's settings are the process's: one document after another."""


def only_switched_on(endpoints: list[Endpoint]) -> list[Endpoint]:
    """The endpoints of surfaces that are switched on; the documents themselves are none."""
    surfaces = get_settings().surfaces
    return [endpoint for endpoint in endpoints if getattr(endpoint[3].cls, "surface", None) in surfaces]


def finished(result: dict[str, Any], **_others: Any) -> dict[str, Any]:
    """The document as readers want it: its unions settled, its tags explained.

    And without what drf-spectacular notes for a later step of its own.
    """
    _drop(result, "x-spec-enum-id")
    normalise_unions(result)
    operations = (operation for item in result["paths"].values() for operation in item.values())
    used = {tag for operation in operations for tag in operation["tags"]}
    result["tags"] = [{"name": tag, "description": TAGS[tag]} for tag in sorted(used)]
    return result


def _drop(node: Any, name: str) -> None:
    if isinstance(node, dict):
        node.pop(name, None)
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _drop(inner, name)


def settings_for(title: str) -> dict[str, Any]:
    """drf-spectacular's settings for a document of ours."""
    return {
        "TITLE": title,
        "DESCRIPTION": "Mail accounts that are proved, encrypted, and send within their limits.",
        "VERSION": version("mailconfig"),
        "OAS_VERSION": "3.0.3",
        "SCHEMA_PATH_PREFIX": "",
        "SCHEMA_PATH_PREFIX_TRIM": False,
        "SCHEMA_PATH_PREFIX_INSERT": "",
        "SERVERS": [],
        "SECURITY": [],
        "TAGS": [],
        "EXTERNAL_DOCS": {},
        "CONTACT": {},
        "LICENSE": {"name": "MIT", "url": "https://opensource.org/license/mit"},
        "EXTENSIONS_INFO": {},
        "EXTENSIONS_ROOT": {},
        "APPEND_COMPONENTS": {"securitySchemes": {BEARER: {"type": "http", "scheme": "bearer"}}},
        "COMPONENT_SPLIT_REQUEST": True,
        "COMPONENT_SPLIT_PATCH": True,
        "COMPONENT_NO_READ_ONLY_REQUIRED": False,
        "ENUM_NAME_OVERRIDES": {},
        "GENERIC_ADDITIONAL_PROPERTIES": "dict",
        "CAMELIZE_NAMES": False,
        "SORT_OPERATIONS": True,
        "SORT_OPERATION_PARAMETERS": True,
        "PREPROCESSING_HOOKS": [f"{__name__}.only_switched_on"],
        "POSTPROCESSING_HOOKS": [f"{__name__}.finished"],
        "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
        "AUTHENTICATION_WHITELIST": None,
        "PARSER_WHITELIST": None,
        "RENDERER_WHITELIST": None,
    }


def document(urlconf: str, title: str) -> dict[str, Any]:
    """The document of what ``urlconf`` routes to, in English; paths are those below where it is included."""
    return copy.deepcopy(_document(urlconf, title, get_settings().surfaces))


@contextmanager
def _our_own() -> Iterator[None]:
    token = writing_our_own.set(True)
    try:
        yield
    finally:
        writing_our_own.reset(token)


@cache
def _document(urlconf: str, title: str, surfaces: tuple[str, ...]) -> dict[str, Any]:
    with _patching, translation.override("en"), patched_settings(settings_for(title)), _our_own():
        made: dict[str, Any] = SchemaGenerator(urlconf=urlconf).get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
        return made


class DocumentView(APIView):
    """Serves a document to everybody: it says nothing that the package does not say.

    Attributes:
        urlconf: of which it speaks.
        title: its own.
        below: the document's place below where ``urlconf`` is included, from which that place is known.
    """

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()
    renderer_classes = (PlainJSONRenderer,)
    content_negotiation_class = HeaderNegotiation
    versioning_class = None
    metadata_class = None
    schema = None
    """It describes, and is not described."""

    urlconf = ""
    title = ""
    below = ""

    def get(self, request: Request) -> Response:
        """The document, its server being the place where the surface is mounted."""
        found = document(self.urlconf, self.title)
        found["servers"] = [{"url": request.path.removesuffix(self.below).rstrip("/") or "/"}]
        return Response(found)
