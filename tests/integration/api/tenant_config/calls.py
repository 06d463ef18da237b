"""How the tests call the surface, and what it answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Permission, User

from mailconfig.models import TenantMailConfig
from tests.bearer import client_of
from tests.factories import make_user
from tests.servers.chaos import ChaosServer

DOMAIN = "localhost"
SEED = {
    "replyToDisplayName": "Receiver",
    "starttls": "true",
    "port": "587",
    "host": "smtp.gmail.com",
    "replyTo": "answers@acme.example",
    "from": "noreply@acme.example",
    "fromDisplayName": "From KC Test team",
    "envelopeFrom": "",
    "ssl": "false",
    "user": "mailer@acme.example",
    "password": "not-a-real-password",
}
"""The request of the surface's own page, with addresses where it shows masks."""
TEST = {"mailType": "TEST"}

IDENTITY = {
    "from": "noreply@acme.example",
    "fromDisplayName": "Büro Acme",
    "replyTo": "answers@acme.example",
    "replyToDisplayName": "Acme, answers",
    "envelopeFrom": "bounces@acme.example",
}
"""Who mail comes from, where answers and bounces go."""

OK = {"message": "Successfully updated SMTP Details", "status": "OK", "subSystem": 8}
SENT = {"message": "Mail Sent Successfully to the user", "status": "OK", "subSystem": 8}
MISSING = {
    "message": "Host and From is mandatory to update Email Configuration.",
    "status": "BAD_REQUEST",
    "subSystem": 8,
}
UNAUTHORIZED = {"message": "HTTP 401 Unauthorized", "status": "Unauthorized", "subSystem": 8}
NO_TENANT = {"message": "Tenant not found", "status": "NOT_FOUND", "subSystem": 8}
NO_CONFIG = {"message": "Mail configuration not found", "status": "NOT_FOUND", "subSystem": 8}
NO_USER = {"message": "User does not exist", "status": "USER_NOT_FOUND", "subSystem": 8}


@dataclass(frozen=True)
class Route:
    """One of the two ways in."""

    config_path: str
    test_path: str
    checks_path: str
    by_host: bool

    def post(
        self,
        user: User | None,
        path: str,
        body: Any,
        *,
        tenant: str = "acme",
        secure: bool = True,
        method: str = "POST",
        content_type: str = "application/json",
        **headers: Any,
    ) -> Any:
        """The answer. ``body``: bytes and text as they are, all else as JSON."""
        raw = body if isinstance(body, bytes | str) else json.dumps(body)
        host = f"{tenant}.{DOMAIN}" if self.by_host else DOMAIN
        return client_of(user).generic(
            method,
            path.replace("{tenant}", tenant),
            raw,  # type: ignore[arg-type] # bytes are taken as well
            content_type=content_type,
            secure=secure,
            **{"HTTP_HOST": host, **headers},
        )

    def configure(self, user: User | None, body: Any, **how: Any) -> Any:
        """Write the configuration."""
        return self.post(user, self.config_path, body, **how)

    def send_test(self, user: User | None, body: Any = TEST, **how: Any) -> Any:
        """Ask for a test mail."""
        return self.post(user, self.test_path, body, **how)

    def read_check(self, user: User | None, uuid: str, **how: Any) -> Any:
        """Read a check."""
        return self.post(user, self.checks_path + uuid, b"", method="GET", **how)


BY_HOST = Route("/digitanium/v4/mail/config", "/digitanium/v4/mail/test", "/digitanium/v4/mail/checks/", True)
BY_PATH = Route(
    "/auth/realms/{tenant}/mail/setup",
    "/auth/realms/{tenant}/mail/test",
    "/auth/realms/{tenant}/mail/checks/",
    False,
)


def relay(server: ChaosServer, **values: Any) -> dict[str, Any]:
    """A configuration for a server that wants no login."""
    return {"host": "127.0.0.1", "port": str(server.port), **IDENTITY, **values}


def permitted(name: str, *actions: str, **values: Any) -> User:
    """A user with the model permissions of tenant configurations."""
    user = make_user(name, **values)
    names = [f"{action}_tenantmailconfig" for action in actions if action != "test_account"]
    names += [action for action in actions if action == "test_account"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return user


def config_of(slug: str = "acme") -> TenantMailConfig:
    """The one a tenant has."""
    return TenantMailConfig.objects.get(tenant__slug=slug, deleted_at=None)


def token_of(config: TenantMailConfig) -> str | None:
    """The stored password as the database holds it."""
    return getattr(config.secret, "token", None)


def stored() -> list[dict[str, Any]]:
    """All rows of the kind, whole, secrets sealed."""
    return [
        {
            name: str(value) if name != "secret" else getattr(value, "token", None)
            for name, value in row.items()
        }
        for row in TenantMailConfig.objects.order_by("pk").values()
    ]


def body_of(answer: Any) -> Any:
    """The JSON of an answer that has nothing but the envelope."""
    body = answer.json()
    assert set(body) == {"message", "status", "subSystem"}
    assert body["subSystem"] == 8
    return body
