"""Queries that are written once find what the ORM does, however often they were run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import DateTimeField
from django.db.models.signals import post_init
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailconfig.delivery import installation, lanes, tallies
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.limits import Limiter
from mailconfig.delivery.postgres.compiled import Compiled
from mailconfig.delivery.queue import due
from mailconfig.delivery.worker import picking, reading
from mailconfig.models import Account, Priority, Purpose, Scope
from mailconfig.values import Secret
from tests.factories import make_account, make_message, make_user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


def some_account() -> Account:
    account = make_account(owner=make_user(), limit_per_week=1000, limit_count=3, limit_period=60)
    account.secret = Secret("test-only-password")
    account.save()
    for priority in (Priority.LOW, Priority.HIGH, Priority.HIGH):
        make_message(account, priority=priority)
    lanes.make_due_at(account.pk, database_now())
    return account


def sums(account: Account) -> tuple[Compiled, dict[str, Any]]:
    after = database_now() - timedelta(minutes=1)
    return tallies._sums_of_one(1), {"account_id": account.pk, "after_0": after, "edge_0": after}


@pytest.mark.parametrize(
    "query",
    [
        lambda account: (due._FIRST_OF_EACH, {"account_id": account.pk}),
        lambda account: (reading._MARK, {"account_id": account.pk}),
        lambda account: (reading._ROWS, {"account_id": account.pk}),
        lambda _account: (installation._NAME, {}),
        lambda _account: (picking._NEXT_DUE_AT[Purpose.SEND], {"after": picking.LONG_AGO}),
        sums,
    ],
    ids=["first of each priority", "mark", "account", "installation", "next due", "sums"],
)
def test_rows_are_those_of_the_orm(query: Callable[[Account], tuple[Compiled, dict[str, Any]]]) -> None:
    compiled, values = query(some_account())
    wanted = list(compiled._build(**values))
    for _ in range(5):
        assert compiled.rows(**values) == wanted
    with CaptureQueriesContext(connection) as queries:
        compiled.rows(**values)
    assert not len(queries), "it is prepared by now, and goes past the cursor"


def test_an_account_is_read_with_its_lane_owner_and_secret() -> None:
    stored = some_account()
    for _ in range(5):
        account, lane, mark = reading.read_account(stored.pk)
        assert account == stored
        assert lane == stored.lanes.get()
        assert account.owner == stored.owner
        secret = account.transport_settings().secret
        assert secret is not None
        assert secret.reveal() == "test-only-password"
        assert mark == (account.revision,)


@pytest.fixture
def email_of_a_kind_of_its_own() -> Iterator[None]:
    """People's addresses are of a type that psycopg does not know, as ``citext`` is."""
    change = "ALTER TABLE auth_user ALTER email TYPE {}"
    with connection.cursor() as cursor:
        cursor.execute("CREATE TYPE known_email AS ENUM ('', 'alice@example.com')")
        cursor.execute(change.format("known_email USING email::known_email"))
    yield
    with connection.cursor() as cursor:
        cursor.execute(change.format("varchar(254)"))
        cursor.execute("DROP TYPE known_email")
    connection.close()  # what it prepared is of the other type


@pytest.mark.usefixtures("email_of_a_kind_of_its_own")
def test_the_projects_people_are_read_by_the_orm_whatever_their_columns_are() -> None:
    stored = make_account(owner=make_user(email="alice@example.com"), from_email="", username="login")
    senders = [reading.read_account(stored.pk).account.sender for _ in range(5)]
    assert senders == ["alice@example.com"] * 5


def test_no_user_is_made_of_nobody() -> None:
    made: list[object] = []

    def note(instance: object, **kwargs: object) -> None:
        made.append(instance)

    stored = make_account()
    post_init.connect(note, sender=get_user_model())
    try:
        assert reading.read_account(stored.pk).account.owner is None
    finally:
        post_init.disconnect(note, sender=get_user_model())
    assert not made


@pytest.mark.parametrize("values", [{"is_enabled": False}, {"deleted_at": timezone.now()}])
def test_an_account_that_may_not_send_has_no_mark(values: dict[str, Any]) -> None:
    assert reading.read_account(make_account(**values).pk).mark is None


def test_an_override_has_the_mark_of_the_system_account_too() -> None:
    system = make_account(scope=Scope.SYSTEM)
    override = make_account(scope=Scope.SYSTEM_OVERRIDE, owner=make_user(), host="", username="me")
    assert reading.read_account(override.pk).mark == (override.revision, system.pk, system.revision)


def test_constants_stand_in_the_text_and_percent_signs_with_them() -> None:
    make_account(name="100 % 'sure' %s")
    found = Compiled(lambda: Account.objects.filter(name="100 % 'sure' %s").values_list("name"))
    for _ in range(5):
        assert found.rows() == [("100 % 'sure' %s",)]


def test_without_psycopg_3_the_orm_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    some_account()
    wanted = list(picking._next_due_at(Purpose.SEND, picking.LONG_AGO))
    monkeypatch.setattr("django.db.backends.postgresql.psycopg_any.is_psycopg3", False)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert wanted
    assert (
        Compiled(partial(picking._next_due_at, Purpose.SEND), after=DateTimeField()).rows(
            after=picking.LONG_AGO
        )
        == wanted
    )


def test_one_statement_is_kept_for_whatever_period_people_choose() -> None:
    for period in (60, 61, 62):
        account = make_account(limit_count=3, limit_period=period)
        for _ in range(5):
            Limiter.load(account, now=database_now(), open_for=timedelta(hours=1))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%mailconfig_tally%'"
        )
        assert cursor.fetchone() == (1,)
