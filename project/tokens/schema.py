"""Names of the tokens in OpenAPI documents."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # registers itself when subclassed
    """``bearerAuth``: the scheme of :class:`BearerAuthentication`."""

    target_class = "project.tokens.authentication.BearerAuthentication"
    name = "bearerAuth"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """The ``securitySchemes`` entry."""
        return {"type": "http", "scheme": "bearer"}
