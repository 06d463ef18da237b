"""What others store while a connection is proved: the same for the admin and for a REST surface."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from mailconfig.delivery import delete_account
from mailconfig.models import Account
from mailconfig.values import Secret
from tests.bearer import client_of
from tests.factories import make_account, make_user
from tests.integration.admin.pages import admin_url, entered
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Close

from .conftest import PASSWORD, USERNAME

pytestmark = pytest.mark.django_db(transaction=True)

OLD = "not-the-password-any-more"


@dataclass
class Admin:
    """Alice at the account's page, opened before anything happens."""

    user: User
    account: Account

    def __post_init__(self) -> None:
        self.browser = Client()
        self.browser.force_login(self.user)
        self.url = admin_url("outboundemail", "change", self.account.pk)
        self.page = entered(self.browser, self.url)

    def enter_password(self) -> str:
        """Save the page with a password: ``stored``, or why not."""
        answer = self.browser.post(self.url, self.page | {"secret": PASSWORD})
        if answer.status_code == 302:
            return "stored" if answer.headers["Location"] == admin_url("outboundemail") else "gone"
        assert PASSWORD not in answer.content.decode()
        return " ".join(str(error) for error in answer.context["adminform"].form.errors.values())


@dataclass
class Surface:
    """The same person's program."""

    user: User
    account: Account

    def enter_password(self) -> str:
        """Send a password: ``stored``, or why not."""
        answer = client_of(self.user).put(
            f"/rest/v10/OutboundEmail/{self.account.uuid}",
            json.dumps({"mail_smtppass": PASSWORD}),
            content_type="application/json",
        )
        return "stored" if answer.status_code == 200 else str(answer.json()["error_message"])


@pytest.fixture
def alice() -> User:
    """May do everything, in the admin too."""
    return make_user("alice", is_staff=True, is_superuser=True)


@pytest.fixture
def system(starttls: ChaosServer) -> Account:
    """The system account at the server that is proved."""
    return make_account(
        starttls.port, scope="system", security="starttls", username="system@mail.test", name="System"
    )


@pytest.fixture
def override(system: Account, alice: User) -> Account:
    """Alice's own credentials there."""
    values: dict[str, Any] = {"scope": "system-override", "host": "", "owner": alice, "secret": Secret(OLD)}
    return make_account(587, username=USERNAME, name="Own", **values)


def meanwhile(server: ChaosServer, verb: str, act: Callable[[], object]) -> None:
    """Have somebody else do this once, before the server answers ``verb``."""
    waiting = [act]

    def once(_line: str) -> bool:
        if waiting:
            waiting.pop()()
            connection.close()
        return False

    server.on(verb, Close(), when=once)  # which never happens: it returns False


def change(account: Account, **values: Any) -> Callable[[], None]:
    """Somebody else stores these values."""

    def act() -> None:
        row = Account.objects.get(pk=account.pk)
        for name, value in values.items():
            setattr(row, name, value)
        row.save()

    return act


def row_of(account: Account) -> dict[str, Any]:
    """What is stored, token and all."""
    return dict(Account.objects.values().get(pk=account.pk))


@pytest.mark.parametrize("interface", [Admin, Surface])
@pytest.mark.parametrize("verb", ["auth", "quit"])
@pytest.mark.parametrize("move", [{"port": 9}, {"host": "localhost"}], ids=["port", "host"])
def test_a_password_proved_at_one_system_server_is_not_sealed_for_another(
    starttls: ChaosServer,
    alice: User,
    system: Account,
    override: Account,
    interface: type[Admin | Surface],
    verb: str,
    move: dict[str, Any],
) -> None:
    person = interface(alice, override)
    before = row_of(override)
    meanwhile(starttls, verb, change(system, secret=Secret(PASSWORD), **move))

    assert "Somebody else changed this at the same moment" in person.enter_password()

    assert row_of(override) == before
    back = {"host": system.host, "port": system.port, "secret": Secret(PASSWORD)}
    change(system, **back)()
    assert person.enter_password() == "stored"
    secret = Account.objects.get(pk=override.pk).transport_settings().secret
    assert secret is not None
    assert secret.reveal() == PASSWORD


@pytest.mark.parametrize("interface", [Admin, Surface])
@pytest.mark.parametrize("what", ["renamed", "deleted", "system deleted"])
def test_what_somebody_else_did_to_the_row_meanwhile_is_not_undone(
    starttls: ChaosServer,
    alice: User,
    system: Account,
    override: Account,
    interface: type[Admin | Surface],
    what: str,
) -> None:
    person = interface(alice, override)
    acts: dict[str, Callable[[], object]] = {
        "renamed": change(override, name="Theirs"),
        "deleted": lambda: delete_account(account_id=override.pk, by=None),
        "system deleted": lambda: delete_account(account_id=system.pk, by=None),
    }
    meanwhile(starttls, "quit", acts[what])

    assert person.enter_password() != "stored"

    row = Account.objects.get(pk=override.pk)
    assert (row.name == "Theirs") is (what == "renamed")
    assert (row.deleted_at is not None) is (what == "deleted")
    assert len(starttls.auth_attempts) == 1
