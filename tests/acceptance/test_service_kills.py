"""``kill -9`` while a mail goes to a mail service: what may have been taken is in doubt and says so, and none comes twice."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from mailconfig.models import Attempt, AttemptOutcome, Message, MessageState, WaitReason
from mailconfig.values import Secret
from tests.factories import make_account, make_message
from tests.servers.children import drain_worker, until
from tests.servers.gmail import ADDRESS, TOKEN, FakeGmail
from tests.servers.services import KEY, ServiceServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.one_database]


@pytest.mark.parametrize(
    ("service", "crash_at", "taken"),
    [
        ("sendgrid", "after_journal@1", 0),
        ("sendgrid", "after_reply@1", 1),
        ("gmail_api", "after_journal@1", 0),
        ("gmail_api", "after_reply@1", 1),
    ],
)
def test_a_worker_killed_over_a_hand_over_to_a_service_leaves_it_in_doubt(
    tmp_path: Path, settings: Settings, service: str, crash_at: str, taken: int
) -> None:
    is_gmail = service == "gmail_api"
    with FakeGmail() if is_gmail else ServiceServer() as server:
        taken_mails = server.sent if isinstance(server, FakeGmail) else server.mails
        own: dict[str, Any] = {
            "ALLOWED_NETWORKS": ["127.0.0.0/8"],
            "WEB_PORTS": None,
            "ALLOW_PLAIN_HTTP": True,
            "SEND_API_URLS": {
                service: server.url if isinstance(server, FakeGmail) else server.url("sendgrid")
            },
            "AMBIGUITY": "hold",
            "LEASE_SECONDS": 2.0,
            "SWEEP_SECONDS": 0.3,
            "RING_SECONDS": 0.1,
            "TIMEOUTS": {"dot": 0.5},
        }
        settings.MAILCONFIG = {**settings.MAILCONFIG, **own}
        login: dict[str, Any] = {"authentication": "password", "secret": Secret(KEY)}
        if is_gmail:
            login = {"authentication": "oauth2", "username": ADDRESS, "secret": Secret(TOKEN)}
        account = make_account(443, send_method=service, host="", **login)
        first, second = make_message(account), make_message(account)

        with drain_worker(tmp_path, own, crash_at=crash_at) as worker:
            assert worker.wait() == -signal.SIGKILL
        assert len(taken_mails) == taken
        with drain_worker(tmp_path, own) as worker:
            until(
                lambda: (
                    Message.objects.filter(state=MessageState.HELD).exists()
                    and Message.objects.filter(state=MessageState.SENT).exists()
                ),
                why="the one was not held, or the other not sent",
            )
            assert worker.terminate() == 0

    first.refresh_from_db()
    assert (first.state, first.wait_reason) == (MessageState.HELD, WaitReason.MAYBE_SENT)
    assert Attempt.objects.filter(message=first).get().outcome == AttemptOutcome.UNKNOWN
    assert len(taken_mails) == taken + 1
    assert taken_mails[-1].recipients == (second.recipients.get().address,)
