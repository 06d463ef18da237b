"""The loop of a worker without Celery: checks beside the drain, and nothing that ends it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from mailconfig import delivery
from mailconfig.models import CheckKind, ConnectionCheck, Message
from tests.factories import make_account, make_message, make_user
from tests.servers.chaos import ChaosServer
from tests.servers.children import until
from tests.servers.faults import Hang, Reply

pytestmark = pytest.mark.django_db(transaction=True)


def ask(account: Any, number: int) -> None:
    """So many checks that no doorbell reached, each by somebody else."""
    for _ in range(number):
        delivery.request_check(account_id=account.pk, kind=CheckKind.CONNECTION, requested_by=make_user())
    ConnectionCheck.objects.update(created_at=timezone.now() - timedelta(seconds=30))


def test_checks_at_a_silent_server_hold_up_no_mail(
    settings: Any, worker: Callable[[], threading.Thread]
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "SWEEP_SECONDS": 0.1, "PROBE_SECONDS": 20.0}
    with ChaosServer() as silent, ChaosServer() as server:
        silent.on("banner", Hang())
        ask(make_account(silent.port), 10)
        account = make_account(server.port)
        worker()
        until(lambda: ConnectionCheck.objects.filter(state="running").count() >= 2)
        for _ in range(5):
            make_message(account)
        until(lambda: Message.objects.filter(state="sent").count() == 5)
        running = ConnectionCheck.objects.filter(state="running").count()
        assert 2 <= running <= 4, "several at once, and not all"
        assert not ConnectionCheck.objects.filter(state="failed").exists(), "the mail did not wait for them"


def test_checks_are_run_once_each(settings: Any, worker: Callable[[], threading.Thread]) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "SWEEP_SECONDS": 0.05}
    with ChaosServer(latency=0.05) as server:
        ask(make_account(server.port), 8)
        worker()
        until(lambda: ConnectionCheck.objects.filter(state="passed").count() == 8)
        assert server.sessions == 8


def test_a_single_round_ends_when_its_checks_have_ended() -> None:
    with ChaosServer() as server:
        ask(make_account(server.port), 3)
        delivery.drain_all(should_stop=lambda: False)
        assert ConnectionCheck.objects.filter(state="passed").count() == 3


@pytest.mark.postgres
def test_a_migration_under_a_worker_costs_no_mail(
    settings: Any, worker: Callable[[], threading.Thread]
) -> None:
    """A column of a prepared statement changes its type: "cached plan must not change result type"."""
    settings.MAILCONFIG = {**settings.MAILCONFIG, "SWEEP_SECONDS": 0.1, "RING_SECONDS": 0.05}
    widths = iter([300, 254])

    def alter() -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE mailconfig_message ALTER envelope_from TYPE varchar({next(widths)})")
            cursor.execute("ALTER TABLE mailconfig_recipient ALTER address TYPE varchar(300)")

    with ChaosServer(latency=0.01) as server:
        account = make_account(server.port)
        for _ in range(30):
            make_message(account)
        worker()
        until(lambda: len(server.messages) >= 8)
        alter()
        for _ in range(30):
            make_message(account)
        try:
            until(lambda: Message.objects.filter(state="sent").count() == 60)
        finally:
            alter()
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE mailconfig_recipient ALTER address TYPE varchar(254)")
        assert len(server.messages) == 60


@pytest.mark.postgres
def test_a_server_that_takes_no_writes_any_more_is_waited_for(
    settings: Any, worker: Callable[[], threading.Thread], caplog: pytest.LogCaptureFixture
) -> None:
    """What a fail-over leaves behind: connections that live, to a server that is read-only."""
    settings.MAILCONFIG = {**settings.MAILCONFIG, "SWEEP_SECONDS": 0.1, "RING_SECONDS": 0.05}
    name = connection.settings_dict["NAME"]

    def read_only(value: str) -> None:
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")
            cursor.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {value}')
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s AND pid <> pg_backend_pid()",
                [name],
            )
        connection.close()

    with ChaosServer(latency=0.01) as server:
        account = make_account(server.port)
        for _ in range(40):
            make_message(account)
        worker()
        until(lambda: len(server.messages) >= 5)
        read_only("on")
        try:
            until(lambda: "read-only transaction" in caplog.text)
        finally:
            read_only("off")
        until(lambda: Message.objects.filter(state="sent").count() == 40)
        assert len(server.messages) == 40, "nothing went out twice"


def test_the_command_says_at_its_end_what_came_of_the_mails() -> None:
    """Also one that had nothing to do."""

    def drained() -> str:
        out = StringIO()
        call_command("mailconfig_drain", once=True, stdout=out)
        return out.getvalue().strip()

    with ChaosServer() as server:
        account = make_account(server.port)
        assert drained() == "Nothing was handed over."
        for _ in range(4):
            make_message(account)
        server.on("rcpt", Reply.of("550 5.1.1 no such user"), at=2)
        server.on("rcpt", Reply.of("450 4.2.1 try later"), at=3)
        assert drained() == "4 hand-overs: 2 accepted, 1 try again later, 1 refused"
