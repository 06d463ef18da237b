"""Mail with files from URLs while workers are killed: nothing is lost, nothing goes twice, and nothing without its files."""

from __future__ import annotations

import email
import email.policy
import signal
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages

from mailconfig import delivery
from mailconfig.delivery.queue.bodies import FOLDER
from mailconfig.models import AccountKind, Attachment, Message, MessageState, Preparation
from tests.factories import make_account, make_tenant
from tests.servers.children import Child, drain_worker, environment, until
from tests.servers.http import ScriptedHttpServer, answer
from tests.servers.sink import Sink

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database, pytest.mark.slow]

FAST = {
    "LEASE_SECONDS": 0.5,
    "SWEEP_SECONDS": 0.2,
    "RING_SECONDS": 0.1,
    "INLINE_BYTES": 1000,
    "ATTACHMENT_NETWORKS": ["127.0.0.0/8"],
    "WEB_PORTS": None,
    "ALLOW_PLAIN_HTTP": True,
}
POINTS = ("files_taken", "files_kept", "files_noted", "files_composed", "files_queued")
"""Owned and nothing done; a file stored and not noted; noted; rendered and not committed; committed and nobody called."""
CONTENTS = [b"%PDF small", b"x" * 5000]
QUEUE = """
import django; django.setup()
from mailconfig import delivery
delivery.queue_service_mail({account}, recipient="anna@example.net", attachments={urls!r})
"""


def files_in(data: bytes) -> list[bytes]:
    parsed: Any = email.message_from_bytes(data, policy=email.policy.default)
    return [part.get_payload(decode=True) for part in parsed.iter_attachments()]


def test_workers_killed_at_every_step_send_the_mail_once_and_with_its_files(
    tmp_path: Path, settings: Any
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, **FAST}
    with ScriptedHttpServer() as files, Sink(tmp_path) as sink:
        for number, content in enumerate(CONTENTS):
            files.scripts[f"/{number}.pdf"] = answer(content)
        account = make_account(sink.port, kind=AccountKind.TENANT_CONFIG, tenant=make_tenant())
        urls = [files.url(f"/{number}.pdf") for number in range(2)]

        host_program = tmp_path / "host.py"
        host_program.write_text(QUEUE.format(account=account.pk, urls=urls))
        with Child(
            str(host_program), folder=tmp_path, env=environment(FAST, crash_at="before_files")
        ) as host:
            assert host.wait() == -signal.SIGKILL
        assert Message.objects.get().state == MessageState.PREPARING
        for point in POINTS:
            with drain_worker(tmp_path, FAST, crash_at=point) as worker:
                assert worker.wait() == -signal.SIGKILL, point
            assert sink.messages == []
        assert Message.objects.get().state == MessageState.QUEUED
        with drain_worker(tmp_path, FAST) as worker:
            sink.await_messages(1)
            until(lambda: Message.objects.get().state == "sent", why="its outcome was not committed")
            assert worker.terminate() == 0

        (mail,) = sink.messages
    assert files_in(mail.data) == CONTENTS
    assert not Preparation.objects.exists()
    assert not Attachment.objects.filter(has_bytes=True).exists()
    assert delivery.status().exit_code == 0
    # One was stored and noted by nobody, one rendered and committed by nobody: the purge finds them after a day.
    assert len(storages["default"].listdir(FOLDER)[1]) <= 2
