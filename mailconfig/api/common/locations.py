"""URLs that answers name."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.reverse import reverse


def url_of(request: Request, route: str, **kwargs: Any) -> str:
    """Return the URL of a route of the surface that answers, wherever and under whatever namespace the host mounted it.

    Args:
        route: its name in the surface's ``urls``.
        kwargs: what the route takes.
    """
    match = request.resolver_match
    name = ":".join([*(match.namespaces if match else []), route])
    return reverse(name, kwargs=kwargs, request=request)
