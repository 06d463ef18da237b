"""Logins at one server with one user name: what counts, whose it is, and what the owner is left with."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from mailconfig.delivery import probe_account, probe_values, send_test_of_values
from mailconfig.delivery.accounts.logins import key_of
from mailconfig.exceptions import Throttled
from mailconfig.models import Account, CheckState, ConnectionCheck, Tenant
from mailconfig.values import Secret
from tests.integration.delivery.accounts.conftest import (
    PASSWORD,
    USERNAME,
    new_account,
    note_checks,
    stored_account,
)
from tests.servers.chaos import ChaosServer

pytestmark = pytest.mark.django_db(transaction=True)

REFUSED = {"state": CheckState.FAILED, "stage": "login", "code": "auth_failed", "server_text": "535 no"}


@pytest.fixture
def strangers() -> list[User]:
    """Four people who have nothing to do with the login."""
    return [User.objects.create_user(f"stranger{number}") for number in range(4)]


def test_the_key_of_a_login_outlives_releases() -> None:
    """Throttles count rows that an older release wrote."""
    account = Account(host="smtp.example.com", username="alice@example.com", authentication="password")
    assert key_of(account) == "476997f44ffba6d9a8909a03d50a6235ad8f5280bae62352391a0863aa629854"


def note_guesses(server: ChaosServer, people: list[User], *, each: int = 5, **values: Any) -> None:
    """So many refused logins of each, some minutes ago."""
    login = key_of(new_account(server))
    for person in people:
        note_checks(each, login=login, requested_by=person, **{"seconds_ago": 1200, **REFUSED, **values})


def test_the_owner_of_an_account_is_not_kept_out_by_wrong_guesses_of_others(
    starttls: ChaosServer, bob: User, strangers: list[User]
) -> None:
    account = stored_account(starttls, owner=bob)
    note_guesses(starttls, strangers)

    assert probe_account(account_id=account.pk, requested_by=bob).ok
    edited = Account.objects.get(pk=account.pk)
    edited.secret = Secret(PASSWORD)
    assert probe_values(account=edited, requested_by=bob).ok, "with a new password, too"
    with pytest.raises(Throttled, match="40 minutes"):
        probe_values(account=new_account(starttls), requested_by=strangers[0])


def test_accomplices_in_the_owners_tenant_use_up_nothing_of_the_owners(
    starttls: ChaosServer, bob: User, strangers: list[User]
) -> None:
    """All that they may guess of the login, and all of the tenant's checks of an hour."""
    acme = Tenant.objects.create(slug="acme", name="Acme")
    account = stored_account(starttls, owner=bob, tenant=acme)
    note_guesses(starttls, strangers, each=15, tenant=acme)

    assert probe_account(account_id=account.pk, requested_by=bob).ok
    edited = Account.objects.get(pk=account.pk)
    edited.secret = Secret(PASSWORD)
    assert probe_values(account=edited, requested_by=bob).ok


def test_who_was_let_in_before_is_not_kept_out(
    starttls: ChaosServer, bob: User, strangers: list[User]
) -> None:
    assert probe_values(account=new_account(starttls), requested_by=bob).ok
    note_guesses(starttls, strangers)

    assert probe_values(account=new_account(starttls), requested_by=bob).ok


def test_one_stranger_alone_keeps_nobody_out(starttls: ChaosServer, bob: User, strangers: list[User]) -> None:
    note_guesses(starttls, strangers[:1], each=40)

    assert probe_values(account=new_account(starttls), requested_by=bob).ok


def test_an_account_of_ones_own_with_another_login_gives_no_claim(
    starttls: ChaosServer, bob: User, strangers: list[User]
) -> None:
    account = stored_account(starttls, owner=bob, username="bob@mail.test")
    note_guesses(starttls, strangers)
    account.username, account.secret = USERNAME, Secret("a-guess")

    with pytest.raises(Throttled, match="40 minutes"):
        probe_values(account=account, requested_by=bob)


def test_many_people_together_guess_no_more_than_twenty_times_an_hour(
    starttls: ChaosServer, bob: User, strangers: list[User]
) -> None:
    note_guesses(starttls, strangers, seconds_ago=3000)

    with pytest.raises(Throttled, match="10 minutes"):
        probe_values(account=new_account(starttls), requested_by=bob)

    assert starttls.sessions == 0


def test_the_owner_makes_twenty_logins_an_hour(starttls: ChaosServer, bob: User) -> None:
    account = stored_account(starttls, owner=bob)
    login = key_of(account)
    note_checks(19, login=login, requested_by=bob, seconds_ago=3000)

    assert probe_account(account_id=account.pk, requested_by=bob).ok
    with pytest.raises(Throttled, match="10 minutes"):
        probe_account(account_id=account.pk, requested_by=bob)


@pytest.mark.parametrize(
    "values",
    [
        {"authentication": "none", "secret": None},
        {"security": "none"},
        {"username": ""},
        {"security": "tls"},
    ],
    ids=["no login", "no encryption for it", "no user name", "no TLS to be had"],
)
def test_what_made_no_login_does_not_count(
    starttls: ChaosServer, bob: User, staff: User, values: dict[str, Any]
) -> None:
    for _ in range(6):
        probe_values(account=new_account(starttls, **values), requested_by=staff)

    assert starttls.auth_attempts == []
    assert set(ConnectionCheck.objects.values_list("login", flat=True)) == {""}
    for _ in range(5):
        assert probe_values(account=new_account(starttls), requested_by=bob).ok


def test_accounts_without_a_user_name_share_nothing(plain: ChaosServer, bob: User, staff: User) -> None:
    note_checks(30, host="127.0.0.1", requested_by=staff, seconds_ago=600)

    assert probe_values(account=new_account(plain), requested_by=bob).ok


@pytest.mark.parametrize(
    ("host", "username"),
    [
        ("LocalHost", USERNAME),
        ("localhost.", USERNAME),
        (" localhost ", USERNAME),
        ("\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54", USERNAME),
        ("localhost", USERNAME.upper()),
        ("localhost", f" {USERNAME}\t"),
        ("localhost", USERNAME.replace("@", " @ ")),
        ("localhost", USERNAME.replace("e", "\uff45")),
        ("localhost", USERNAME.replace("e", "e\u200b")),
        ("localhost", "\ufeff" + USERNAME),
    ],
)
def test_another_spelling_is_not_another_login(bob: User, host: str, username: str) -> None:
    plain, odd = (
        new_account(None, host=host_, username=username_, authentication="password")
        for host_, username_ in (("localhost", USERNAME), (host, username))
    )
    assert key_of(plain) == key_of(odd)
    note_checks(5, login=key_of(plain), requested_by=bob, seconds_ago=100, **REFUSED)

    with pytest.raises(Throttled):
        probe_values(account=odd, requested_by=bob)


@pytest.mark.parametrize(
    ("host", "username"), [("localhost", "you@mail.test"), ("mail.test", USERNAME), ("localhost", "")]
)
def test_another_login_is_another_one(host: str, username: str) -> None:
    one = new_account(None, host="localhost", username=USERNAME, authentication="password")
    other = new_account(None, host=host, username=username, authentication="password")

    assert key_of(one) != key_of(other)


def test_letters_beyond_ascii_are_folded_on_any_database(bob: User) -> None:
    small, large = (
        new_account(None, host="localhost", username=name, authentication="password")
        for name in ("müller@mail.test", "MÜLLER@mail.test")
    )
    note_checks(5, login=key_of(small), requested_by=bob, seconds_ago=100, **REFUSED)

    with pytest.raises(Throttled):
        probe_values(account=large, requested_by=bob)


def test_a_refused_user_name_is_not_kept(starttls: ChaosServer, bob: User) -> None:
    """It may be a password that was typed into the wrong field, and the server may repeat it."""
    typed = "hunter2-not-a-real-password"
    check = probe_values(account=new_account(starttls, username=typed), requested_by=bob)

    assert check.code == "auth_failed"
    assert all(typed not in str(row) for row in ConnectionCheck.objects.values())
    assert check.login


def test_an_accepted_user_name_is_noted(starttls: ChaosServer, bob: User) -> None:
    account = stored_account(starttls, owner=bob)

    assert probe_account(account_id=account.pk, requested_by=bob).username == USERNAME
    check = send_test_of_values(account=new_account(starttls), recipient="a@example.net", requested_by=bob)
    assert check.username == USERNAME


def test_many_at_once_guess_no_more_than_five_times(bob: User, starttls: ChaosServer) -> None:
    starttls.credentials = {}
    start = threading.Barrier(8)

    def guess() -> None:
        start.wait()
        try:
            probe_values(account=new_account(starttls), requested_by=bob)
        except Throttled:
            pass
        finally:
            connection.close()

    threads = [threading.Thread(target=guess) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 <= len(starttls.auth_attempts) <= 5
