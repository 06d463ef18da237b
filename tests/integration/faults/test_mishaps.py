"""Whatever one account, check or step of the house-keeping throws costs that one its turn, and nothing else."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from mailconfig import delivery
from mailconfig.delivery.worker.steps import failing_steps
from mailconfig.models import (
    Account,
    CheckKind,
    ConnectionCheck,
    Installation,
    Lane,
    Message,
    Scope,
    WaitReason,
)
from tests.factories import PASSWORD, make_account, make_email, make_message, make_user
from tests.servers.chaos import ChaosServer
from tests.storages import ObjectStorage
from tests.wrapping import names_row, on_every_connection, takes_lane

from .conftest import states

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def storage(settings: Any, tmp_path: Any) -> Iterator[type[ObjectStorage]]:
    """A storage of a test's own, for every mail."""
    options = {"location": str(tmp_path / "stored")}
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "tests.storages.ObjectStorage", "OPTIONS": options},
    }
    ObjectStorage.mend()
    yield ObjectStorage
    ObjectStorage.mend()


def fail_limiter_of(account: Account) -> Callable[..., Any]:
    """An execute wrapper: a mishap of ours wherever this account's limits are counted."""

    def wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if 'AS "used_0"' in sql and names_row(params, account.pk):
            raise RuntimeError("no code of ours expects this")
        return execute(sql, params, many, context)

    return wrapper


def test_an_account_that_throws_rests_and_the_others_go_on(
    server: ChaosServer, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = make_account(server.port, limit_per_day=5), make_account(server.port, limit_per_day=5)
    for account in (bad, good):
        make_message(account)
    before = timezone.now()
    with on_every_connection(fail_limiter_of(bad)):
        assert delivery.drain_all(should_stop=lambda: False) == 1
    assert states() == ["queued", "sent"]
    lane = Lane.objects.get(account=bad)
    assert lane.wait_reason == WaitReason.INTERNAL_ERROR
    assert lane.wait_until
    assert lane.due_at == lane.wait_until > before + timedelta(seconds=30)
    assert (lane.failures, lane.last_error_code) == (1, "internal_error")
    assert lane.wait_text == "RuntimeError: no code of ours expects this"
    assert lane.lease_token is None
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info
    status = delivery.status()
    assert status.exit_code == 1
    assert [(one.account_id, one.reason) for one in status.accounts] == [(bad.pk, "internal_error")]

    Lane.objects.filter(account=bad).update(wait_until=timezone.now(), due_at=timezone.now())
    assert delivery.drain_all(should_stop=lambda: False) == 1
    assert states() == ["sent", "sent"]
    assert (Lane.objects.get(account=bad).wait_reason, Lane.objects.get(account=bad).failures) == ("", 0)


def test_an_account_whose_mishap_cannot_even_be_noted_holds_up_nobody(server: ChaosServer) -> None:
    bad, good = make_account(server.port), make_account(server.port)
    for account in (bad, good):
        make_message(account)

    def wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if takes_lane(sql) and names_row(params, bad.pk):
            tries.append(sql)
            raise RuntimeError("no code of ours expects this")
        return execute(sql, params, many, context)

    tries: list[str] = []
    ends_at = time.monotonic() + 3.0
    with on_every_connection(wrapper):
        delivery.run(should_stop=lambda: time.monotonic() > ends_at)
    assert states() == ["queued", "sent"]
    assert len(tries) == 1, "it is not tried again and again without a pause"


def test_a_system_account_deleted_under_an_override_stops_that_one_alone(server: ChaosServer) -> None:
    system = make_account(server.port, scope=Scope.SYSTEM, username="system")
    override = make_account(
        server.port, scope=Scope.SYSTEM_OVERRIDE, username="me", owner=make_user(), host=""
    )
    good = make_account(server.port)
    for account in (override, good):
        make_message(account)
    looks: list[str] = []

    def delete_meanwhile(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """After the guard asked for the server, before the session does."""
        result = execute(sql, params, many, context)
        if 'FROM "mailconfig_account"' in sql and params and "system" in params and not looks:
            looks.append(sql)
            Account.objects.filter(pk=system.pk).update(deleted_at=timezone.now(), secret=None)
        return result

    with on_every_connection(delete_meanwhile):
        assert delivery.drain_all(should_stop=lambda: False) == 1
    assert looks
    assert states() == ["queued", "sent"]
    assert Lane.objects.get(account=override).wait_reason in {"internal_error", "paused_config"}
    assert PASSWORD not in Lane.objects.get(account=override).wait_text


@pytest.mark.parametrize("method", ["listdir", "delete"])
def test_a_storage_that_fails_in_the_purge_keeps_nothing_else_from_it(
    storage: type[ObjectStorage], configure: Callable[..., None], method: str, client: Client
) -> None:
    configure(INLINE_BYTES=0)
    account = make_account()
    old = delivery.enqueue(make_email(), account=account)
    assert old.stored_as
    then = timezone.now() - timedelta(days=400)
    Message.objects.update(state="cancelled", created_at=then, settled_at=then)
    ConnectionCheck.objects.create(kind="connection", state="passed")
    ConnectionCheck.objects.update(created_at=then)
    storage.broken.add(method)
    report = delivery.purge()
    assert (report.messages, report.checks) == (1, 1)
    if method == "delete":
        return  # its file is an orphan, which goes later
    (failing,) = failing_steps()
    assert (failing.step, failing.failures) == ("purge_files", 1)
    assert "503" in failing.text
    assert delivery.status().exit_code == 1
    client.force_login(make_user(is_staff=True, is_superuser=True))
    assert "purge_files" in client.get("/admin/mailconfig/outboundemail/").content.decode()

    storage.broken.clear()
    delivery.purge()
    assert failing_steps()[0].failures == 1, "it rests for a while"
    Installation.objects.update(
        failing_steps=Installation.objects.get().failing_steps.replace(str(failing.retry_at.year), "2001", 9)
    )
    delivery.purge()
    assert failing_steps() == []


@pytest.mark.parametrize(
    ("step", "only_there"),
    [
        ("reap", ['FROM "mailconfig_handover"', '"handed_over_at" <']),
        ("heal", ['FROM "mailconfig_lane"', '"limit_per_day" =']),
        ("bring_home", ['FROM "mailconfig_lane"', '"failed_over_from_id" IS NOT NULL']),
        ("fail_over", ['FROM "mailconfig_lane"', '"no_failover_until" <=']),
        ("mend", ['FROM "mailconfig_lane"', '"due_at" >', "EXISTS"]),
    ],
)
def test_a_step_of_the_sweep_that_throws_keeps_no_other_from_being_done(
    step: str, only_there: list[str]
) -> None:
    make_message(make_account())

    def wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if all(words in sql for words in only_there):
            raise RuntimeError("no code of ours expects this")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        delivery.sweep()
    assert [failing.step for failing in failing_steps()] == [step]
    assert Installation.objects.get().swept_at is not None
    assert delivery.status().exit_code >= 1


def test_a_check_that_throws_ends_and_says_so(server: ChaosServer) -> None:
    account = make_account(server.port)
    check = delivery.request_check(account_id=account.pk, kind=CheckKind.CONNECTION, requested_by=None)

    def wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if 'FROM "mailconfig_account"' in sql and "tenant" in sql:
            raise RuntimeError("no code of ours expects this")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        delivery.run_check(check_id=check.pk)
    check.refresh_from_db()
    assert (check.state, check.message) == ("failed", "internal_error")
