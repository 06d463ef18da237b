"""PostgreSQL tells idle workers, with the commit, that mail is due; where it cannot, they look now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from mailconfig import delivery
from mailconfig.delivery.postgres import listening
from mailconfig.delivery.postgres.listening import Listener
from mailconfig.models import Message
from tests.factories import make_account, make_email, make_message
from tests.servers.chaos import ChaosServer
from tests.servers.children import until
from tests.wrapping import on_every_connection

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

LISTENERS = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN %%' AND datname = current_database()"


@pytest.fixture
def worker(settings: Any, worker: Callable[[], threading.Thread]) -> Callable[..., None]:
    """Start the worker with settings by which it looks by itself once an hour."""

    def start(**values: object) -> None:
        quiet = {"RING_SECONDS": 3600.0, "SWEEP_SECONDS": 3600.0}
        settings.MAILCONFIG = {**settings.MAILCONFIG, **quiet, **values}
        worker()

    return start


def listeners() -> list[int]:
    """The backends that listen."""
    with connection.cursor() as cursor:
        cursor.execute(LISTENERS)
        return [pid for (pid,) in cursor.fetchall()]


def all_sent() -> bool:
    """Nothing is left."""
    return not Message.objects.exclude(state="sent").exists()


@pytest.mark.parametrize("in_transaction", [True, False])
def test_an_idle_worker_is_told_of_a_mail(worker: Callable[..., None], in_transaction: bool) -> None:
    with ChaosServer() as server:
        account = make_account(server.port)
        worker()
        until(listeners)
        for number in range(5):
            if in_transaction:
                with transaction.atomic():
                    delivery.enqueue(make_email(number), account=account)
            else:
                delivery.enqueue(make_email(number), account=account)
            until(all_sent, seconds=60)


def test_a_connection_that_was_cut_is_made_anew_and_nothing_is_missed(worker: Callable[..., None]) -> None:
    with ChaosServer() as server:
        account = make_account(server.port)
        worker()
        until(listeners)
        with connection.cursor() as cursor:
            cursor.execute(LISTENERS.replace("SELECT pid", "SELECT pg_terminate_backend(pid)"))
        make_message(account)
        delivery.wake_lane(account.pk)
        until(all_sent, seconds=60)
        until(listeners)
        delivery.enqueue(make_email(), account=account)
        until(all_sent, seconds=60)


def test_without_listening_a_worker_looks_every_few_seconds(worker: Callable[..., None]) -> None:
    with ChaosServer() as server:
        account = make_account(server.port)
        worker(LISTEN=False, RING_SECONDS=0.1)
        delivery.enqueue(make_email(), account=account)
        until(all_sent, seconds=60)
        assert listeners() == []


def test_notices_that_a_pooler_swallows_are_noticed(caplog: pytest.LogCaptureFixture) -> None:
    """pgbouncer lends the connection that listens to the next client: it listens no more, as after UNLISTEN."""
    heard: list[float] = []

    def note() -> None:
        heard.append(time.monotonic())

    def swallow(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if sql.startswith("LISTEN"):
            execute("UNLISTEN *", params, many, context)
        return result

    with on_every_connection(swallow), Listener(note):
        until(lambda: "do not arrive" in caplog.text, seconds=listening.PROOF_SECONDS * 10)
    assert len(heard) == 1, "once, for what became due before"
