"""A worker that is deployed before its migrations: it waits, says so once, and goes on after them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from mailconfig import delivery, tasks
from mailconfig.delivery.worker.steps import failing_steps
from mailconfig.models import Lane, Message
from tests.factories import make_account, make_message
from tests.servers.chaos import ChaosServer
from tests.servers.children import until

from .conftest import states

pytestmark = pytest.mark.django_db(transaction=True)

MISSING = [
    ("mailconfig_lane", "due_at"),
    ("mailconfig_message", "envelope_from"),
    ("mailconfig_handover", ""),
]
"""A table and its column; ``""``: the whole table."""


def rename(table: str, column: str, *, back: bool = False) -> None:
    """Take the column, or the table, from whoever knows it by its name; ``back``: what its migration does."""
    new = f"{column or table}_later"
    before, after = (new, column or table) if back else (column or table, new)
    with connection.cursor() as cursor:
        if column:
            cursor.execute(f"ALTER TABLE {table} RENAME COLUMN {before} TO {after}")
        else:
            cursor.execute(f"ALTER TABLE {before} RENAME TO {after}")


@pytest.fixture(params=MISSING, ids=lambda missing: "-".join(missing).strip("-"))
def migrate(request: pytest.FixtureRequest) -> Iterator[Callable[[], None]]:
    """Something of this release is missing; what the fixture returns brings it."""
    missing = [request.param]

    def end() -> None:
        while missing:
            rename(*missing.pop(), back=True)

    rename(*request.param)
    yield end
    connection.close()
    end()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says of tables, without the names that each database words in its own way."""
    told = [record.getMessage() for record in caplog.records if record.name == "mailconfig.mishaps"]
    return [text.partition(" (")[0] for text in told if "tables of this release" in text]


WAITS = "the database has not the tables of this release"
GOES_ON = "the database has the tables of this release: going on"


@pytest.fixture
def waiting_mail() -> Iterator[None]:
    """Mail of two accounts that is due."""
    with ChaosServer() as server:
        for _ in range(2):
            account = make_account(server.port)
            make_message(account)
            Lane.objects.filter(account=account).update(due_at=account.created_at)
        yield


@pytest.fixture
def unmigrated(waiting_mail: None, migrate: Callable[[], None]) -> Callable[[], None]:
    """First the mail, then what is missing."""
    return migrate


def test_the_loop_waits_for_the_tables_and_goes_on(
    settings: Any, unmigrated: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    settings.MAILCONFIG = {
        **settings.MAILCONFIG,
        "SWEEP_SECONDS": 0.1,
        "RING_SECONDS": 0.05,
        "LEASE_SECONDS": 1.0,
    }
    stop = threading.Event()

    def work() -> None:
        try:
            delivery.run(should_stop=stop.is_set)
        finally:
            connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        until(lambda: WAITS in said(caplog))
        worker.join(1.0)
        assert worker.is_alive()
        assert said(caplog) == [WAITS]
        connection.close()
        unmigrated()
        until(lambda: Message.objects.filter(state="sent").count() == 2 and GOES_ON in said(caplog))
    finally:
        stop.set()
        worker.join(30)
    assert said(caplog) == [WAITS, GOES_ON]
    assert not [record for record in caplog.records if record.exc_info], "it is no error of anybody's"
    assert set(Lane.objects.values_list("wait_reason", flat=True)) == {""}
    assert failing_steps() == []


def test_tasks_wait_for_the_tables_and_go_on(
    settings: Any, unmigrated: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "LEASE_SECONDS": 1.0}
    accounts = list(Lane.objects.values_list("account_id", flat=True))

    def ask() -> None:
        """What beat and doorbells ask of a worker."""
        tasks.sweep()
        tasks.ring()
        for account_id in accounts:
            tasks.drain(account_id)

    for _ in range(3):
        ask()
    assert said(caplog) == [WAITS]
    assert not [record for record in caplog.records if record.exc_info]
    unmigrated()

    def is_sent() -> bool:
        ask()
        return states() == ["sent", "sent"]

    until(is_sent)
    assert said(caplog) == [WAITS, GOES_ON]
    assert set(Lane.objects.values_list("wait_reason", flat=True)) == {""}
