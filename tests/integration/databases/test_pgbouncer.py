"""Behind pgbouncer in transaction mode, whether Django was told of it or not: all goes out once, and nobody waits for notices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from mailconfig.models import Attempt, Message, MessageState
from tests.acceptance.invariants import check_ledger, check_limits, check_states
from tests.acceptance.kills import FAST
from tests.factories import make_account
from tests.servers import pgbouncer
from tests.servers.children import Child, drain_worker, environment, until
from tests.servers.sink import Sink

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.postgres,
    pytest.mark.system("pgbouncer"),
    pytest.mark.slow,
]

LANES, LENT, MAILS_EACH = 20, 4, 15
LIMIT, PERIOD = 5, 1
NOT_TOLD = "PostgreSQL's notices do not arrive"


@pytest.fixture
def pooler() -> Iterator[str]:
    """The URL of the test database behind a pooler that has fewer connections than a worker has lanes."""
    values: dict[str, Any] = connection.settings_dict
    wanted = {name.lower(): values[name] for name in ("NAME", "HOST", "PORT", "USER", "PASSWORD")}
    server = pgbouncer.start(**wanted, size=LENT)
    yield server.url
    server.stop()


def all_sent() -> bool:
    """Nothing is left."""
    return not Message.objects.exclude(state=MessageState.SENT).exists()


@pytest.mark.parametrize("told", [True, False], ids=["django was told", "django was not told"])
def test_host_and_workers_behind_it_send_each_mail_once(
    pooler: str, told: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = {**FAST, "LEASE_SECONDS": 30.0, "CONCURRENCY": LANES, "WINDOW": 3}
    ledger = tmp_path / "ledger.jsonl"
    with Sink(tmp_path, "--latency", "0.02") as sink:
        accounts = [make_account(sink.port, limit_count=LIMIT, limit_period=PERIOD) for _ in range(LANES)]
        monkeypatch.setenv("DATABASE_URL", f"{pooler}?pooled=1" if told else pooler)
        feeder = ["-m", "tests.acceptance.feeder", str(ledger), *(str(account.pk) for account in accounts)]
        with drain_worker(tmp_path, settings) as one, drain_worker(tmp_path, settings) as two:
            with Child(*feeder, "--rounds", str(MAILS_EACH), folder=tmp_path, env=environment()) as host:
                assert host.wait() == 0, host.said()
            until(all_sent, why="not everything was sent")
            until(lambda: all(NOT_TOLD in worker.said() for worker in (one, two)), why="nobody noticed")
            # Told of nothing it looks by itself, and what it prepared elsewhere does it no harm.
            with drain_worker(tmp_path, settings, once=True) as third:
                assert third.wait() == 0, third.said()
            assert one.terminate() == two.terminate() == 0, one.said() + two.said()
            for worker in (one, two, third):
                assert "Traceback" not in worker.said(), worker.said()

        check_states(sink)
        check_ledger(ledger, sink)
        check_limits(sink, limit=LIMIT, seconds=PERIOD)
        assert len(sink.messages) == LANES * MAILS_EACH == len(sink.by_message_id())
        assert Attempt.objects.count() == LANES * MAILS_EACH
    assert _backends() <= LENT + 1, "the pooler's, and that of this test"


def _backends() -> int:
    """Connections to the test database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
        )
        return int(cursor.fetchone()[0])
