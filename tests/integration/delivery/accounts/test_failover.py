"""Which account may stand in for which, and that chains never close, however they are saved."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import OperationalError, connection

from mailconfig import delivery
from mailconfig.models import Account, AccountKind
from tests.factories import make_account, make_mailbox, make_tenant, make_user

pytestmark = pytest.mark.django_db(transaction=True)


def code_of(error: pytest.ExceptionInfo[ValidationError]) -> str:
    """The code of the only error, which is at the field."""
    (problem,) = error.value.error_dict["failover"]
    return str(problem.code)


@pytest.mark.parametrize("length", [1, 2, 3, 40])
def test_a_loop_is_refused_however_long_it_is(length: int) -> None:
    chain = [make_account(name="0")]
    for number in range(1, length):
        chain.append(make_account(name=str(number), failover=chain[-1]))
    begin, end = Account.objects.get(pk=chain[0].pk), chain[-1]
    begin.failover = end
    with pytest.raises(ValidationError) as cleaned:
        begin.full_clean()
    assert code_of(cleaned) == "failover_loop"
    with pytest.raises(ValidationError):
        begin.save()
    begin.refresh_from_db()
    assert begin.failover is None


def test_two_saves_at_once_close_no_loop() -> None:
    accounts = [make_account(), make_account()]
    both_ready = threading.Barrier(2, timeout=60)
    outcomes: list[str] = []

    def save(account: Account, other: Account) -> None:
        account.failover = other
        both_ready.wait()
        try:
            delivery.save_account(account=account, by=None)
        except (ValidationError, OperationalError) as error:
            outcomes.append(type(error).__name__)
        else:
            outcomes.append("saved")
        finally:
            connection.close()

    for _round in range(5):
        outcomes.clear()
        Account.objects.update(failover=None)
        one, two = (Account.objects.get(pk=account.pk) for account in accounts)
        threads = [threading.Thread(target=save, args=pair) for pair in ((one, two), (two, one))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert Account.objects.exclude(failover=None).count() == outcomes.count("saved") <= 1
        if connection.vendor == "postgresql":
            assert sorted(outcomes) == ["ValidationError", "saved"], "who comes second is told why"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"tenant": "acme"}, "failover_tenant"),
        ({"tenant": "acme", "owner": "alice"}, "failover_tenant"),
        ({"owner": "bob"}, "failover_owner"),
        ({"deleted_at": "2026-01-01T00:00Z"}, "failover_deleted"),
        ({"owner": "alice"}, None),
        ({}, None),
    ],
)
def test_who_stands_in_is_of_the_same_tenant_and_nobody_elses(
    values: dict[str, Any], code: str | None
) -> None:
    people = {"alice": make_user("alice"), "bob": make_user("bob")}
    found = {"acme": make_tenant(slug="acme"), **people}
    given: dict[str, Any] = {name: found.get(value, value) for name, value in values.items()}
    other = make_account(**given)
    account = make_account(owner=people["alice"])
    account.failover = other
    if code is None:
        account.full_clean()
        return
    with pytest.raises(ValidationError) as refused:
        account.full_clean()
    assert code_of(refused) == code


def test_nobody_leads_mail_over_an_account_that_he_may_not_change() -> None:
    alice, boss = make_user("alice"), make_user("boss", is_superuser=True)
    shared, mine = make_account(kind=AccountKind.SMTP_PROVIDER), make_account(owner=alice)
    own = make_mailbox(owner=alice)
    mine.failover = shared
    with pytest.raises(ValidationError) as refused:
        delivery.save_account(account=mine, by=alice)
    assert code_of(refused) == "not_permitted"
    mine.failover = own
    delivery.save_account(account=mine, by=alice)
    mine.failover = shared
    delivery.save_account(account=mine, by=boss)
    mine.name = "renamed by its owner"
    delivery.save_account(account=mine, by=alice)
    assert Account.objects.get(pk=mine.pk).failover == shared, "what an administrator chose stays"


def test_mail_is_led_over_the_projects_account_by_those_who_may_choose_such_accounts() -> None:
    alice = make_user("alice")
    marked, mine = make_account(owner=alice, serves_project=True), make_account(owner=alice)
    mine.failover = marked
    with pytest.raises(ValidationError) as refused:
        delivery.save_account(account=mine, by=alice)
    assert code_of(refused) == "not_permitted"
    marked.failover = mine
    with pytest.raises(ValidationError):
        delivery.save_account(account=marked, by=alice)
