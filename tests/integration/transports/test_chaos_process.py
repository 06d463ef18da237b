"""The chaos server as a process of its own, for tests that kill workers."""

import json
import smtplib
from pathlib import Path

import pytest

from tests.servers.sidecar import Sidecar


def test_it_tells_its_port_and_writes_a_line_for_each_message(tmp_path: Path) -> None:
    record = tmp_path / "messages"
    server = Sidecar("tests.servers.chaos", "--record", str(record), "--fault", "dot@2=554 5.6.0 no")
    try:
        with smtplib.SMTP("127.0.0.1", int(server.url)) as client:
            client.sendmail("me@example.com", ["you@example.com"], b"Subject: \xe9\r\n\r\n.dot\r\n")
            with pytest.raises(smtplib.SMTPDataError):
                client.sendmail("me@example.com", ["you@example.com"], "refused")
            lines = record.read_text().splitlines()
    finally:
        server.stop()
    found = [json.loads(line) for line in lines]
    assert [(line["mail_from"], line["recipients"], line["data"]) for line in found] == [
        ("me@example.com", ["you@example.com"], "Subject: \xe9\r\n\r\n.dot\r\n")
    ]
