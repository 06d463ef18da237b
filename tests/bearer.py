"""How the tests' host project lets API clients in: by a token that names the user, and as that user's client."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.test import APIClient

from mailconfig import delivery

PREFIX = "token-of-"


class BearerAuthentication(TokenAuthentication):
    """Takes ``Bearer token-of-<user name>``."""

    keyword = "Bearer"

    def authenticate_credentials(self, key: str) -> tuple[Any, Any]:
        """The active user that the token names."""
        name = key.removeprefix(PREFIX) if key.startswith(PREFIX) else ""
        user = get_user_model().objects.filter(username=name, is_active=True).first()
        if user is None:
            raise AuthenticationFailed
        return user, key


def client_of(user: User | None) -> APIClient:
    """An API client with the user's token, or without any. A fault of ours is an answer, not an exception.

    The user is known to be there: noting that costs the first call of a minute some statements, whatever it asks for.
    """
    client = APIClient(raise_request_exception=False)
    if user is not None:
        delivery.note_activity(user)
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {PREFIX}{user.get_username()}")
    return client
