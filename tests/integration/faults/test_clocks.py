"""Workers whose clocks are an hour off: the database's clock decides, so limits, leases and due times hold."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from django.utils import timezone

from mailconfig import delivery
from mailconfig.models import Message
from tests.acceptance.invariants import overfull_windows
from tests.acceptance.kills import FAST
from tests.factories import make_account, make_email, make_message
from tests.servers.children import Child, environment, until
from tests.servers.sink import Sink

# SQLite has no clock of its own: there the machine's is the only one.
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.postgres,
    pytest.mark.system("faketime"),
    pytest.mark.slow,
]

MAILS, LIMIT, PERIOD = 60, 20, 2


def skewed(by: str) -> dict[str, str]:
    """What ``faketime`` puts into the environment to have a clock off by so much."""
    shown = subprocess.run(["faketime", "-f", by, "env"], capture_output=True, check=True, text=True)
    lines = dict(line.split("=", 1) for line in shown.stdout.splitlines() if "=" in line)
    return {name: lines[name] for name in ("LD_PRELOAD", "FAKETIME")} | {"FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@pytest.mark.parametrize("skews", [("+1h", "-1h"), ("+1h", "+0s")])
def test_limits_and_leases_hold_whatever_a_workers_clock_says(skews: tuple[str, str], tmp_path: Path) -> None:
    # No short sleeps: libfaketime turns some of them into EINVAL.
    settings = {**FAST, "SLICE_SECONDS": 0.3, "LIMIT_WAIT_SECONDS": 0.0}
    with Sink(tmp_path) as sink:
        account = make_account(sink.port, limit_count=LIMIT, limit_period=PERIOD)
        delivery.enqueue_many((make_email(number) for number in range(MAILS)), account=account)
        scheduled = make_message(account, not_before=timezone.now() + timedelta(minutes=30))
        command = ["manage.py", "mailconfig_drain"]
        envs = [{**environment(settings), **skewed(by)} for by in skews]
        with (
            Child(*command, folder=tmp_path, env=envs[0]) as one,
            Child(*command, folder=tmp_path, env=envs[1]) as two,
        ):
            sink.await_messages(MAILS)
            until(lambda: Message.objects.filter(state="sent").count() == MAILS)
            assert one.terminate() == two.terminate() == 0, one.said() + two.said()
        assert [message.recipients[0] for message in sink.messages] == [
            f"to{number}@example.net" for number in range(MAILS)
        ]
        assert not overfull_windows(sink.messages, limit=LIMIT, seconds=PERIOD)
        by_start = sorted(sink.sessions, key=lambda session: session.began)
        assert all(a.last <= b.began for a, b in pairwise(by_start)), "one session at a time"
        scheduled.refresh_from_db()
        assert (scheduled.state, scheduled.attempts) == ("queued", 0)
