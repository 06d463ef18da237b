"""Middleware for host projects."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from mailconfig import delivery


class ActivityMiddleware:
    """Notes who uses the application, so that their mailboxes are synced more often. It belongs behind that of authentication."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Take the next in line."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Note the user once the request is answered."""
        response = self._get_response(request)
        delivery.note_activity(getattr(request, "user", None))
        return response
