"""One process with many lanes in hand: they come and go one by one, and what hangs or throws costs its own lane only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from mailconfig import delivery
from mailconfig.delivery import lanes
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.worker.picking import _due, pick_due
from mailconfig.models import Account, Lane, Message, Purpose
from tests.factories import PASSWORD, make_account, make_email, make_message, make_tenant
from tests.servers.chaos import ChaosServer
from tests.servers.children import Child, environment, until
from tests.servers.faults import Hang, Slow
from tests.storages import ObjectStorage
from tests.wrapping import names_row, on_every_connection, takes_lane

from .conftest import queue, sent

pytestmark = pytest.mark.django_db(transaction=True)

threaded = pytest.mark.postgres
"""SQLite lets one write at a time, so there lanes come one after the other."""


@pytest.fixture
def configure(settings: Any) -> Callable[..., None]:
    """``configure(CONCURRENCY=3)``: change single settings."""

    def change(**values: object) -> None:
        settings.MAILCONFIG = {**settings.MAILCONFIG, **values}

    return change


def drain() -> int:
    """All that is due."""
    return delivery.drain_all(should_stop=lambda: False)


@threaded
def test_accounts_are_drained_at_the_same_time_as_many_as_the_setting_says(
    configure: Callable[..., None],
) -> None:
    configure(CONCURRENCY=5)
    with ChaosServer(latency=0.1) as server:
        queue(server.port, 12, 3)
        assert drain() == 36
        assert server.most_sessions == 5


def test_on_sqlite_or_in_a_transaction_lanes_come_one_after_the_other(configure: Callable[..., None]) -> None:
    configure(CONCURRENCY=None if connection.vendor == "sqlite" else 1)
    with ChaosServer() as server:
        queue(server.port, 4, 2)
        assert drain() == 8
        assert server.most_sessions <= 2, "the next one may connect while the last one says goodbye"


def test_a_single_round_drains_all_that_is_due_however_many_accounts() -> None:
    with ChaosServer() as server:
        accounts = queue(server.port, 130)
        out = StringIO()
        call_command("mailconfig_drain", once=True, stdout=out)
        assert sent(accounts) == 130
        assert out.getvalue().strip() == "130 hand-overs: 130 accepted"


@pytest.mark.parametrize("asked", ["0", "-1", "many"])
def test_the_command_refuses_a_concurrency_that_makes_no_sense(asked: str) -> None:
    with pytest.raises(CommandError, match="--concurrency"):
        call_command("mailconfig_drain", "--once", "--concurrency", asked)


@threaded
@pytest.mark.parametrize("verb", ["banner", "mail", "dot"])
def test_servers_that_hang_cost_nobody_else_his_turn(
    configure: Callable[..., None], worker: Callable[[], threading.Thread], verb: str
) -> None:
    """30 of 100 accounts wait for a server that says nothing, with room for eight to be drained at once."""
    configure(CONCURRENCY=8, STOP_SECONDS=0.5)
    with ChaosServer() as silent, ChaosServer(latency=0.005) as server:
        silent.on(verb, Hang())
        dead = queue(silent.port, 30)
        alive = queue(server.port, 70, 2)
        worker()
        until(lambda: sent(alive) == 140, seconds=60)
        assert sent(dead) == 0
        assert server.most_sessions <= 8


VERBS = ("banner", "ehlo", "auth", "mail", "rcpt", "data", "dot", "quit")


@threaded
def test_healthy_accounts_go_on_among_servers_that_hang_at_each_verb_and_those_that_dribble(
    configure: Callable[..., None], worker: Callable[[], threading.Thread]
) -> None:
    """Twenty of sixty accounts, with room for eight; counted and not timed, since nothing but them has to wait."""
    configure(CONCURRENCY=8, STOP_SECONDS=0.5, RING_SECONDS=0.1)
    with ExitStack() as stack:
        stuck: dict[str, list[Account]] = {}
        for verb in VERBS:
            silent = stack.enter_context(ChaosServer(credentials={"me": PASSWORD}, auth_in_clear=True))
            silent.on(verb, Hang())
            stuck[verb] = queue(silent.port, 2, 2, username="me")
        dribbling = stack.enter_context(ChaosServer())
        dribbling.on("ehlo", Slow("250-as slow as can be", seconds=1.0))
        slow = queue(dribbling.port, 4)
        server = stack.enter_context(ChaosServer(latency=0.005))
        healthy = queue(server.port, 40, 3)
        worker()
        until(lambda: sent(healthy) == 120, why="healthy accounts waited for others")
        assert Lane.objects.filter(account__in=healthy).exclude(wait_reason="").count() == 0
        assert len({message.data for message in server.messages}) == len(server.messages) == 120
        assert sent(slow) == 0
        until(lambda: sent(stuck["quit"]) == 4, why="what was accepted is not known")
        assert {verb: sent(accounts) for verb, accounts in stuck.items()} == dict.fromkeys(VERBS, 0) | {
            "quit": 4
        }


@threaded
def test_a_busy_account_goes_on_while_nobody_waits_and_gives_way_when_somebody_does(
    configure: Callable[..., None], worker: Callable[[], threading.Thread]
) -> None:
    configure(CONCURRENCY=1, SLICE_SECONDS=0.2, RING_SECONDS=0.1, SESSION_MESSAGES=1000)
    with ChaosServer(latency=0.02) as server, ChaosServer() as other:
        (busy,) = queue(server.port, 1, 100)
        worker()
        assert server.wait_for(lambda: len(server.messages) >= 30)
        assert server.sessions == 1, "its slice was over long ago"
        (late,) = queue(other.port, 1)
        until(lambda: sent([late]) == 1)
        assert sent([busy]) < 100
        until(lambda: sent([busy]) == 100)
        # On a slow machine the other lane is called for once more when its mail has gone, and the busy one gives way again.
        assert 2 <= server.sessions <= 3


def test_a_tenant_with_one_mailbox_waits_for_none_with_hundreds() -> None:
    big, small = make_tenant(), make_tenant()
    many = queue(2525, 50, tenant=big)
    (single,) = queue(2525, 1, tenant=small)
    alone = queue(2525, 1, host="a.example")[0]
    first = [lane.account_id for lane in pick_due(limit=5)]
    assert set(first[:3]) == {many[0].pk, single.pk, alone.pk}
    assert first[3:] == [many[1].pk, many[2].pk]
    without = [lane.account_id for lane in pick_due(limit=5, without=[many[0].pk])]
    assert many[0].pk not in without
    host = pick_due(limit=1)[0].host
    assert [lane.account_id for lane in pick_due(limit=5, not_at=[host])] == [alone.pk]


@pytest.mark.postgres
def test_lanes_are_picked_as_the_orm_would() -> None:
    tenants = [make_tenant(), make_tenant(), None]
    for number in range(24):
        queue(2525 + number % 2, 1, tenant=tenants[number % 3], host=f"{'ab'[number // 3 % 2]}.example")
    every = pick_due(limit=100)
    hosts = list({lane.host: None for lane in every})
    assert len(every) == 24
    for limit, without, not_at in [
        (100, [], []),
        (7, [], []),
        (100, [lane.account_id for lane in every[::3]], hosts[:1]),
        (5, [every[0].account_id], hosts[1:3]),
        (100, [], hosts),
    ]:
        wanted = [row[0] for row in _due(Purpose.SEND, limit, without=without, not_at=not_at)]
        for _ in range(4):
            picked = pick_due(limit=limit, without=without, not_at=not_at)
            assert [lane.account_id for lane in picked] == wanted


@threaded
def test_what_means_to_end_a_process_ends_one_turn(
    configure: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    configure(CONCURRENCY=3)
    with ChaosServer() as server:
        bad, *good = queue(server.port, 6)

        def leave(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
            if takes_lane(sql) and names_row(params, bad.pk):
                raise SystemExit(3)
            return execute(sql, params, many, context)

        with on_every_connection(leave):
            assert drain() == 5
        assert sent(good) == 5
        (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
        assert record.exc_info


@threaded
def test_a_lane_that_becomes_due_by_time_is_not_left_to_the_next_look(
    configure: Callable[..., None], worker: Callable[[], threading.Thread]
) -> None:
    configure(RING_SECONDS=120.0, SWEEP_SECONDS=120.0)
    with ChaosServer() as server:
        (first,) = queue(server.port, 1)
        worker()
        until(lambda: sent([first]) == 1)
        later = [make_account(server.port) for _ in range(3)]
        now = database_now()
        for number, account in enumerate(later):
            at = now + timedelta(seconds=1.0 + 0.3 * number)
            make_message(account, not_before=at)
            lanes.make_due_at(account.pk, at)
        delivery.wake_lane(first.pk)
        until(lambda: sent(later) == 3, seconds=60)
        assert len(server.messages) == 4


@threaded
def test_once_comes_back_to_a_lane_whose_connection_to_the_database_was_lost(
    configure: Callable[..., None],
) -> None:
    configure(CONCURRENCY=3)
    with ChaosServer() as server:
        unlucky, *others = queue(server.port, 4)
        cut: list[str] = []

        def cut_off(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
            if takes_lane(sql) and names_row(params, unlucky.pk) and not cut:
                cut.append(sql)
                return execute("SELECT pg_terminate_backend(pg_backend_pid())", (), many, context)
            return execute(sql, params, many, context)

        with on_every_connection(cut_off):
            assert drain() == 4
        assert cut
        assert sent([unlucky, *others]) == 4


@threaded
def test_tables_that_are_not_migrated_yet_are_waited_for(
    worker: Callable[[], threading.Thread], configure: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    configure(RING_SECONDS=0.1)

    def rename(old: str, new: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE mailconfig_lane RENAME COLUMN {old} TO {new}")

    with ChaosServer() as server:
        accounts = queue(server.port, 3)
        rename("strikes", "strikes_to_come")
        try:
            rename("due_at", "due_to_come")
            try:
                thread = worker()
                until(lambda: "waiting for manage.py migrate" in caplog.text)
            finally:
                rename("due_to_come", "due_at")
        finally:
            rename("strikes_to_come", "strikes")
        until(lambda: sent(accounts) == 3)
        assert thread.is_alive()


@threaded
def test_a_storage_that_hangs_in_the_purge_holds_up_no_mail(
    settings: Any, tmp_path: Path, worker: Callable[[], threading.Thread]
) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "tests.storages.ObjectStorage",
            "OPTIONS": {"location": str(tmp_path / "stored")},
        },
    }
    ObjectStorage.mend()
    ObjectStorage.hangs.clear()
    try:
        with ChaosServer() as server:
            worker()
            until(lambda: ObjectStorage.is_hanging, seconds=30)
            accounts = queue(server.port, 5)
            until(lambda: sent(accounts) == 5)
            assert ObjectStorage.is_hanging
    finally:
        ObjectStorage.hangs.set()


@threaded
def test_a_worker_that_is_to_end_leaves_servers_that_hang_after_a_bounded_time(tmp_path: Path) -> None:
    with ChaosServer() as silent, ChaosServer(latency=0.02) as server:
        silent.on("mail", Hang())
        stuck = queue(silent.port, 3)
        busy = make_account(server.port)
        delivery.enqueue_many((make_email(number) for number in range(300)), account=busy)
        command = ["manage.py", "mailconfig_drain", "--concurrency", "6"]
        with Child(*command, folder=tmp_path, env=environment({"STOP_SECONDS": 1.0})) as child:
            assert server.wait_for(lambda: len(server.messages) >= 10)
            until(lambda: silent.verbs().count("MAIL") == 3)
            begun = time.monotonic()
            assert child.terminate() == 0, child.said()
            assert time.monotonic() - begun < 30, "MAIL may take a minute, and it is not waited for"
        received = len(server.messages)
        assert received < 300
        assert sent([busy]) == received
        assert not Lane.objects.exclude(lease_token=None).exists()
        assert set(Message.objects.filter(account__in=stuck).values_list("state", flat=True)) == {"queued"}
