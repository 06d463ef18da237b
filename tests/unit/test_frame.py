"""The frame of the tests itself: what it promises to all other tests."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.db import connection

from tests import database_url, emptying
from tests.factories import make_account, make_message, make_user

ROOT = Path(__file__).resolve().parents[2]
POSTGRES = "postgresql://anna:p%40ss@db.example:5433/mail?sslmode=require"


@pytest.mark.parametrize(
    "url",
    [
        POSTGRES,
        "postgresql://postgres:@/postgres?host=%2Ftmp%2Fsome+where",
        "sqlite:///tmp/some%20where/mail.sqlite3",
    ],
)
def test_a_database_url_survives_the_way_to_a_child_process(url: str) -> None:
    entry = database_url.parse(url)

    assert database_url.parse(database_url.build(entry)) == entry


def test_a_database_url_is_taken_apart() -> None:
    entry = database_url.parse(POSTGRES)

    assert (entry["NAME"], entry["USER"], entry["PASSWORD"]) == ("mail", "anna", "p@ss")
    assert (entry["HOST"], entry["PORT"], entry["OPTIONS"]) == ("db.example", "5433", {"sslmode": "require"})


@pytest.mark.django_db(transaction=True)
def test_a_child_process_sees_the_test_database() -> None:
    code = (
        "import django; django.setup(); from django.db import connection as c; print(c.settings_dict['NAME'])"
    )
    child = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert child.stdout.strip() == str(connection.settings_dict["NAME"])


@pytest.mark.django_db(transaction=True)
def test_after_a_test_every_table_is_empty_but_those_that_describe_the_models() -> None:
    make_message(make_account())
    make_user().user_permissions.add(Permission.objects.all()[0])

    emptying.empty()

    filled = {
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if model._base_manager.exists()
    }
    assert filled == emptying.KEPT


def test_a_test_cannot_leave_this_machine(blocked_connections: list[object]) -> None:
    with socket.socket() as client, pytest.raises(PermissionError):
        client.connect(("192.0.2.1", 25))

    assert blocked_connections == [("192.0.2.1", 25)]
    blocked_connections.clear()


@pytest.mark.redis
def test_a_redis_server_answers(redis_url: str) -> None:
    import redis

    client = redis.Redis.from_url(redis_url)
    try:
        assert client.ping()
    finally:
        client.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's own user may enter, which pytest's are not."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.mark.parametrize("module", ["redis", "postgres"])
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_ends_with_the_process_that_started_it(
    module: str, ending: signal.Signals, folder: Path
) -> None:
    code = f"""
import time
from tests.servers import {module} as server
print(server.start().url, flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    with parent.stdout:
        assert "://" in parent.stdout.readline()
    assert list(folder.glob("mailconfig-*"))

    parent.send_signal(ending)
    parent.wait()

    until = time.monotonic() + 30
    while list(folder.glob("mailconfig-*")) and time.monotonic() < until:
        time.sleep(0.05)
    assert not list(folder.glob("mailconfig-*"))
