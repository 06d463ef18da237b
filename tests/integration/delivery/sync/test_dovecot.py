"""A folder of five thousand mails at a server that nobody here wrote, and workers that are killed while they read it."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from pytest_django import Settings

from mailconfig import delivery
from mailconfig.delivery.clock import database_now
from mailconfig.models import Lane, Purpose, SyncedFolder, SyncedMessage
from tests.servers.children import Child, environment, until
from tests.servers.mailboxes import LOGIN, Dovecot

from .mail import lane_of, make_synced

pytestmark = [pytest.mark.system("dovecot"), pytest.mark.slow, pytest.mark.django_db(transaction=True)]

MESSAGES = 5_000
KILLS = 10


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    if not Dovecot.is_available():
        pytest.skip("it is started by root only")
    with Dovecot() as server:
        server.add_messages(MESSAGES)
        yield server


def around(server: Dovecot) -> dict[str, object]:
    """Settings under which the server may be connected to."""
    return {
        "CA_FILE": server.ca_file,
        "ALLOWED_HOSTS": ["localhost"],
        "ALLOWED_PORTS": None,
        "LEASE_SECONDS": 2.0,
    }


def _has_more_than(number: int) -> bool:
    count = SyncedMessage.objects.count()
    return count > number or count == MESSAGES


def test_a_folder_that_is_read_by_workers_that_are_killed_is_complete(
    dovecot: Dovecot, tmp_path: Path, settings: Settings
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, **around(dovecot)}
    files = dovecot.files()
    mailbox = make_synced(
        dovecot.port,
        imap_host="localhost",
        imap_ssl=True,
        login_name=LOGIN,
        username=LOGIN,
    )
    lane = Lane.objects.filter(account=mailbox, purpose=Purpose.SYNC)
    dice = random.Random(7)  # noqa: S311 - not cryptography
    stored: list[int] = []
    child_settings = {**around(dovecot), "USE_CELERY": False, "SWEEP_SECONDS": 0.3, "RING_SECONDS": 0.1}

    for _ in range(KILLS):
        lane.update(due_at=database_now(), lease_token=None, lease_until=None)
        with Child(
            "manage.py", "mailconfig_drain", folder=tmp_path, env=environment(child_settings)
        ) as child:
            before = SyncedMessage.objects.count()
            until(partial(_has_more_than, before))
            time.sleep(dice.random() * 0.05)
            child.signal(signal.SIGKILL)
            child.wait()
        stored.append(SyncedMessage.objects.count())
    lane.update(due_at=database_now(), lease_token=None, lease_until=None)
    report = delivery.sync_account(account_id=mailbox.pk)

    assert report.is_complete, lane_of(mailbox).wait_text
    assert stored[0] < MESSAGES
    rows = SyncedMessage.objects.filter(mailbox=mailbox)
    assert sorted(rows.values_list("uid", flat=True)) == list(range(1, MESSAGES + 1))
    assert rows.values("message_id").distinct().count() == MESSAGES
    assert rows.filter(content=None).count() == 0
    assert SyncedFolder.objects.get().highest_uid == MESSAGES
    assert dovecot.files() == files
    assert delivery.sync_account(account_id=mailbox.pk).settled == 0
