"""How the tests call the email service."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.models import User

from mailconfig.models import Tenant, TenantMailConfig
from mailconfig.values import Secret
from tests.bearer import client_of
from tests.factories import account_values
from tests.servers.chaos import ChaosServer

PREFIX = "/email-service"
MAIL = {
    "recipient": "customer@example.net",
    "subject": "Your order",
    "message": "Thank you.\nIt is on its way.\n",
}
LOGIN = "mailer@acme.example"
PASSWORD = "not-a-real-password"


def call(
    user: User | None,
    method: str,
    path: str,
    body: Any = None,
    *,
    tenant: str | None = "acme",
    **headers: str,
) -> Any:
    """The answer. ``tenant``: of the header; ``None``: there is none. Names of further headers have underscores."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return client_of(user).generic(
        method,
        path if path.startswith("http") else f"{PREFIX}/{path}",
        "" if body is None else json.dumps(body),
        content_type="application/json",
        headers={**({} if tenant is None else {"Tenant": tenant}), **given},
    )


def send(user: User | None, body: Any = MAIL, **how: Any) -> Any:
    """Send a mail."""
    return call(user, "POST", "send-email", body, **how)


def ask_test_mail(user: User | None, **values: Any) -> Any:
    """Ask for a test mail with these values."""
    return call(user, "POST", "send-test-email", {"email": "someone@example.net", **values})


def validate(user: User | None, server: ChaosServer | None = None, **values: Any) -> Any:
    """Try out credentials."""
    where = {} if server is None else server_of(server)
    return call(user, "POST", "validate-credentials", {**where, **values})


def server_of(server: ChaosServer) -> dict[str, str]:
    """A server by its fields."""
    return {"smtp_host": "127.0.0.1", "smtp_port": str(server.port)}


def configure(tenant: Tenant, server: ChaosServer | None = None, **values: Any) -> TenantMailConfig:
    """The tenant's configuration, which logs in at the server by STARTTLS."""
    plain = {
        "from_email": "noreply@acme.example",
        "from_name": "Acme",
        "security": "starttls",
        "username": LOGIN,
        "secret": Secret(PASSWORD),
        **values,
    }
    plain = account_values(server.port if server else 2525, **plain)
    return TenantMailConfig.objects.create(tenant=tenant, **{**plain, "kind": "tenant_config"})


def said(answer: Any, status: int) -> str:
    """The message of an answer that has nothing else."""
    assert answer.status_code == status, answer.content
    body = answer.json()
    assert set(body) == {"message"}
    message: str = body["message"]
    return message
