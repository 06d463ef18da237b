"""A provider to call for, and what every refusal of the providers' surface looks like."""

from __future__ import annotations

from typing import Any

from mailconfig.models import SMTPProvider
from mailconfig.values import Secret

URL = "/api/v2/mail/providers"
BODY = {
    "caption": "Shop",
    "driver": "smtp",
    "host": "smtp.example.com",
    "port": 587,
    "username": "shop@mail.test",
    "password": "not-a-real-password",
    "sendFrom": "shop@example.com",
    "sendFromName": "The shop",
    "encryption": "tls",
    "isEnabled": True,
}


def make_provider(**values: Any) -> SMTPProvider:
    """A stored provider that logs in with a password."""
    plain = {
        "name": "Shop",
        "host": "127.0.0.1",
        "port": 2525,
        "username": "shop@mail.test",
        "secret": Secret("not-a-real-password"),
        "from_email": "shop@example.com",
        "from_name": "The shop",
    }
    return SMTPProvider.objects.get(pk=SMTPProvider.objects.create(**plain | values).pk)


def refused(response: Any, status: int) -> Any:
    """The body of a refusal, which is in the surface's envelope and carries what every answer does."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"
    assert {"Accept-Language", "Authorization"} <= set(response["Vary"].split(", "))
    assert response["X-Request-ID"]
    assert response["Content-Language"]
    body = response.json()
    assert set(body) <= {"message", "errors", "code", "stage"}
    assert body["message"]
    assert ("errors" in body) == (status in {400, 422})
    return body
