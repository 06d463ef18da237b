"""Servers that end their sessions early: the next one at once, and their number is learnt."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from mailconfig import delivery
from mailconfig.models import Attempt, Lane, WaitReason
from tests.factories import make_account, make_message
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Action, Close, Reply

from .conftest import attempts, lane, states

pytestmark = pytest.mark.django_db(transaction=True)

ENDS: list[Action] = [
    Reply.of("421 4.7.0 too many messages in this session"),
    Reply.of("421 enough"),
    Reply.of("451 4.7.0 Too many mails per session"),
    Close(),
]


@pytest.mark.parametrize("end", ENDS, ids=["421", "bare 421", "451", "close"])
@pytest.mark.parametrize("most", [1, 3])
def test_a_server_that_ends_sessions_gets_all_mail_and_its_number_is_learnt(
    server: ChaosServer, window: int, most: int, end: Action
) -> None:
    server.mails_per_session, server.after_most_mails = most, end
    account = make_account(server.port)
    messages = [make_message(account) for _ in range(10)]
    delivery.drain_account(account_id=account.pk)
    assert (states(), attempts()) == (["sent"] * 10, [1] * 10)
    to = [message.recipients.get().address for message in messages]
    assert [received.recipients[0] for received in server.messages] == to
    assert (lane().wait_reason, lane().session_mails) == ("", most)
    assert not Attempt.objects.exclude(outcome="sent").exists()
    refused = sum(line.startswith("MAIL") for _, line in server.commands) - 10
    assert refused <= 2, "once it is learnt, the session is ended by us"
    # The next worker knows it.
    for _ in range(2 * most):
        make_message(account)
    delivery.drain_account(account_id=account.pk)
    assert states() == ["sent"] * (10 + 2 * most)
    assert sum(line.startswith("MAIL") for _, line in server.commands) - len(server.messages) == refused
    # After a while the server may have changed its mind.
    Lane.objects.update(session_mails_until=timezone.now() - timedelta(seconds=1))
    server.mails_per_session = None
    sessions = server.sessions
    for _ in range(5):
        make_message(account)
    delivery.drain_account(account_id=account.pk)
    assert server.sessions == sessions + 1


@pytest.mark.parametrize("end", ENDS[:3], ids=["421", "bare 421", "451"])
def test_without_progress_the_account_rests_with_the_servers_words(server: ChaosServer, end: Action) -> None:
    assert isinstance(end, Reply)
    server.mails_per_session, server.after_most_mails = 0, end
    account = make_account(server.port)
    for _ in range(5):
        make_message(account)
    delivery.drain_account(account_id=account.pk)
    assert states() == ["queued"] * 5
    assert lane().wait_reason == WaitReason.SERVER_AWAY
    assert lane().wait_text == end.lines[-1]
    assert server.sessions <= 2
    assert lane().session_mails is None
