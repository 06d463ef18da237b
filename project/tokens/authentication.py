"""``Authorization: Bearer <token>``, for tokens of django-rest-knox."""

from __future__ import annotations

import re
from typing import Any

from django.utils.translation import gettext_lazy as _
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

SCHEME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
"""A ``token`` of RFC 9110 §5.6.2, no longer than any scheme there is."""
TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{16,255}=*")
"""The ``b64token`` of RFC 6750 §2.1, within reason: knox looks for the first 15 characters and hashes all."""


class BearerAuthentication(TokenAuthentication):  # type: ignore[misc] # knox has no types
    """Knox's own, with a 401 for whatever cannot be a token.

    Knox decodes the token as UTF-8 and looks for it as it is, which ends in a 500 for other bytes, and for a NUL on
    PostgreSQL. A well-formed header of another scheme is left to other classes, as DRF wants it: a proxy's
    ``Basic`` login must not keep browsers with a session out.
    """

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """The user and the stored token; ``None`` without a header, or with one of another scheme.

        Raises:
            AuthenticationFailed: the header is malformed, or its token unknown, expired or of an inactive user.
        """
        header = str(request.META.get("HTTP_AUTHORIZATION", ""))
        if not header.strip(" \t"):
            return None
        scheme, _space, token = header.strip(" \t").partition(" ")
        if not SCHEME.fullmatch(scheme):
            raise AuthenticationFailed(_("Invalid token header."))
        if scheme.lower() != "bearer":
            return None
        token = token.strip(" ")
        if not TOKEN.fullmatch(token):
            raise AuthenticationFailed(_("Invalid token."))
        found: tuple[Any, Any] = self.authenticate_credentials(token.encode("ascii"))
        return found

    def authenticate_header(self, request: Request) -> str:
        """The challenge that goes out with a 401."""
        return "Bearer"
