"""What host projects bring along: ways to log in, other places for the URLs."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from rest_framework.authentication import BaseAuthentication, TokenAuthentication, get_authorization_header
from rest_framework.exceptions import APIException
from rest_framework.request import Request


class CarelessAuthentication(BaseAuthentication):
    """Takes a user name as token, and trusts that it is text."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        """The user of that name."""
        _keyword, _space, token = get_authorization_header(request).partition(b" ")
        user = get_user_model().objects.filter(username=token.decode()).first() if token else None
        return (user, None) if user else None

    def authenticate_header(self, request: Request) -> str:
        """Its own scheme."""
        return "Careless"


class CookieTokenAuthentication(TokenAuthentication):
    """Reads its token from a cookie as well, as some projects do for their own pages."""

    keyword = "Bearer"

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """By header or cookie."""
        if name := request.COOKIES.get("token"):
            return get_user_model().objects.get(username=name), None
        return super().authenticate(request)

    def authenticate_credentials(self, key: str) -> tuple[Any, Any]:
        """The user of that name."""
        return get_user_model().objects.get(username=key), None


class Down(APIException):
    """The service that knows the users does not answer."""

    status_code = 503
    default_detail = "No logins now."


class DownAuthentication(BaseAuthentication):
    """Asks a service that is down."""

    def authenticate(self, request: Request) -> None:
        """Nobody."""
        raise Down
