"""The throttles of probes and test mails: their numbers, their words, and several at once."""

from __future__ import annotations

import threading

import pytest
from django.contrib.auth.models import User
from django.db import connection
from pytest_django import Settings

from mailconfig.delivery import probe_account, probe_values, request_check, send_test_mail
from mailconfig.exceptions import Throttled
from mailconfig.models import CheckKind, ConnectionCheck, Tenant
from tests.integration.delivery.accounts.conftest import (
    PASSWORD,
    USERNAME,
    new_account,
    note_checks,
    stored_account,
)
from tests.servers.chaos import ChaosServer

pytestmark = pytest.mark.django_db(transaction=True)


def test_ten_checks_a_minute_and_principal(plain: ChaosServer, bob: User, staff: User) -> None:
    note_checks(9, requested_by=bob, seconds_ago=20)
    assert probe_values(account=new_account(plain), requested_by=bob).ok

    with pytest.raises(Throttled) as caught:
        probe_values(account=new_account(plain), requested_by=bob)

    assert 30 <= caught.value.retry_after <= 40
    assert f"{caught.value.retry_after} seconds" in str(caught.value)
    assert plain.sessions == 1, "what is throttled connects nowhere"
    assert ConnectionCheck.objects.count() == 10, "and leaves no row"
    assert probe_values(account=new_account(plain), requested_by=staff).ok, "others are not concerned"


def test_a_window_ends(plain: ChaosServer, bob: User) -> None:
    note_checks(10, requested_by=bob, seconds_ago=61)

    assert probe_values(account=new_account(plain), requested_by=bob).ok


def test_sixty_checks_an_hour_and_tenant(plain: ChaosServer, bob: User) -> None:
    acme = Tenant.objects.create(slug="acme", name="Acme")
    note_checks(54, tenant=acme, seconds_ago=1800)
    note_checks(6, tenant=acme, requested_by=bob, seconds_ago=1800)

    with pytest.raises(Throttled, match="30 minutes") as caught:
        probe_values(account=new_account(plain), requested_by=bob, tenant=acme)

    assert 1790 <= caught.value.retry_after <= 1800
    assert probe_values(account=new_account(plain), requested_by=bob).ok


def test_a_member_has_a_tenth_that_the_others_cannot_use_up(
    plain: ChaosServer, bob: User, staff: User
) -> None:
    acme = Tenant.objects.create(slug="acme", name="Acme")
    note_checks(60, tenant=acme, requested_by=staff, seconds_ago=1800)

    for _ in range(6):
        assert probe_values(account=new_account(plain), requested_by=bob, tenant=acme).ok
    with pytest.raises(Throttled, match="organisation"):
        probe_values(account=new_account(plain), requested_by=bob, tenant=acme)
    with pytest.raises(Throttled, match="organisation"):
        probe_values(account=new_account(plain), requested_by=staff, tenant=acme)


def test_five_refused_logins_in_fifteen_minutes(starttls: ChaosServer, bob: User, staff: User) -> None:
    starttls.credentials, starttls.mechanisms = {USERNAME: "another-not-real-password"}, ("PLAIN",)
    for _ in range(5):
        assert probe_values(account=new_account(starttls), requested_by=bob).code == "auth_failed"

    with pytest.raises(Throttled, match="15 minutes"):
        probe_values(account=new_account(starttls), requested_by=bob)

    assert len(starttls.auth_attempts) == 5
    other = new_account(starttls, username="other@mail.test")
    assert probe_values(account=other, requested_by=bob).code == "auth_failed", (
        "another user name is another login"
    )
    assert probe_values(account=new_account(starttls), requested_by=staff).code == "auth_failed"


def test_a_login_that_was_never_made_is_no_refused_one(staff: User) -> None:
    with ChaosServer(credentials={USERNAME: PASSWORD}) as server:
        for _ in range(6):
            check = probe_values(account=new_account(server), requested_by=staff)
            assert check.guilty_field == "security"


def test_ten_test_mails_an_hour(plain: ChaosServer, bob: User) -> None:
    note_checks(10, requested_by=bob, kind=CheckKind.TEST_MAIL, seconds_ago=600)
    account = stored_account(plain)

    with pytest.raises(Throttled, match="test mails"):
        send_test_mail(account_id=account.pk, recipient="a@example.net", requested_by=bob)

    assert plain.sessions == 0
    assert probe_account(account_id=account.pk, requested_by=bob).ok


def test_a_check_for_a_worker_is_counted_when_it_is_asked_for(plain: ChaosServer, bob: User) -> None:
    account = stored_account(plain)
    for _ in range(10):
        request_check(account_id=account.pk, kind=CheckKind.CONNECTION, requested_by=bob)

    with pytest.raises(Throttled):
        request_check(account_id=account.pk, kind=CheckKind.CONNECTION, requested_by=bob)


def test_the_numbers_are_settings(plain: ChaosServer, bob: User, settings: Settings) -> None:
    settings.MAILCONFIG |= {"CHECKS_PER_MINUTE": 0}

    with pytest.raises(Throttled) as caught:
        probe_values(account=new_account(plain), requested_by=bob)

    assert caught.value.retry_after == 60


def test_of_many_at_once_no_more_than_ten_pass(bob: User, plain: ChaosServer) -> None:
    account = stored_account(plain)
    start = threading.Barrier(16)
    passed: list[int] = []
    throttled: list[Throttled] = []

    def ask() -> None:
        start.wait()
        try:
            check = request_check(account_id=account.pk, kind=CheckKind.CONNECTION, requested_by=bob)
            passed.append(check.pk)
        except Throttled as error:
            throttled.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(passed), len(throttled)) == (10, 6)
    assert ConnectionCheck.objects.count() == 10
