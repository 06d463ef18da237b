"""The API's document for people to read and try: Swagger UI and ReDoc, out of packages, nothing from elsewhere."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from drf_spectacular.views import SpectacularRedocView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny

DOCUMENT = "mailconfig-openapi"
"""The URL of the document in ``mailconfig.urls``."""
TITLE = "mailconfig API"
POLICY = {
    "default-src": "'self'",
    "img-src": "'self' data:",
    # Both write style elements, ReDoc all the time.
    "style-src": "'self' 'unsafe-inline'",
    # ReDoc's search runs in a worker that it makes of a string.
    "worker-src": "blob:",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}


class _BoundToThisServer:
    """A page with a policy for the browser.

    ReDoc asks a server of its makers for a logo, whatever its options are: the policy refuses, and it does without.
    """

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer as the view does, with the policy."""
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        response["Content-Security-Policy"] = "; ".join(f"{name} {value}" for name, value in POLICY.items())
        return response


# Open to everybody, as the document says nothing of anybody.
class SwaggerPage(_BoundToThisServer, SpectacularSwaggerSplitView):
    """Reads, and tries: with the session of whoever is logged in, or with a token. Its script is an URL of its own."""

    authentication_classes = []
    permission_classes = [AllowAny]
    template_name = "project/swagger.html"
    title = TITLE
    url_name = DOCUMENT


class RedocPage(_BoundToThisServer, SpectacularRedocView):
    """Reads."""

    authentication_classes = []
    permission_classes = [AllowAny]
    template_name = "project/redoc.html"
    title = TITLE
    url_name = DOCUMENT
