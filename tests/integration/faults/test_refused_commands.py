"""Replies 500 to 504: about the command, never about sender, recipient or message."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from mailconfig import delivery
from mailconfig.models import Lane, Message, WaitReason
from tests.factories import make_account, make_message
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Reply

from .conftest import attempts, lane, rewind, states

pytestmark = pytest.mark.django_db(transaction=True)

CODES = [
    "500 5.5.2 unrecognized",
    "501 5.5.4 syntax",
    "502 5.5.1 not here",
    "503 bad sequence",
    "504 5.5.4 no",
]


def count_overlaps(server: ChaosServer) -> int:
    """How many proposals were written behind a dot: their MAIL met a 503."""
    return sum(line.startswith("MAIL") for _, line in server.commands) - len(server.messages)


def test_a_server_that_refuses_commands_behind_the_dot_gets_all_mail_in_order(window: int) -> None:
    with ChaosServer() as server:
        server.refuses_overlap = True
        account = make_account(server.port)
        messages = [make_message(account) for _ in range(6)]
        places = list(Message.objects.order_by("pk").values_list("not_before", flat=True))
        delivery.drain_account(account_id=account.pk)
        assert (states(), attempts()) == (["sent"] * 6, [1] * 6)
        to = [message.recipients.get().address for message in messages]
        assert [received.recipients[0] for received in server.messages] == to
        assert list(Message.objects.order_by("pk").values_list("not_before", flat=True)) == places
        assert count_overlaps(server) == 1, "once is enough to know"
        assert server.sessions == 1
        assert lane().wait_reason == ""
        assert lane().breaches == 0
        # The next worker knows it from the lane, and pipelines within the envelope all the same.
        for _ in range(3):
            make_message(account)
        delivery.drain_account(account_id=account.pk)
        assert states() == ["sent"] * 9
        assert count_overlaps(server) == 1
        Lane.objects.update(no_overlap_until=timezone.now() - timedelta(seconds=1))
        for _ in range(3):
            make_message(account)
        delivery.drain_account(account_id=account.pk)
        assert states() == ["sent"] * 12
        assert count_overlaps(server) == 2, "after a while it is tried again"


@pytest.mark.parametrize("reply", CODES)
@pytest.mark.parametrize("verb", ["mail", "rcpt", "data"])
def test_a_server_that_always_refuses_commands_pauses_the_account_with_its_words(
    server: ChaosServer, verb: str, reply: str
) -> None:
    server.on(verb, Reply.of(reply))
    account = make_account(server.port)
    for _ in range(3):
        make_message(account)
    for _ in range(6):
        delivery.drain_account(account_id=account.pk)
        rewind()
    assert (states(), attempts()) == (["queued"] * 3, [0] * 3)
    assert lane().wait_reason == WaitReason.PAUSED_PROTOCOL
    assert lane().wait_text == reply
    assert server.messages == []


@pytest.mark.parametrize("verb", ["rcpt", "data"])
def test_a_single_message_whose_commands_are_refused_does_not_stop_the_others(
    server: ChaosServer, window: int, verb: str
) -> None:
    account = make_account(server.port)
    bad, *_ = [make_message(account, to=[f"to{number}@example.net"]) for number in range(4)]
    if verb == "rcpt":
        server.on("rcpt", Reply.of("501 what is that"), when=lambda line: "to0@" in line)
    else:
        server.on(
            "data",
            Reply.of("503 not now"),
            when=lambda _line: server.commands[-2][1].startswith("RCPT TO:<to0@"),
        )
    for _ in range(8):
        delivery.drain_account(account_id=account.pk)
        rewind()
    assert states() == ["queued", "sent", "sent", "sent"]
    assert (lane().wait_reason, lane().breaches) == ("", 0), "others went out since"
    bad.refresh_from_db()
    assert (bad.attempts, bad.error_code) == (0, "protocol_error")
    Message.objects.filter(pk=bad.pk).update(created_at=timezone.now() - timedelta(days=5))
    delivery.drain_account(account_id=account.pk)
    bad.refresh_from_db()
    assert bad.state == "failed", "its age is asked all the same"
    assert bad.error_text in {"what is that", "not now"}
