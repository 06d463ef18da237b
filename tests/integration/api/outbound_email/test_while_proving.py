"""What others do to a row while the mail server is asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.db import connection
from pytest_django import Settings

from mailconfig.models import Account
from mailconfig.secrets.rotation import rotate
from mailconfig.values import Secret
from tests.integration.api.outbound_email.conftest import (
    PASSWORD,
    put,
    row_of,
    stored,
    stored_override,
    stored_system,
)
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Close

pytestmark = pytest.mark.django_db(transaction=True)


def during_login(server: ChaosServer, act: Callable[[], object]) -> None:
    """Have the server do this before it answers the login, in its own thread."""

    def once(_line: str) -> bool:
        act()
        connection.close()
        return False

    server.on("auth", Close(), when=once)  # which never happens: it returns False


def test_a_password_is_not_sealed_for_a_system_server_that_was_not_proved(
    server: ChaosServer, alice: User
) -> None:
    system = stored_system(server)
    override = stored_override(alice)
    before = row_of(override)

    def move() -> None:
        moved = Account.objects.get(pk=system.pk)
        moved.host, moved.secret = "elsewhere.test", Secret(PASSWORD)
        moved.save()

    during_login(server, move)

    answer = put(alice, override, {"mail_smtppass": PASSWORD})

    assert (answer.status_code, answer.json()["error"]) == (422, "edit_conflict")
    assert row_of(override) == before


def test_a_key_that_was_rotated_meanwhile_does_not_come_back(
    server: ChaosServer, alice: User, settings: Settings
) -> None:
    account = stored(server, alice)
    old = settings.FIELD_ENCRYPTION_KEY
    new = Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEY = [new, old]
    during_login(server, rotate)

    assert put(alice, account, {"name": "New"}).status_code == 200

    settings.FIELD_ENCRYPTION_KEY = [new]
    assert put(alice, account, {"name": "Newer"}).status_code == 200
    assert [attempt[2] for attempt in server.auth_attempts] == [PASSWORD] * 2
