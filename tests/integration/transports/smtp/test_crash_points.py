"""A process that is killed at a crash point has written exactly what the point's name says."""

import os
import signal
import subprocess
import sys

import pytest

from tests.servers.chaos import ChaosServer

SENDER = """
import sys
from ipaddress import ip_network
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.smtp.transport import open_smtp
from mailconfig.values import Envelope, NetworkPolicy, Security, ConnectionSettings

settings = ConnectionSettings(host="127.0.0.1", port=int(sys.argv[1]), security=Security.NONE)
policy = NetworkPolicy(allowed_networks=(ip_network("127.0.0.0/8"),), allowed_ports=None)
session = open_smtp(settings, Surroundings(policy=policy))
session.propose(Envelope("me@example.com", ("you@example.com",)))
assert session.envelope_outcome().is_open
session.hand_over([b"Subject: hello", b"\\r\\n\\r\\n" + b"x" * 1000])
session.outcome()
"""


@pytest.mark.parametrize("pipelining", [True, False], ids=["pipelined", "lock step"])
@pytest.mark.parametrize(
    ("point", "last", "messages"),
    [
        ("after_mail", "MAIL", 0),
        ("after_rcpt", "RCPT", 0),
        ("after_data", "DATA", 0),
        ("mid_body", "DATA", 0),
        ("after_dot", "DATA", 1),
    ],
)
def test_a_crash_happens_where_it_says(point: str, last: str, messages: int, pipelining: bool) -> None:
    with ChaosServer(pipelining=pipelining) as server:
        result = subprocess.run(
            [sys.executable, "-c", SENDER, str(server.port)],
            env={**os.environ, "MAILCONFIG_CRASH_AT": f"{point}:1"},
            check=False,
            timeout=60,
        )
        assert result.returncode == -signal.SIGKILL
        assert server.wait_for(lambda: server.sessions > 0 and server.sessions_open == 0)
    written = ["EHLO", "MAIL", "RCPT", "DATA"][: ["EHLO", "MAIL", "RCPT", "DATA"].index(last) + 1]
    # What was pipelined may be lost with the reset of a killed client; more than was written never comes.
    seen = server.verbs()
    assert seen == written[: len(seen)] if pipelining else seen == written
    assert len(server.messages) == messages


COMER = """
from mailconfig import crash

for number in range(1, 6):
    print(number, flush=True)
    crash.point("another")
    crash.point("here")
"""


def test_a_process_is_killed_the_third_time_it_comes_by() -> None:
    result = subprocess.run(
        [sys.executable, "-c", COMER],
        env={**os.environ, "MAILCONFIG_CRASH_AT": "here@3"},
        check=False,
        timeout=60,
        capture_output=True,
    )
    assert result.returncode == -signal.SIGKILL
    assert result.stdout.split() == [b"1", b"2", b"3"]
