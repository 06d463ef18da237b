"""A stored secret goes to the destination it was entered for, field by field, and to no other."""

from __future__ import annotations

from itertools import chain, combinations
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from mailconfig.exceptions import DestinationChanged
from mailconfig.models import Account, Mailbox, account_fields
from mailconfig.models.account_destination import DESTINATIONS, SECRET_COLUMNS, SecretName, fields_of
from mailconfig.secrets.fields import SealedSecret, SecretField
from mailconfig.secrets.keyring import KeyRing
from mailconfig.secrets.rotation import secret_fields
from mailconfig.values import Secret
from tests.factories import PASSWORD, make_account, make_user

pytestmark = pytest.mark.django_db

STORED: dict[str, Any] = {
    "send_method": "smtp",
    "host": "smtp.example.com",
    "port": 587,
    "security": "starttls",
    "authentication": "password",
    "username": "me@example.com",
}
OTHER: dict[str, Any] = {
    "send_method": "other",
    "host": "smtp.example.net",
    "port": 465,
    "security": "tls",
    "authentication": "oauth2",
    "username": "you@example.com",
}
CHANGES = [*((name,) for name in STORED), *combinations(STORED, 2)]
SERVER = [name for name in STORED if name not in {"username", "send_method"}]
OTHER_SECRET = Secret("another-not-real-password")


def stored(**values: Any) -> Account:
    """An account as it was read."""
    return Account.objects.get(pk=make_account(**{**STORED, **values}).pk)


def opened(account: Account) -> str:
    """The stored secret, where the account would use it now."""
    secret = Account.objects.get(pk=account.pk).transport_settings().secret
    assert secret is not None
    return secret.reveal()


def test_every_secret_of_an_account_has_a_destination_of_its_own_fields() -> None:
    columns = {field.name for field in Mailbox._meta.get_fields() if isinstance(field, SecretField)}
    assert set(SECRET_COLUMNS.values()) == columns
    assert set(SECRET_COLUMNS) == set(DESTINATIONS) == set(SecretName)
    for column in fields_of(SecretName.SMTP):
        Account._meta.get_field(column)
    for name in SecretName:
        assert all(hasattr(Mailbox(), column) for column in fields_of(name))
    rotated = {(field.name, field.binding) for field in secret_fields() if issubclass(Mailbox, field.model)}
    assert rotated == {(column, name) for name, column in SECRET_COLUMNS.items()}


def test_the_fields_of_these_tests_are_all_there_are() -> None:
    assert tuple(STORED) == fields_of(SecretName.SMTP) == account_fields.DESTINATION
    assert set(account_fields.PROVED) >= {*account_fields.CONNECTION, "secret"}


def test_a_token_that_an_earlier_version_stored_still_opens() -> None:
    key = "bWFpbGNvbmZpZy1waW5uZWQta2V5LW5vdC1zZWNyZXQ="
    token = (
        "gAAAAABrDEkf2K5SxeKrHlGwVFJzwELOK0zsWPDBJHOprtk1PdjyILVHbHwJZJrEN8b3Xu152A1d0NWybhtx8I13-_E1V-MSzm1q"
        "HRxpsGQuXL8FeWJEs_ew4NptEh0F-lO1UI5ZVWzx7kGFXfN3p5ZAuw_tFiPJfA=="
    )
    account = Account(**{**STORED, "host": "SMTP.example.com ", "username": "Me@example.com"})
    binding = account.secret_binding("smtp")
    assert binding == "smtp\x1fsmtp.example.com\x1f587\x1fstarttls\x1fpassword\x1fMe@example.com"
    assert KeyRing([key]).open(token, binding=binding) == PASSWORD


def test_there_is_no_destination_for_an_unknown_secret() -> None:
    with pytest.raises(ValueError, match="pop3"):
        Account(**STORED).secret_binding("pop3")


@pytest.mark.parametrize("names", CHANGES, ids="+".join)
def test_a_change_of_the_destination_wants_the_secret_again(names: tuple[str, ...]) -> None:
    account = stored()
    for name in names:
        setattr(account, name, OTHER[name])

    with pytest.raises(ValidationError) as caught:
        account.save()

    assert [error.code for error in caught.value.error_dict["secret"]] == ["destination_changed"]
    account.secret = OTHER_SECRET
    account.save()
    assert opened(account) == OTHER_SECRET.reveal()


@pytest.mark.parametrize("names", CHANGES, ids="+".join)
def test_a_change_past_the_rule_opens_nothing(names: tuple[str, ...]) -> None:
    account = stored()
    Account.objects.filter(pk=account.pk).update(**{name: OTHER[name] for name in names})

    moved = Account.objects.get(pk=account.pk)

    assert isinstance(moved.secret, SealedSecret)
    with pytest.raises(DestinationChanged):
        moved.secret.bound_to(moved.secret_binding("smtp")).reveal()


@pytest.mark.parametrize(
    "change",
    [
        {"host": " SMTP.Example.COM"},
        {"port": "587"},
        {"preset": "gmail"},
        {"from_email": "you@example.com"},
        {"name": "Another name", "limit_per_day": 7},
    ],
    ids=str,
)
def test_what_leads_nowhere_else_keeps_the_secret(change: dict[str, Any]) -> None:
    account = stored()
    for name, value in change.items():
        setattr(account, name, value)
    account.save()
    assert opened(account) == PASSWORD


@pytest.mark.parametrize("authentication", ["password", "none", "oauth2"])
def test_an_override_is_bound_to_the_system_server_and_its_own_user_name(authentication: str) -> None:
    system = stored(scope="system", authentication=authentication)
    override = Account(scope="system-override", host="elsewhere.test", port=1, username="own@example.com")
    logs_in = "oauth2" if authentication == "oauth2" else "password"
    expected = f"smtp\x1fsmtp.example.com\x1f587\x1fstarttls\x1f{logs_in}\x1fown@example.com"
    assert override.secret_binding("smtp") == expected
    settings = override.transport_settings()
    connected = (
        settings.host,
        settings.port,
        settings.security,
        settings.authentication,
        settings.username,
    )
    assert connected == (system.host, system.port, system.security, logs_in, "own@example.com")


@pytest.mark.parametrize(
    "names", [*((name,) for name in SERVER), *combinations(SERVER, 2), ("username",)], ids="+".join
)
def test_a_system_server_that_moves_takes_no_secret_of_its_overrides_along(names: tuple[str, ...]) -> None:
    system = stored(scope="system")
    override = stored(scope="system-override", host="", username="own@example.com", owner=make_user())
    for name in names:
        setattr(system, name, OTHER[name])
    system.secret = OTHER_SECRET
    system.save()

    if names == ("username",):
        assert opened(override) == PASSWORD, "the system's own user name is nothing to it"
        return
    with pytest.raises(DestinationChanged):
        opened(override)
    override = Account.objects.get(pk=override.pk)
    override.is_enabled = False
    override.save()
    override.secret = OTHER_SECRET
    override.save()
    assert opened(override) == OTHER_SECRET.reveal()


def test_an_overrides_own_server_is_nothing_to_its_secret() -> None:
    stored(scope="system")
    override = stored(scope="system-override", host="", username="own@example.com", owner=make_user())
    for name in (*SERVER, "send_method"):
        setattr(override, name, OTHER[name])
    override.save()
    assert opened(override) == PASSWORD
    override.username = OTHER["username"]
    with pytest.raises(ValidationError, match="enter the password again"):
        override.save()


@pytest.mark.parametrize(("before", "after"), [("user", "system-override"), ("system-override", "user")])
def test_becoming_an_override_or_ceasing_to_be_one_wants_the_secret_again(before: str, after: str) -> None:
    stored(scope="system")
    account = stored(scope=before, owner=make_user())
    account.scope = after
    with pytest.raises(ValidationError, match="enter the password again"):
        account.save()


def test_the_table_of_changes_covers_each_field_alone_and_all_pairs() -> None:
    assert len(set(chain(CHANGES))) == 6 + 15
    assert all(STORED[name] != OTHER[name] for name in STORED)
