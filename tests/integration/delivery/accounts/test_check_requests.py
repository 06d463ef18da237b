"""Checks for a worker, and what a finished one means for the account's lane."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone

from mailconfig import signals
from mailconfig.delivery import due_checks, probe_account, probe_values, request_check, run_check
from mailconfig.delivery.accounts.check_view import public_view
from mailconfig.models import Account, CheckKind, CheckState, ConnectionCheck, Lane, WaitReason
from tests.integration.delivery.accounts.conftest import new_account, stored_account
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Reply

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def doorbell() -> list[int]:
    """The checks that a worker was called for."""
    return []


@pytest.fixture(autouse=True)
def heard(doorbell: list[int]) -> object:
    """Listen in place of a worker."""

    def listen(*, check_id: int, **kwargs: object) -> None:
        doorbell.append(check_id)

    signals.check_requested.connect(listen)
    yield
    signals.check_requested.disconnect(listen)


def paused(account: Account) -> Lane:
    Lane.objects.filter(account=account).update(
        wait_reason=WaitReason.PAUSED_LOGIN, wait_since=timezone.now(), failures=3, strikes=2, due_at=None
    )
    return account.lane


def test_a_request_is_committed_and_told_on_commit(
    plain: ChaosServer, staff: User, doorbell: list[int]
) -> None:
    account = stored_account(plain)
    with transaction.atomic():
        check = request_check(account_id=account.pk, kind=CheckKind.CONNECTION, requested_by=staff)
        assert doorbell == []

    assert doorbell == [check.pk]
    assert ConnectionCheck.objects.get().state == CheckState.PENDING
    assert plain.sessions == 0


def test_a_listener_that_fails_does_not_fail_the_request(plain: ChaosServer, staff: User) -> None:
    def fail(**kwargs: object) -> None:
        raise OSError("no broker")

    signals.check_requested.connect(fail)
    try:
        check = request_check(
            account_id=stored_account(plain).pk, kind=CheckKind.CONNECTION, requested_by=staff
        )
    finally:
        signals.check_requested.disconnect(fail)

    assert check.state == CheckState.PENDING


def test_a_waiting_check_is_run_once(plain: ChaosServer, staff: User) -> None:
    account = stored_account(plain)
    check = request_check(account_id=account.pk, kind=CheckKind.CONNECTION, requested_by=staff)

    first, second = run_check(check_id=check.pk), run_check(check_id=check.pk)

    assert first is not None
    assert first.ok
    assert second is None
    assert plain.sessions == 1


def test_of_several_workers_one_runs_it(plain: ChaosServer, staff: User) -> None:
    account = stored_account(plain)
    check = request_check(account_id=account.pk, kind=CheckKind.CONNECTION, requested_by=staff)
    start = threading.Barrier(6)
    results: list[ConnectionCheck | None] = []

    def work() -> None:
        start.wait()
        try:
            results.append(run_check(check_id=check.pk))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len([result for result in results if result is not None]) == 1
    assert len(results) == 6
    assert plain.sessions == 1


def test_a_test_mail_can_be_asked_for(plain: ChaosServer, staff: User) -> None:
    account = stored_account(plain)
    check = request_check(
        account_id=account.pk, kind=CheckKind.TEST_MAIL, recipient="a@example.net", requested_by=staff
    )

    run_check(check_id=check.pk)

    assert plain.messages[0].recipients == ("a@example.net",)
    with pytest.raises(ValidationError):
        request_check(account_id=account.pk, kind=CheckKind.TEST_MAIL, recipient="", requested_by=staff)


def test_the_check_of_a_deleted_account_fails(plain: ChaosServer, staff: User) -> None:
    account = stored_account(plain)
    check = request_check(account_id=account.pk, kind=CheckKind.CONNECTION, requested_by=staff)
    Account.objects.filter(pk=account.pk).update(deleted_at=timezone.now())

    finished = run_check(check_id=check.pk)

    assert finished is not None
    assert finished.state == CheckState.FAILED
    assert "deleted" in public_view(finished)["message"]
    assert plain.sessions == 0


def test_the_sweep_finds_what_nobody_heard_and_ends_what_nobody_finishes(
    plain: ChaosServer, staff: User
) -> None:
    account = stored_account(plain)
    ids = [
        request_check(account_id=account.pk, kind=CheckKind.CONNECTION, requested_by=staff).pk
        for _ in range(4)
    ]
    fresh, unheard, forgotten, lost = ids
    now = timezone.now()
    rows = ConnectionCheck.objects
    rows.filter(pk=unheard).update(created_at=now - timedelta(seconds=30))
    rows.filter(pk=forgotten).update(created_at=now - timedelta(hours=1))
    rows.filter(pk=lost).update(state=CheckState.RUNNING, started_at=now - timedelta(seconds=60))

    assert due_checks() == [unheard]

    states = dict(rows.values_list("pk", "state"))
    assert states == {fresh: "pending", unheard: "pending", forgotten: "failed", lost: "failed"}
    assert rows.get(pk=lost).code == "timeout"
    assert run_check(check_id=lost) is None


def test_a_passing_probe_ends_a_pause_and_mail_moves_on(plain: ChaosServer, staff: User) -> None:
    account = stored_account(plain)
    paused(account)
    resumed: list[int] = []

    def listen(*, account_id: int, **kwargs: object) -> None:
        resumed.append(account_id)

    signals.account_resumed.connect(listen)
    try:
        probe_account(account_id=account.pk, requested_by=staff)
        probe_account(account_id=account.pk, requested_by=staff)
    finally:
        signals.account_resumed.disconnect(listen)

    lane = account.lane
    assert (lane.wait_reason, lane.wait_since, lane.failures, lane.strikes) == ("", None, 0, 0)
    assert lane.validated_at is not None
    assert lane.due_at is not None
    assert resumed == [account.pk], "told once"


def test_a_failing_probe_is_noted_and_pauses_nothing(plain: ChaosServer, staff: User) -> None:
    account = stored_account(plain)
    plain.on("mail", Reply.of("550 5.7.1 no"))

    for _ in range(4):
        probe_account(account_id=account.pk, requested_by=staff)

    lane = account.lane
    assert (lane.wait_reason, lane.last_error_code) == ("", "sender_refused")
    assert lane.last_error_text == "550 5.7.1 no"
    assert lane.validated_at is None


def test_a_failing_probe_leaves_a_pause_as_it_is(plain: ChaosServer, staff: User) -> None:
    account = stored_account(plain)
    before = paused(account)
    plain.on("mail", Reply.of("550 5.7.1 no"))

    probe_account(account_id=account.pk, requested_by=staff)

    assert account.lane.wait_reason == WaitReason.PAUSED_LOGIN
    assert account.lane.wait_since == before.wait_since


def test_a_probe_of_values_that_are_not_stored_leaves_the_lane_alone(plain: ChaosServer, staff: User) -> None:
    account = stored_account(plain)
    paused(account)

    assert probe_values(account=account, requested_by=staff).ok

    assert account.lane.wait_reason == WaitReason.PAUSED_LOGIN


def test_what_was_edited_meanwhile_is_not_proved(plain: ChaosServer, staff: User) -> None:
    account = stored_account(plain)
    edited: list[int] = []

    def edit(line: str) -> bool:
        if not edited:
            edited.append(Account.objects.filter(pk=account.pk).update(revision=9))
            connection.close()
        return False

    plain.on("ehlo", Reply.of("250 x"), when=edit)

    assert probe_account(account_id=account.pk, requested_by=staff).ok

    assert edited == [1]
    assert account.lane.validated_at is None


def test_a_probe_refuses_to_run_inside_a_transaction(plain: ChaosServer, staff: User) -> None:
    account = stored_account(plain)

    with transaction.atomic(), pytest.raises(RuntimeError):
        probe_values(account=new_account(plain), requested_by=staff)
    with transaction.atomic(), pytest.raises(RuntimeError):
        probe_account(account_id=account.pk, requested_by=staff)

    assert plain.sessions == 0
