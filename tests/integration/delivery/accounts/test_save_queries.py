"""Saving an account asks the database for what it has to know, and not once for each rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, models, transaction
from django.test.utils import CaptureQueriesContext

from mailconfig.delivery import save_account
from mailconfig.models import Account, AccountKind
from mailconfig.models.account_constraints import ACCOUNT_CONSTRAINTS, CONSTRAINT_FIELDS
from mailconfig.values import Secret
from tests.factories import PASSWORD, account_values, make_account, make_tenant, make_user

pytestmark = pytest.mark.django_db

BROKEN: dict[str, dict[str, Any]] = {
    "mailconfig_account_kind_known": {"kind": "pigeon"},
    "mailconfig_account_security_known": {"security": "hope"},
    "mailconfig_account_authentication_known": {"authentication": "charm"},
    "mailconfig_account_port_valid": {"port": 0},
    "mailconfig_account_limit_has_period": {"limit_count": 5, "limit_period": 0},
    "mailconfig_account_sessions_valid": {"max_sessions": 0},
    "mailconfig_account_deleted_has_no_secret": {"deleted_at": "2026-01-01T00:00Z"},
    "mailconfig_account_scope_of_kind": {"kind": "mailbox", "scope": "system"},
    "mailconfig_tenant_config_has_tenant": {"kind": "tenant_config"},
}
"""Values that break each constraint of a row alone."""


@pytest.fixture
def root() -> User:
    """May do everything."""
    return make_user("root", is_superuser=True)


def asked(act: Callable[[], Any]) -> int:
    """The number of statements of ``act``, those for savepoints among them."""
    with CaptureQueriesContext(connection) as captured:
        act()
    return len(captured)


def read(account: Account) -> Account:
    """The account as an interface reads it."""
    return Account.objects.get(pk=account.pk)


def test_a_new_account_takes_five_statements(root: User) -> None:
    account = Account(**account_values(2525, username="me@example.com"))
    assert asked(lambda: save_account(account=account, by=root)) <= 5
    assert account.lane.account_id == account.pk


def test_another_name_takes_eight(root: User) -> None:
    account = read(make_account(2525, username="me@example.com"))
    account.name = "Another"
    assert asked(lambda: save_account(account=account, by=root)) <= 8


def test_another_server_takes_eleven(root: User) -> None:
    account = read(make_account(2525, username="me@example.com"))
    account.host, account.secret = "127.0.0.2", Secret(PASSWORD)
    assert asked(lambda: save_account(account=account, by=root)) <= 11


def test_of_a_tenants_configuration_one_look_is_taken_for_another(root: User) -> None:
    account = Account(**account_values(2525, kind=AccountKind.TENANT_CONFIG, tenant=make_tenant()))
    assert asked(lambda: save_account(account=account, by=root)) <= 9


@pytest.mark.django_db
def test_the_database_takes_no_limit_without_a_period() -> None:
    account = make_account(2525)
    limited = Account.objects.filter(pk=account.pk)
    with pytest.raises(IntegrityError, match="limit_has_period"), transaction.atomic():
        limited.update(limit_count=5, limit_period=None)


def test_every_constraint_is_either_broken_here_or_looked_for_among_rows() -> None:
    alone = {one.name for one in ACCOUNT_CONSTRAINTS if not isinstance(one, models.UniqueConstraint)}
    among_rows = {one.violation_error_code for one in ACCOUNT_CONSTRAINTS if one.name not in alone}
    assert set(BROKEN) == alone
    assert set(CONSTRAINT_FIELDS) == among_rows


@pytest.mark.parametrize("name", BROKEN)
def test_what_the_database_would_refuse_of_a_row_alone_is_refused_without_asking_it(name: str) -> None:
    account = Account(**account_values(2525) | {"secret": Secret(PASSWORD)} | BROKEN[name])

    def clean() -> None:
        with pytest.raises(ValidationError):
            account.full_clean()

    assert asked(clean) == 0
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        account.save()
