"""Celery for real: whatever of it is killed, flushed or hangs, mail is delivered and requests do not notice."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import Settings
from standardwebhooks.webhooks import Webhook

from mailconfig import delivery
from mailconfig.models import Message, WebhookEndpoint
from tests.acceptance.crew import Broker, Crew
from tests.acceptance.invariants import check_ledger, check_states, message_ids
from tests.acceptance.kills import FAST
from tests.celery_app import app
from tests.factories import make_account, make_email, make_tenant
from tests.servers.certificates import Certificates
from tests.servers.children import Child, environment, until
from tests.servers.http import ScriptedHttpServer, answer
from tests.servers.sink import Sink

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

WAITED = 5.0
"""Seconds of a request that waited for its broker, which stands still for longer; a busy machine takes less."""


@pytest.fixture(params=[pytest.param("redis", marks=[pytest.mark.redis, pytest.mark.one_database]), "folder"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Broker:
    """Of each kind."""
    if request.param == "redis":
        broker = Broker(request.getfixturevalue("redis_url"))
        broker.flush()
        return broker
    if connection.vendor == "postgresql":
        pytest.skip("a broker of folders goes with SQLite, as in the demo: TEST_DB=sqlite")
    return Broker("folder://localhost", tmp_path)


@pytest.fixture
def redis_broker(redis_url: str) -> Broker:
    """A Redis server with nothing in it."""
    broker = Broker(redis_url)
    broker.flush()
    return broker


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    """A server some milliseconds away, so that drains last a while."""
    with Sink(tmp_path, "--latency", "0.005") as sink:
        yield sink


def await_empty_queue() -> None:
    """Return when nothing waits any more."""
    waiting = Message.objects.filter(state="queued")
    until(lambda: not waiting.exists(), why="the queue was not empty")


def check_delivery(sink: Sink, ledger: Path, *, duplicates: int = 0) -> None:
    """Everything accepted arrived, at most so many twice."""
    check_states(sink)
    check_ledger(ledger, sink)
    copies = Counter(message.message_id for message in sink.messages)
    assert set(copies) == message_ids(Message.objects.all())
    assert sum(copies.values()) - len(copies) <= duplicates


def test_processes_of_celery_killed_under_load_lose_nothing(
    broker: Broker, sink: Sink, tmp_path: Path
) -> None:
    accounts = [make_account(sink.port).pk for _ in range(3)]
    ledger = tmp_path / "ledger.jsonl"
    with Crew(broker, tmp_path, FAST) as crew, crew.feeder(ledger, accounts) as feeder:
        sink.await_messages(20)

        os.kill(crew.busy_child(), signal.SIGKILL)
        sink.await_messages(len(sink.messages) + 60)

        crew.busy_child()
        crew.worker.kill()
        crew.worker.end()
        crew.start_worker()
        sink.await_messages(len(sink.messages) + 60)

        crew.beat.kill()
        sink.await_messages(len(sink.messages) + 60)
        crew.start_beat()

        assert feeder.terminate() == 0, feeder.said()
        await_empty_queue()
        assert crew.worker.terminate() == 0, crew.worker.said()
    # Either kill may meet a mail of each account between its dot and the commit of what came of it.
    check_delivery(sink, ledger, duplicates=2 * len(accounts))


def test_a_broker_that_is_flushed_loses_rings_and_no_mail(broker: Broker, sink: Sink, tmp_path: Path) -> None:
    accounts = [make_account(sink.port).pk for _ in range(3)]
    ledger = tmp_path / "ledger.jsonl"
    with Crew(broker, tmp_path, FAST) as crew, crew.feeder(ledger, accounts) as feeder:
        sink.await_messages(20)
        for _ in range(10):
            broker.flush()
            sink.await_messages(len(sink.messages) + 10)
        assert feeder.terminate() == 0, feeder.said()
        await_empty_queue()
    check_delivery(sink, ledger)


@pytest.mark.one_database
@pytest.mark.redis
def test_a_broker_that_stands_still_for_a_while_is_waited_for(
    redis_broker: Broker, sink: Sink, tmp_path: Path
) -> None:
    accounts = [make_account(sink.port).pk for _ in range(3)]
    ledger = tmp_path / "ledger.jsonl"
    with Crew(redis_broker, tmp_path, FAST) as crew, crew.feeder(ledger, accounts) as feeder:
        sink.await_messages(20)
        redis_broker.say("CLIENT PAUSE 8000 ALL")
        sink.await_messages(len(sink.messages) + 60)
        assert feeder.terminate() == 0, feeder.said()
        await_empty_queue()
    check_delivery(sink, ledger)
    assert max(json.loads(line)["seconds"] for line in ledger.read_text().splitlines()) < WAITED


@pytest.mark.one_database
@pytest.mark.parametrize("state", ["down", "hanging"])
def test_a_request_queues_mail_in_no_time_whatever_the_broker_does(
    state: str, sink: Sink, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger.jsonl"
    account = make_account(sink.port)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        if state == "down":
            listener.close()
        env = {**environment(FAST), "CELERY_BROKER_URL": f"redis://127.0.0.1:{port}/0"}
        arguments = ["-m", "tests.acceptance.feeder", str(ledger), str(account.pk), "--every", "0.1"]
        with Child(*arguments, "--rounds", "20", folder=tmp_path, env=env) as feeder:
            assert feeder.wait() == 0, "it ends although a ring was never heard"
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert len(lines) == 20
    assert max(line["seconds"] for line in lines) < WAITED
    delivery.sweep()
    delivery.drain_account(account_id=account.pk)
    check_delivery(sink, ledger)


@pytest.mark.one_database
@pytest.mark.redis
def test_a_worker_tells_a_tenants_webhook_over_https_what_came_of_its_mail(
    redis_broker: Broker, sink: Sink, tmp_path: Path, settings: Settings
) -> None:
    with closing(Certificates()) as certificates, ScriptedHttpServer(tls=certificates.good) as hooks:
        own = {"CA_FILE": certificates.ca_file, "WEBHOOK_NETWORKS": ["127.0.0.0/8"], "WEB_PORTS": None}
        settings.MAILCONFIG = {**settings.MAILCONFIG, **own}
        hooks.scripts["/in"] = answer(b"thanks")
        tenant = make_tenant(slug="acme")
        endpoint = WebhookEndpoint(tenant=tenant, url=hooks.url("/in"), kinds=["message.settled"])
        secret = delivery.save_webhook(endpoint=endpoint)
        assert secret is not None
        account = make_account(sink.port, tenant=tenant)
        with Crew(redis_broker, tmp_path, {**FAST, **own}) as crew:
            delivery.enqueue_many((make_email(number) for number in range(3)), account=account)
            told = endpoint.deliveries.filter(state="delivered")
            until(lambda: told.count() == 3, why="the webhook was not told")
            assert crew.worker.terminate() == 0, crew.worker.said()
        events = [Webhook(secret.reveal()).verify(asked.body, asked.headers) for asked in hooks.asked]
    assert sorted(event["data"]["message_uuid"] for event in events) == sorted(
        str(key) for key in Message.objects.values_list("uuid", flat=True)
    )
    assert {(event["tenant"], event["data"]["state"]) for event in events} == {("acme", "sent")}
    assert {row.attempts for row in told} == {1}


@pytest.mark.redis
def test_a_doorbell_rung_a_hundred_times_or_late_changes_nothing(
    redis_broker: Broker, sink: Sink, tmp_path: Path
) -> None:
    account = make_account(sink.port)
    delivery.enqueue_many((make_email(number) for number in range(50)), account=account)
    with Crew(redis_broker, tmp_path, FAST):
        with app.connection_for_write(redis_broker.url) as connection:
            for _ in range(100):
                app.send_task("mailconfig.drain", (account.pk,), connection=connection)
        sink.await_messages(50)
        await_empty_queue()
        with app.connection_for_write(redis_broker.url) as connection:
            for _ in range(100):
                app.send_task("mailconfig.drain", (account.pk,), connection=connection)
        another = make_account(sink.port)
        delivery.enqueue(make_email(50), account=another)
        sink.await_messages(51)
        await_empty_queue()
    assert [message.recipients[0] for message in sink.messages] == [f"to{n}@example.net" for n in range(51)]
    by_start = sorted(sink.sessions, key=lambda session: session.began)
    assert all(one.last <= other.began for one, other in pairwise(by_start)), "one session at a time"
