"""Servers that answer to do harm: what they say ends on the lane in words that any database takes."""

import pytest

from mailconfig.delivery import drain_account
from mailconfig.models import WaitReason
from tests.factories import make_account, make_message
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Raw

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_list_of_logins_with_nul_and_without_end_is_no_error_of_ours() -> None:
    with ChaosServer(credentials={}) as server:
        server.on("ehlo", Raw(b"250-chaos.test\r\n250 AUTH A\x00B \x1b[31m " + b"X-ONE " * 5000 + b"\r\n"))
        account = make_account(server.port, username="me@example.com")
        make_message(account)

        report = drain_account(account_id=account.pk)

    assert report.owned
    lane = account.lane
    assert lane.wait_reason == WaitReason.LOGIN_RETRY
    assert lane.wait_text.isprintable()
    assert len(lane.wait_text) < 1000
