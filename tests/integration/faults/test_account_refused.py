"""Mistakes of the account and limits of its server, told at RCPT or the dot: they are not a recipient's or a message's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from mailconfig import delivery
from mailconfig.models import Account, Lane, Message, Recipient, WaitReason
from tests.factories import make_account, make_message
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Reply

from .conftest import attempts, lane, rewind, states

pytestmark = pytest.mark.django_db(transaction=True)

NOT_OWNED = "553 5.7.1 <sender@example.com>: Sender address rejected: not owned by user me"


def account_with(server: ChaosServer, count: int, **values: object) -> Account:
    """So many messages of one recipient each, all due."""
    account = make_account(server.port, **values)
    for _ in range(count):
        make_message(account)
    return account


@pytest.mark.parametrize(
    ("verb", "reply", "reason"),
    [
        ("rcpt", NOT_OWNED, WaitReason.PAUSED_SENDER),
        ("rcpt", "554 5.7.1 <pc>: Helo command rejected: Access denied", WaitReason.PAUSED_CONFIG),
        ("rcpt", "554 5.7.1 <to@example.net>: Relay access denied", WaitReason.PAUSED_CONFIG),
        ("rcpt", "554 5.7.1 Client host [192.0.2.1] blocked using bl.example.org", WaitReason.PAUSED_CONFIG),
        ("rcpt", "530 5.7.0 Authentication required", WaitReason.PAUSED_CONFIG),
        ("mail", "530 5.7.0 Must issue a STARTTLS command first", WaitReason.PAUSED_CONFIG),
        ("rcpt", "550 5.1.8 Access denied, bad outbound sender", WaitReason.PAUSED_SENDER),
        ("data", "530 5.7.0 Authentication required", WaitReason.PAUSED_CONFIG),
        ("dot", "554 5.2.252 SendAsDenied; not allowed to send as you", WaitReason.PAUSED_SENDER),
        (
            "dot",
            "550 5.7.60 Client does not have permissions to send as this sender",
            WaitReason.PAUSED_SENDER,
        ),
        ("dot", "550 5.1.7 invalid sender", WaitReason.PAUSED_SENDER),
    ],
)
def test_a_mistake_of_the_account_pauses_it_and_costs_no_mail_anything(
    server: ChaosServer, window: int, verb: str, reply: str, reason: WaitReason
) -> None:
    server.on(verb, Reply.of(reply))
    account = account_with(server, 5)
    before = list(Message.objects.order_by("pk").values_list("not_before", flat=True))

    delivery.drain_account(account_id=account.pk)

    assert (states(), attempts()) == (["queued"] * 5, [0] * 5)
    assert list(Message.objects.order_by("pk").values_list("not_before", flat=True)) == before, (
        "in their places"
    )
    assert not Recipient.objects.exclude(state="").exists()
    assert lane().wait_reason == reason
    assert lane().wait_text == reply
    assert server.verbs().count("MAIL") == 3 + (verb == "dot" and server.pipelining), (
        "three, and one behind a dot"
    )

    server.calm()
    Lane.objects.update(wait_reason="", strikes=0)
    delivery.drain_account(account_id=account.pk)
    assert states() == ["sent"] * 5
    received = [received.recipients[0] for received in server.messages]
    assert received == list(Recipient.objects.order_by("pk").values_list("address", flat=True)), "in order"


def test_a_mail_refused_while_others_go_is_the_one_to_blame_and_stops_nobody(
    server: ChaosServer, window: int
) -> None:
    account = account_with(server, 3, max_retries=2)
    refused = Recipient.objects.order_by("pk")[0]
    server.on("rcpt", Reply.of(NOT_OWNED), when=lambda line: refused.address in line)

    delivery.drain_account(account_id=account.pk)
    assert (states(), attempts()) == (["queued", "sent", "sent"], [0, 1, 1])
    for _ in range(4):
        make_message(account)
        rewind()
        delivery.drain_account(account_id=account.pk)
        assert lane().wait_reason == ""
    assert states() == ["failed"] + ["sent"] * 6
    assert "not owned" in Message.objects.order_by("pk")[0].error_text


def test_one_mail_alone_never_pauses_its_account(server: ChaosServer) -> None:
    server.on("rcpt", Reply.of(NOT_OWNED))
    account = account_with(server, 1, max_retries=5)
    for _ in range(8):
        rewind()
        delivery.drain_account(account_id=account.pk)
    assert (states(), lane().wait_reason) == (["failed"], "")


def test_two_mails_in_turn_are_different_ones(server: ChaosServer) -> None:
    server.on("rcpt", Reply.of(NOT_OWNED))
    account = account_with(server, 2)
    for _ in range(2):
        rewind()
        delivery.drain_account(account_id=account.pk)
    assert states() == ["queued"] * 2
    assert lane().wait_reason == WaitReason.PAUSED_SENDER


def test_a_recipient_refused_while_another_is_taken_is_that_recipients_affair(server: ChaosServer) -> None:
    server.on("rcpt", Reply.of("554 5.7.1 Relay access denied"), at=1)
    account = make_account(server.port)
    make_message(account, to=["far@example.net", "near@example.com"])
    delivery.drain_account(account_id=account.pk)
    assert states() == ["partial"]
    assert (lane().strikes, lane().wait_reason) == (0, "")


# Refused alike, in words that nobody knows.


def test_three_mails_refused_alike_for_everybody_pause_the_account(server: ChaosServer, window: int) -> None:
    server.on("rcpt", Reply.of("550 5.7.1 Nothing from you, id 7f3a9"))
    account = account_with(server, 6)
    delivery.drain_account(account_id=account.pk)
    assert states() == ["failed"] * 3 + ["queued"] * 3
    assert lane().wait_reason == WaitReason.PAUSED_CONFIG
    assert "Nothing from you" in lane().wait_text


def test_the_row_goes_on_from_one_drain_to_the_next(server: ChaosServer) -> None:
    server.on("rcpt", Reply.of("550 Nothing from you"))
    account = make_account(server.port)
    for number in range(4):
        make_message(account, to=[f"to{number}@example.net", f"cc{number}@example.net"])
        delivery.drain_account(account_id=account.pk)
    assert states() == ["failed"] * 3 + ["queued"]


@pytest.mark.parametrize(
    "reply",
    [
        "550 5.1.1 unknown",
        "550 User unknown",
        "550 5.2.1 mailbox disabled",
        "554 no such recipient",
        "550 5.4.1 Recipient address rejected: Access denied",
        "550 5.7.133 SenderNotAuthenticatedForGroup; authentication required",
        "550 You are not allowed to send to this list",
        "450 4.2.0 grey",
    ],
)
def test_unknown_recipients_in_a_row_are_no_sign_of_that(server: ChaosServer, reply: str) -> None:
    server.on("rcpt", Reply.of(reply))
    account = account_with(server, 5)
    delivery.drain_account(account_id=account.pk)
    assert lane().wait_reason == ""
    assert set(states()) == {"queued" if reply.startswith("4") else "failed"}


@pytest.mark.parametrize("breaks", ["another reply", "another recipient accepted", "the same recipient"])
def test_what_is_no_row_pauses_nothing(server: ChaosServer, breaks: str) -> None:
    account = make_account(server.port)
    if breaks == "another reply":
        server.on("rcpt", Reply.of("554 Something else"), at=2)
    if breaks == "another recipient accepted":
        server.on("rcpt", Reply.of("250 ok"), at=2)
    server.on("rcpt", Reply.of("550 Nothing from you"))
    to = ["same@example.net"] if breaks == "the same recipient" else None
    for _ in range(3):
        make_message(account, to=to)
    delivery.drain_account(account_id=account.pk)
    assert "queued" not in states()
    assert lane().wait_reason == ""


# The server's limit.


@pytest.mark.parametrize(
    ("reply", "seconds"),
    [
        ("454 Throttling failure: Daily message quota exceeded.", 86_400),
        ("450 4.7.1 Error: too much mail from unknown[192.0.2.1]", 600),
        ("450 4.7.1 Quota exceeded", 600),
        ("451 4.3.0 Message limit for this account exceeded", 600),
        ("550 Domain example.com has exceeded the max emails per hour (150/150 (100%)) allowed.", 3600),
        ("554 5.7.0 The limit on the number of allowed outgoing messages was exceeded.", 3600),
        ("550 5.4.5 Daily sending quota exceeded", 86_400),
        ("554 5.2.0 SubmissionQuotaExceededException", 3600),
    ],
)
@pytest.mark.parametrize("verb", ["mail", "rcpt", "data", "dot"])
def test_the_servers_limit_holds_the_account_for_its_window_and_every_mail_keeps_place_and_retries(
    server: ChaosServer, verb: str, reply: str, seconds: int
) -> None:
    server.on(verb, Reply.of(reply), at=2)
    account = account_with(server, 3)
    before = list(Message.objects.order_by("pk").values_list("not_before", flat=True))
    began = timezone.now()

    delivery.drain_account(account_id=account.pk)

    assert (states(), attempts()) == (["sent", "queued", "queued"], [1, 0, 0])
    assert list(Message.objects.order_by("pk").values_list("not_before", flat=True)) == before
    assert (lane().wait_reason, lane().wait_text) == (WaitReason.SERVER_LIMIT, reply)
    until = lane().wait_until
    assert until is not None
    assert abs((until - began).total_seconds() - seconds) < 60
    rewind()
    delivery.drain_account(account_id=account.pk)
    assert states() == ["sent"] * 3


def test_recipients_beyond_the_servers_limit_go_when_it_is_over(server: ChaosServer, window: int) -> None:
    server.on("rcpt", Reply.of("450 4.7.1 Quota exceeded"), at=3)
    account = make_account(server.port, max_retries=0)
    message = make_message(account, to=["a@example.net", "b@example.net", "c@example.net"])

    delivery.drain_account(account_id=account.pk)

    assert (states(), lane().wait_reason) == (["queued"], WaitReason.SERVER_LIMIT)
    rewind()
    delivery.drain_account(account_id=account.pk)
    assert states() == ["sent"]
    assert [received.recipients for received in server.messages] == [
        ("a@example.net", "b@example.net"),
        ("c@example.net",),
    ]
    assert not Recipient.objects.filter(message=message, state="failed").exists()


@pytest.mark.parametrize("reply", ["450 4.7.1 Quota exceeded", NOT_OWNED])
def test_a_mail_that_waits_for_its_account_still_grows_old(
    server: ChaosServer, configure: Callable[..., None], reply: str
) -> None:
    configure(MAX_AGE_SECONDS=3600.0)
    server.on("rcpt", Reply.of(reply))
    account = account_with(server, 1)
    Message.objects.update(created_at=timezone.now() - timedelta(hours=2))
    delivery.drain_account(account_id=account.pk)
    assert states() == ["failed"]
    assert Message.objects.get().error_text in reply


def test_a_recipients_full_mailbox_is_not_the_accounts_limit(server: ChaosServer) -> None:
    server.on("rcpt", Reply.of("452 4.2.2 Mailbox quota exceeded"), at=1)
    account = account_with(server, 2)
    delivery.drain_account(account_id=account.pk)
    assert (states(), lane().wait_reason) == (["queued", "sent"], "")
