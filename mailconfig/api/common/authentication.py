"""Authentication: the host project's own DRF authentication, with one manner of refusing for all of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from django.utils.module_loading import import_string
from rest_framework.authentication import (
    BaseAuthentication,
    BasicAuthentication,
    RemoteUserAuthentication,
    SessionAuthentication,
)
from rest_framework.request import Request
from rest_framework.settings import api_settings

from mailconfig.conf import get_settings

CHALLENGE = "Bearer"
"""RFC 6750 §3."""
UNASKED = (SessionAuthentication, BasicAuthentication, RemoteUserAuthentication)
"""Take what a browser sends of its own accord, also in a request that another site makes it send."""


def authenticators(*, cookies: bool = True) -> list[BaseAuthentication]:
    """Return the classes that ``MAILCONFIG["API_AUTHENTICATION"]`` names, else those of the host's DRF settings.

    Args:
        cookies: false leaves out session logins and whatever else browsers send unasked, for a GET that has effects.
    """
    named = get_settings().api_authentication
    default = cast("list[type[BaseAuthentication]]", api_settings.DEFAULT_AUTHENTICATION_CLASSES)
    classes = [import_string(path) for path in named] if named else default
    made: list[BaseAuthentication] = [made_by() for made_by in classes]
    return [one for one in made if cookies or not isinstance(one, UNASKED)]


def challenge(taking_part: Iterable[BaseAuthentication], request: Request) -> str:
    """Return the value of WWW-Authenticate, which is never empty: a refusal is a 401 and never a 403."""
    offered = [one.authenticate_header(request) for one in taking_part]
    bearer = [header for header in offered if header and header.lower().startswith("bearer")]
    return bearer[0] if bearer else next((header for header in offered if header), CHALLENGE)
