"""Mail servers, people and requests for the tests of this surface."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from pytest_django import Settings

from mailconfig.models import Account, OutboundEmail, Scope, Tenant
from mailconfig.values import Secret
from tests.bearer import client_of
from tests.factories import make_user
from tests.servers.certificates import Certificates
from tests.servers.chaos import ChaosServer

URL = "/rest/v10/OutboundEmail"
TEST_URL = f"{URL}/testUserOverride"
USERNAME = "foo@mail.test"
PASSWORD = "canary-not-a-real-password"
OTHER_PASSWORD = "canary-another-not-real-password"


@pytest.fixture(scope="session")
def certificates() -> Iterator[Certificates]:
    """An authority of our own."""
    found = Certificates()
    yield found
    found.close()


@pytest.fixture(autouse=True)
def deployment(settings: Settings, certificates: Certificates) -> None:
    """Loopback is allowed, our authority trusted, a plain login not."""
    settings.MAILCONFIG = {
        "ALLOWED_NETWORKS": ["127.0.0.0/8"],
        "ALLOWED_PORTS": None,
        "CA_FILE": certificates.ca_file,
        "PROBE_SECONDS": 5.0,
    }


@pytest.fixture
def server(certificates: Certificates) -> Iterator[ChaosServer]:
    """A server with TLS from the first byte and a login, as the seed's."""
    with ChaosServer(
        tls=certificates.good, credentials={USERNAME: PASSWORD, "bar@mail.test": PASSWORD}
    ) as running:
        yield running


@pytest.fixture
def plain() -> Iterator[ChaosServer]:
    """A server without TLS or login."""
    with ChaosServer() as running:
        yield running


@pytest.fixture
def acme() -> Tenant:
    """The tenant of Alice and Bob."""
    return Tenant.objects.create(slug="acme", name="Acme")


@pytest.fixture
def alice(acme: Tenant) -> User:
    """The owner."""
    user = make_user("alice")
    acme.members.add(user)
    return user


@pytest.fixture
def bob(acme: Tenant) -> User:
    """Her colleague, without any permission."""
    user = make_user("bob")
    acme.members.add(user)
    return user


@pytest.fixture
def charlie() -> User:
    """A stranger with every permission, in a tenant of his own."""
    user = make_user("charlie")
    permit(user, "view", "change", "delete")
    Tenant.objects.create(slug="other", name="Other").members.add(user)
    return user


@pytest.fixture
def staff() -> User:
    """Staff: told the server's own words."""
    return make_user("staff", is_staff=True)


@pytest.fixture
def root() -> User:
    """A superuser, who is no staff and no member of anything."""
    return make_user("root", is_superuser=True)


def permit(user: User, *actions: str) -> None:
    """Give the model permissions of outbound e-mails."""
    names = [f"{action}_outboundemail" for action in actions]
    user.user_permissions.add(*Permission.objects.filter(codename__in=names))


def seed(server: ChaosServer | None, **values: Any) -> dict[str, Any]:
    """The seed's own request, at a server of ours; ``None`` leaves a field out."""
    body = {
        "name": "My Exchange Account",
        "mail_smtptype": "exchange",
        "mail_smtpserver": "127.0.0.1",
        "mail_smtpport": server.port if server else 465,
        "mail_smtpuser": USERNAME,
        "mail_smtppass": PASSWORD,
        "mail_smtpauth_req": True,
        "mail_smtpssl": "1",
    }
    return {name: value for name, value in (body | values).items() if value is not ...}


def stored(server: ChaosServer | None, owner: User | None, **values: Any) -> Account:
    """An account as the seed's request makes it."""
    columns = {
        "name": "My Exchange Account",
        "owner": owner,
        "tenant": owner.mail_tenants.first() if owner else None,
        "preset": "exchange_online",
        "host": "127.0.0.1",
        "port": server.port if server else 465,
        "security": "tls",
        "authentication": "password",
        "username": USERNAME,
        "secret": Secret(PASSWORD),
    }
    account = OutboundEmail(**columns | values)
    account.save()
    return Account.objects.get(pk=account.pk)


def stored_system(server: ChaosServer | None, **values: Any) -> Account:
    """The system account."""
    return stored(server, None, scope=Scope.SYSTEM, name="System", username="system@mail.test", **values)


def stored_override(owner: User, **values: Any) -> Account:
    """Own credentials for the system account's server."""
    return stored(
        None,
        owner,
        **{"scope": Scope.SYSTEM_OVERRIDE, "name": "Mine", "preset": "", "host": "", "port": 587, **values},
    )


def at(account: Account) -> str:
    """Where the account is."""
    return f"{URL}/{account.uuid}"


def put(user: User | None, account: Account, body: object) -> Any:
    """Change it."""
    return client_of(user).put(at(account), json.dumps(body), content_type="application/json")


def post(user: User | None, body: object, url: str = URL) -> Any:
    """Make one."""
    return client_of(user).post(url, json.dumps(body), content_type="application/json")


def row_of(account: Account) -> dict[str, Any]:
    """What is stored, token and all."""
    return dict(OutboundEmail.objects.values().get(pk=account.pk))
