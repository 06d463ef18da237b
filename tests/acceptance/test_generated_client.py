"""A client made from our OpenAPI document by a program that knows nothing else of us."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from mailconfig.models import Account
from tests.bearer import PREFIX
from tests.factories import make_account, make_tenant, make_user
from tests.servers.chaos import ChaosServer

LOGIN = "me@example.com"
PASSWORD = "not-a-real-password"
PACKAGE = "generated_mailconfig_client"

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The generated package; the generator has nothing to complain of."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "openapi.json").write_bytes(Client().get("/mailconfig/openapi.json").content)
    programs = Path(sys.executable).parent
    generate = [str(programs / "openapi-python-client"), "generate", "--path", "openapi.json"]
    made = subprocess.run(
        [*generate, "--output-path", PACKAGE, "--meta", "none", "--fail-on-warning"],
        cwd=folder,
        env=os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    sys.path.insert(0, str(folder))
    yield importlib.import_module(PACKAGE)
    sys.path.remove(str(folder))


@pytest.fixture
def server() -> Iterator[ChaosServer]:
    """A mail server that takes LOGIN with PASSWORD."""
    with ChaosServer(credentials={LOGIN: PASSWORD}, auth_in_clear=True) as server:
        yield server


@pytest.fixture
def alice(db: None) -> User:
    """May do everything."""
    return make_user("alice", is_staff=True, is_superuser=True)


class Calls:
    """The generated functions by operation id, as the client of one user."""

    def __init__(self, package: ModuleType, url: str, user: User) -> None:
        self._package = package
        token = f"{PREFIX}{user.get_username()}"
        self._client = package.AuthenticatedClient(base_url=url, token=token, raise_on_unexpected_status=True)

    def close(self) -> None:
        """End its connections."""
        self._client.get_httpx_client().close()

    def __call__(self, surface: str, operation: str, *keys: Any, body: Any = None, **query: Any) -> Any:
        """The response of an operation: ``status_code`` and ``parsed``."""
        module = importlib.import_module(f"{PACKAGE}.api.{surface}.{operation}")
        arguments: dict[str, Any] = {"client": self._client, **query}
        if body is not None:
            arguments["body"] = body
        return module.sync_detailed(*keys, **arguments)

    def model(self, name: str, /, **values: Any) -> Any:
        """A body of a generated class."""
        return getattr(importlib.import_module(f"{PACKAGE}.models"), name).from_dict(values)


@pytest.fixture
def call(package: ModuleType, live_server: LiveServer, alice: User) -> Iterator[Calls]:
    """Alice's client."""
    calls = Calls(package, live_server.url, alice)
    yield calls
    calls.close()


def test_a_generated_client_keeps_providers(call: Calls, server: ChaosServer) -> None:
    values = {
        "driver": "smtp",
        "host": "127.0.0.1",
        "port": server.port,
        "username": LOGIN,
        "password": PASSWORD,
        "sendFrom": LOGIN,
        "sendFromName": "Shop",
        "encryption": "tls",
        "isEnabled": True,
        "caption": "Ours",
    }
    made = call("providers", "create_provider", body=call.model("ProviderRequest", **values))
    assert made.status_code == 201
    key = str(made.parsed.id)
    assert [one.id for one in call("providers", "list_providers", limit=5).parsed] == [made.parsed.id]

    # The server offers no STARTTLS, which "tls" asks for; an administrator may allow what no client can ask for.
    refused = call("providers", "check_provider", key)
    assert (refused.status_code, refused.parsed.code) == (422, "tls_failed")
    assert refused.parsed.errors["encryption"]

    changed = call(
        "providers", "update_provider", key, body=call.model("PatchedProviderRequest", caption="Yours")
    )
    assert (changed.status_code, changed.parsed.caption) == (200, "Yours")
    assert call("providers", "get_provider", key).parsed.caption == "Yours"
    assert call("providers", "delete_provider", key).status_code == 204
    assert call("providers", "get_provider", key).status_code == 404
    assert not Account.objects.kept().exists()


def test_a_generated_client_configures_a_tenant(
    call: Calls, server: ChaosServer, alice: User, settings: Any
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "REQUIRE_HTTPS": False}
    make_tenant(slug="acme")
    values = {
        "host": "127.0.0.1",
        "port": str(server.port),
        "from": LOGIN,
        "user": LOGIN,
        "password": PASSWORD,
        "ssl": "false",
        "starttls": False,
    }
    saved = call(
        "tenant_config",
        "post_realm_config",
        "acme",
        body=call.model("TenantMailConfigRequest", **values),
    )
    assert (saved.status_code, saved.parsed.status) == (200, "OK")

    mail = call.model("TenantTestMailRequest", mailType="TEST")
    sent = call("tenant_config", "post_realm_test", "acme", body=mail)
    assert (sent.status_code, sent.parsed.status) == (200, "OK")
    assert [message.recipients for message in server.messages] == [(alice.email,)]

    refused = call("tenant_config", "post_realm_test", "nowhere", body=mail)
    assert (refused.status_code, refused.parsed.message) == (404, "Tenant not found")


def test_a_generated_client_keeps_outbound_emails(call: Calls, server: ChaosServer) -> None:
    values = {
        "name": "Ours",
        "mail_smtpserver": "127.0.0.1",
        "mail_smtpport": server.port,
        "mail_smtpuser": LOGIN,
        "mail_smtppass": PASSWORD,
        "mail_smtpauth_req": True,
        "mail_smtpssl": "0",
    }
    made = call(
        "outbound_email", "create_outbound_email", body=call.model("OutboundEmailRequest", **values)
    ).parsed
    assert (made.mail_smtpport, made.mail_smtppass, made.type_) == (server.port, True, "user")
    page = call("outbound_email", "list_outbound_emails", max_num=5, order_by="name:DESC").parsed
    assert ([one.id for one in page.records], page.next_offset) == ([made.id], -1)

    changed = call(
        "outbound_email",
        "update_outbound_email",
        str(made.id),
        body=call.model("PatchedOutboundEmailRequest", name="Yours"),
    )
    assert (changed.status_code, changed.parsed.name) == (200, "Yours")
    assert changed.parsed.mail_smtpport == server.port, "a change sends no defaults"

    wrong = call.model("PatchedOutboundEmailRequest", mail_smtppass="wrong")
    refused = call("outbound_email", "update_outbound_email", str(made.id), body=wrong)
    assert (refused.status_code, refused.parsed.error) == (422, "smtp_server_error")

    trial = {"to_address": LOGIN, "mail_smtpuser": LOGIN, "mail_smtppass": PASSWORD}
    body = call.model("OutboundEmailOverrideTestRequest", **trial)
    told = call("outbound_email", "test_outbound_email_override", body=body).parsed
    assert (told.status, "no system account" in told.error_message) == (False, True)

    assert call("outbound_email", "get_outbound_email", str(made.id)).parsed.name == "Yours"
    assert call("outbound_email", "delete_outbound_email", str(made.id)).parsed.id == made.id
    assert call("outbound_email", "get_outbound_email", str(made.id)).status_code == 404


def test_a_generated_client_sends_a_tenants_mail(call: Calls, server: ChaosServer) -> None:
    values = {"security": "none", "from_email": LOGIN}
    make_account(server.port, kind="tenant_config", tenant=make_tenant(slug="acme"), **values)
    mail = call.model(
        "SendEmailRequest", recipient="customer@example.net", subject="Order", message="Two\nlines"
    )

    first, again = (
        call("email_service", "send_email", body=mail, tenant="acme", request_id="order-1") for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.parsed.message == again.parsed.message
    assert first.headers["Location"] == again.headers["Location"]
    other = call.model("SendEmailRequest", recipient="customer@example.net")
    assert (
        call("email_service", "send_email", body=other, tenant="acme", request_id="order-1").status_code
        == 409
    )

    key = first.headers["Location"].rpartition("/")[2]
    shown = call("email_service", "get_email_message", key, tenant="acme").parsed
    assert (str(shown.id), shown.state, shown.code, shown.next_at) == (key, "queued", "busy", None)
    assert call("email_service", "cancel_email_message", key, tenant="acme").status_code == 204
    assert call("email_service", "get_email_message", key, tenant="acme").parsed.state == "cancelled"
    assert call("email_service", "get_email_message", key, tenant="nobody").status_code == 404

    test_mail = call.model("SendTestEmailRequest", email="someone@example.net", from_name="Shop")
    assert call("email_service", "send_test_email", body=test_mail, tenant="acme").status_code == 200
    assert [message.recipients for message in server.messages] == [("someone@example.net",)]

    login = {"smtp_host": "127.0.0.1", "smtp_port": str(server.port), "smtp_user": LOGIN}
    for password, works in ((PASSWORD, True), ("wrong", False)):
        body = call.model("ValidateCredentialsRequest", **login, smtp_pass=password)
        told = call("email_service", "validate_credentials", body=body, tenant="acme")
        assert (told.status_code, told.parsed.success) == (200, works)
