"""Workers at work, shown in the status and the admin."""

from __future__ import annotations

import json
import os
import socket
import threading
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from mailconfig import delivery
from mailconfig.models import Worker
from tests.factories import make_account, make_message, make_user
from tests.servers.chaos import ChaosServer
from tests.servers.children import until

pytestmark = pytest.mark.django_db(transaction=True)


def make_worker(**values: Any) -> Worker:
    """A row as a worker writes it."""
    now = timezone.now()
    plain = {"host": "here", "pid": 17, "started_at": now, "seen_at": now, "concurrency": 20}
    return Worker.objects.create(**plain | values)


def status(*options: str) -> str:
    """The command's words."""
    out = StringIO()
    call_command("mailconfig_status", *options, stdout=out)
    return out.getvalue()


def test_a_worker_shows_itself_while_it_works_and_no_longer() -> None:
    stop = threading.Event()

    def work() -> None:
        try:
            delivery.run(should_stop=stop.is_set, concurrency=1 if connection.vendor == "sqlite" else 3)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    with ChaosServer() as server:
        make_message(make_account(server.port))
        thread.start()
        try:
            until(Worker.objects.exists)
            (seen,) = delivery.status().workers
            assert (seen.host, seen.pid) == (socket.gethostname(), os.getpid())
            assert seen.concurrency == (1 if connection.vendor == "sqlite" else 3)
            assert seen.since <= seen.seen_at
        finally:
            stop.set()
            thread.join(60)
    assert not Worker.objects.exists()


def test_the_status_command_says_who_is_at_work() -> None:
    make_worker(lanes=12, waiting=3, mails_a_minute=240)
    words = status()
    assert (
        "worker here:17: 12 accounts in hand (3 of them wait for their servers), 240 mails a minute" in words
    )
    (worker,) = json.loads(status("--json"))["workers"]
    assert (worker["host"], worker["pid"], worker["lanes"], worker["mails_a_minute"]) == ("here", 17, 12, 240)


def test_a_worker_that_fell_silent_is_not_at_work_and_the_sweep_forgets_it() -> None:
    make_worker(seen_at=timezone.now() - timedelta(minutes=2))
    living = make_worker(pid=18)
    assert [worker.pid for worker in delivery.status().workers] == [18]
    delivery.sweep()
    assert list(Worker.objects.all()) == [living]


def test_the_admin_lists_workers_to_look_at_only(client: Client) -> None:
    row = make_worker(host="machine-7")
    client.force_login(make_user(is_staff=True, is_superuser=True))
    assert "machine-7" in client.get("/admin/mailconfig/worker/").content.decode()
    assert client.get(f"/admin/mailconfig/worker/{row.pk}/change/").status_code == 200
    assert client.post(f"/admin/mailconfig/worker/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.get("/admin/mailconfig/worker/add/").status_code == 403
    client.force_login(make_user(is_staff=True))
    assert client.get("/admin/mailconfig/worker/").status_code == 403


def test_an_empty_list_says_who_would_be_in_it(client: Client) -> None:
    client.force_login(make_user(is_staff=True, is_superuser=True))
    assert "No worker says that it is at work" in client.get("/admin/mailconfig/worker/").content.decode()
    make_worker()
    assert "No worker says that it is at work" not in client.get("/admin/mailconfig/worker/").content.decode()
