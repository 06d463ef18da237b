"""Somebody edits an account, or ends its wait, at the very moment at which a drain notes that it waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from mailconfig import delivery
from mailconfig.delivery import lanes
from mailconfig.delivery.clock import database_now
from mailconfig.models import Account, Lane, Message, WaitReason
from mailconfig.values import Secret
from tests.editor import Editor
from tests.factories import make_account, make_message
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Reply
from tests.wrapping import leaves_lane

from .conftest import lane, states

pytestmark = pytest.mark.django_db(transaction=True)


def save(**values: object) -> None:
    """As a form does it."""
    account = Account.objects.get()
    for name, value in values.items():
        setattr(account, name, value)
    account.save()


def drain(account: Account, before: Callable[[], None], *, look: int) -> None:
    """A drain that meets ``before`` as it looks, for the ``look``-th time, whether it should stop."""
    looks: list[int] = []

    def should_stop() -> bool:
        looks.append(1)
        if len(looks) == look:
            before()
        return False

    delivery.drain_account(account_id=account.pk, should_stop=should_stop)


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("before", "edit"),
    [
        ({"is_enabled": False}, {"is_enabled": True}),
        ({"limit_per_day": 0}, {"limit_per_day": None}),
        ({"limit_count": 0, "limit_period": 60}, {"limit_count": 10}),
    ],
    ids=["enabled", "limit lifted", "limit raised"],
)
def test_an_edit_that_is_committed_while_the_drain_waits_for_it_wins(
    server: ChaosServer, before: dict[str, Any], edit: dict[str, Any]
) -> None:
    account = make_account(server.port, **before)
    make_message(account)
    editor = Editor(lambda: save(**edit))
    drain(account, editor.begin, look=1)
    editor.join()
    assert lane().wait_reason == ""
    delivery.drain_account(account_id=account.pk)
    assert states() == ["sent"]


@pytest.mark.postgres
def test_new_credentials_that_are_committed_while_the_drain_notes_the_pause_win() -> None:
    with ChaosServer(credentials={"me": "changed"}, auth_in_clear=True) as server:
        account = make_account(server.port, username="me")
        make_message(account)
        Lane.objects.update(wait_reason="login_retry", wait_since=timezone.now(), wait_until=timezone.now())
        editor = Editor(lambda: save(secret=Secret("changed")))
        logins: list[str] = []

        def begin(line: str) -> bool:
            logins.append(line)
            if len(logins) == 1:
                editor.begin()
            return False

        server.on("auth", Reply.of("250 never said"), when=begin)
        delivery.drain_account(account_id=account.pk)
        editor.join()
        assert lane().wait_reason == ""
        delivery.drain_account(account_id=account.pk)
        assert states() == ["sent"]


def test_a_pause_that_somebody_ends_is_not_noted_again(server: ChaosServer) -> None:
    """A drain that found the pause on the lane says nothing new by noting it."""
    account = make_account(server.port)
    make_message(account)
    Lane.objects.update(wait_reason="paused_login", wait_since=timezone.now())
    seen = Lane.objects.get()
    delivery.probe_account(account_id=account.pk, requested_by=None)
    assert lane().wait_reason == ""
    ownership = lanes.take(account_id=account.pk, lease=60)
    assert ownership
    noted = lanes.wait(
        seen,
        token=ownership.token,
        reason=WaitReason.PAUSED_LOGIN,
        until=None,
        now=timezone.now(),
        revision=account.revision,
    )
    assert not noted
    assert lane().wait_reason == ""


@pytest.mark.parametrize("counted", ["failures", "strikes", "breaches"])
def test_whoever_fails_for_years_is_counted_no_further_than_the_column_goes(counted: str) -> None:
    with ChaosServer() as server:
        port = server.port
    account = make_account(port)
    make_message(account)
    Lane.objects.update(**{counted: 32_767})
    delivery.drain_account(account_id=account.pk)
    assert (lane().wait_reason, getattr(lane(), counted)) == ("server_away", 32_767)


@pytest.mark.parametrize(
    ("account", "reason", "healed"),
    [
        ({}, "disabled", True),
        ({"is_enabled": False}, "disabled", False),
        ({}, "limit", True),
        ({"limit_per_day": 5, "limit_count": 1, "limit_period": 1}, "limit", True),
        ({"limit_per_day": 0}, "limit", False),
        ({"limit_per_week": 0}, "limit", False),
        ({"limit_in_out_per_day": 0}, "limit", False),
        ({"limit_count": 0, "limit_period": 9}, "limit", False),
        ({"is_enabled": False}, "limit", True),
        ({}, "login_retry", True),
        ({}, "server_away", True),
        ({}, "no_sender", True),
        ({}, "paused_login", False),
        ({}, "paused_sender", False),
        ({}, "paused_config", False),
        ({}, "paused_protocol", False),
        ({}, "secret_unreadable", False),
    ],
)
def test_the_sweep_lets_go_of_a_lane_whose_reason_does_not_hold(
    account: dict[str, Any], reason: str, healed: bool
) -> None:
    make_message(make_account(**account))
    Lane.objects.update(wait_reason=reason, wait_since=timezone.now(), wait_until=None)
    delivery.sweep()
    assert (lane().wait_reason == "") is healed
    assert (lane().due_at is not None) is healed


def test_the_sweep_leaves_an_owned_lane_to_its_owner() -> None:
    make_message(make_account())
    until_then = timezone.now() + timedelta(minutes=1)
    token = "00000000-0000-0000-0000-000000000001"
    Lane.objects.update(wait_reason="disabled", lease_token=token, lease_until=until_then)
    delivery.sweep()
    assert lane().wait_reason == "disabled"


def test_an_account_enabled_past_its_form_sends_again(server: ChaosServer) -> None:
    account = make_account(server.port, is_enabled=False)
    make_message(account)
    delivery.drain_account(account_id=account.pk)
    assert lane().wait_reason == "disabled"
    Account.objects.update(is_enabled=True)
    delivery.sweep()
    assert delivery.drain_all(should_stop=lambda: False) == 1
    assert states() == ["sent"]


@pytest.mark.parametrize("seconds", [0.05, 3600], ids=["due in a moment", "due in an hour"])
def test_a_mail_that_is_queued_while_its_lane_is_left_is_not_forgotten(
    server: ChaosServer, seconds: float
) -> None:
    """Its time may lie ahead of ours by what an answer of the database takes."""
    account = make_account(server.port)
    queued: list[Message] = []
    make_message(account)

    def queue_as_it_is_left(
        execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if leaves_lane(sql) and not queued:
            queued.append(make_message(account, not_before=database_now() + timedelta(seconds=seconds)))
            lanes.make_due_at(account.pk, queued[0].not_before)
        return execute(sql, params, many, context)

    connection.close()  # what was prepared goes past the wrapper
    with connection.execute_wrapper(queue_as_it_is_left):
        report = delivery.drain_account(account_id=account.pk)
    assert queued
    assert report.due_at == lane().due_at == queued[0].not_before


@pytest.mark.postgres
def test_a_transaction_of_somebody_else_stays_as_durable_as_it_was() -> None:
    """A lane is taken without waiting for the disk, but only in a transaction of its own."""
    account = make_account()

    def setting() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW synchronous_commit")
            return str(cursor.fetchone()[0])

    usual = setting()
    for _ in range(4):
        with transaction.atomic():
            ownership = lanes.take(account_id=account.pk, lease=60)
            assert ownership is not None
            assert setting() == usual
        lanes.free(ownership, due_at=None)
        ownership = lanes.take(account_id=account.pk, lease=60)
        assert ownership is not None
        assert setting() == usual
        lanes.free(ownership, due_at=None)
