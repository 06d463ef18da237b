"""How many checks run at the same time: of one person, in one process, and after a process died."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from mailconfig import signals
from mailconfig.delivery import (
    due_checks,
    probe_account,
    probe_values,
    request_check,
    run_check,
    send_test_mail,
)
from mailconfig.exceptions import OnlyByWorkers, Throttled
from mailconfig.models import CheckKind, CheckState, ConnectionCheck
from tests.integration.delivery.accounts.conftest import new_account, note_checks, stored_account
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Hang

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def silent() -> Iterator[ChaosServer]:
    """A server that takes connections and says nothing."""
    with ChaosServer() as server:
        server.on("banner", Hang())
        yield server


@pytest.fixture
def carol() -> User:
    """Somebody else."""
    return User.objects.create_user("carol")


@contextmanager
def under_way(server: ChaosServer, *people: User) -> Iterator[None]:
    """A check for each of these people, all of them connected; the server ends them on leaving."""
    reached = server.sessions
    threads = [threading.Thread(target=probe_in_thread, args=(server, person)) for person in people]
    for thread in threads:
        thread.start()
    assert server.wait_for(lambda: server.sessions == reached + len(people))
    yield
    server.stop()
    for thread in threads:
        thread.join()


def probe_in_thread(server: ChaosServer, person: User) -> None:
    try:
        probe_values(account=new_account(server), requested_by=person)
    finally:
        connection.close()


def test_of_fifteen_at_once_two_hold_a_thread(silent: ChaosServer, bob: User, plain: ChaosServer) -> None:
    start = threading.Barrier(15)
    refused: list[Throttled] = []

    def ask() -> None:
        start.wait()
        try:
            probe_values(account=new_account(silent), requested_by=bob)
        except Throttled as error:
            refused.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(15)]
    for thread in threads:
        thread.start()
    assert silent.wait_for(lambda: silent.sessions == 2)
    for thread in threads:
        thread.join(timeout=60)

    assert silent.sessions == 2
    assert len(refused) == 13
    assert all(1 <= error.retry_after <= 10 for error in refused)
    assert "just now" in str(refused[0]) or "still running" in str(refused[0])
    assert probe_values(account=new_account(plain), requested_by=bob).ok, "places are given back"


def test_one_person_leaves_the_others_a_place(
    silent: ChaosServer, plain: ChaosServer, bob: User, carol: User, staff: User
) -> None:
    with under_way(silent, bob, bob):
        assert probe_values(account=new_account(plain), requested_by=carol).ok
    with ChaosServer() as another:
        another.on("banner", Hang())
        with under_way(another, bob, bob, carol), pytest.raises(Throttled, match="just now"):
            probe_values(account=new_account(plain), requested_by=staff)


@pytest.mark.parametrize(("limit", "mine"), [(1, 1), (2, 1), (3, 2), (10, 2)])
def test_the_last_place_is_not_for_who_has_one(
    silent: ChaosServer, plain: ChaosServer, bob: User, settings: Settings, limit: int, mine: int
) -> None:
    settings.MAILCONFIG |= {"CHECKS_AT_ONCE": limit}

    with under_way(silent, *[bob] * mine), pytest.raises(Throttled):
        probe_values(account=new_account(plain), requested_by=bob)

    assert plain.sessions == 0


def test_a_person_has_two_in_all_processes_together(plain: ChaosServer, bob: User) -> None:
    note_checks(1, requested_by=bob, state=CheckState.RUNNING, seconds_ago=3, started_at=timezone.now())
    assert probe_values(account=new_account(plain), requested_by=bob).ok

    note_checks(1, requested_by=bob, state=CheckState.RUNNING, seconds_ago=3, started_at=timezone.now())
    with pytest.raises(Throttled, match="still running") as caught:
        probe_values(account=new_account(plain), requested_by=bob)

    assert 1 <= caught.value.retry_after <= 5, "when the first of them must have ended"
    assert plain.sessions == 1


def test_what_a_dead_process_was_at_ends_with_its_deadline(plain: ChaosServer, bob: User) -> None:
    then = timezone.now() - timedelta(seconds=11)  # five for the check, five to spare
    note_checks(2, requested_by=bob, state=CheckState.RUNNING, seconds_ago=11, started_at=then)

    assert probe_values(account=new_account(plain), requested_by=bob).ok


def test_workers_run_two_of_a_person_and_then_the_next(
    silent: ChaosServer, plain: ChaosServer, bob: User, carol: User, rung: list[int]
) -> None:
    account = stored_account(plain)
    first = request_check(account_id=account.pk, kind=CheckKind.CONNECTION, requested_by=bob)
    second = request_check(account_id=account.pk, kind=CheckKind.CONNECTION, requested_by=bob)
    others = request_check(account_id=account.pk, kind=CheckKind.CONNECTION, requested_by=carol)
    ConnectionCheck.objects.update(created_at=timezone.now() - timedelta(seconds=30))

    with under_way(silent, bob, bob):
        assert due_checks() == [others.pk]
        assert run_check(check_id=first.pk) is None
        assert run_check(check_id=others.pk)
    assert due_checks() == [first.pk, second.pk]
    rung.clear()
    assert run_check(check_id=first.pk)

    assert rung == [second.pk], "whoever was refused is called again"


@pytest.fixture
def rung() -> Iterator[list[int]]:
    """The checks that a worker was called for."""
    found: list[int] = []

    def listen(*, check_id: int, **kwargs: object) -> None:
        found.append(check_id)

    signals.check_requested.connect(listen)
    yield found
    signals.check_requested.disconnect(listen)


def test_ten_waiting_checks_at_a_silent_server_take_as_long_as_one(
    silent: ChaosServer, settings: Settings
) -> None:
    settings.MAILCONFIG |= {"PROBE_SECONDS": 2.0}
    account = stored_account(silent)
    people = [User.objects.create_user(f"person{number}") for number in range(5)]
    for person in people * 2:
        request_check(account_id=account.pk, kind=CheckKind.CONNECTION, requested_by=person)
    ConnectionCheck.objects.update(created_at=timezone.now() - timedelta(seconds=30))
    ids = due_checks()

    def work(check_id: int) -> None:
        try:
            assert run_check(check_id=check_id)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(check_id,)) for check_id in ids]
    for thread in threads:
        thread.start()
    assert silent.wait_for(lambda: silent.most_sessions == 10)
    silent.stop()
    for thread in threads:
        thread.join()

    assert len(ids) == 10
    assert set(ConnectionCheck.objects.values_list("state", flat=True)) == {CheckState.FAILED}


def test_where_only_workers_check_nothing_is_connected_while_somebody_waits(
    plain: ChaosServer, bob: User, settings: Settings
) -> None:
    settings.MAILCONFIG |= {"CHECKS_AT_ONCE": 0}
    account = stored_account(plain)

    with pytest.raises(OnlyByWorkers):
        probe_values(account=new_account(plain), requested_by=bob)
    with pytest.raises(OnlyByWorkers):
        probe_account(account_id=account.pk, requested_by=bob)
    with pytest.raises(OnlyByWorkers):
        send_test_mail(account_id=account.pk, recipient="a@example.net", requested_by=bob)
    assert plain.sessions == 0
    assert ConnectionCheck.objects.count() == 0

    asked = request_check(account_id=account.pk, kind=CheckKind.CONNECTION, requested_by=bob)
    done = run_check(check_id=asked.pk)
    assert done is not None
    assert done.ok
    assert probe_account(account_id=account.pk, requested_by=None).ok, (
        "a command's own check is nobody's wait"
    )
