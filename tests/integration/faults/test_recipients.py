"""What replies to single recipients mean: each has an outcome of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from mailconfig import delivery
from mailconfig.models import Message, Recipient
from tests.factories import make_account, make_message
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Reply

from .conftest import attempts, rewind, states

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("count", [1, 2, 7, 50])
@pytest.mark.parametrize("reply", ["550 5.1.1 unknown", "450 4.2.0 grey"])
@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_one_refused_recipient_keeps_to_itself(
    server: ChaosServer, count: int, reply: str, where: str
) -> None:
    at = {"first": 1, "middle": (count + 1) // 2, "last": count}[where]
    server.on("rcpt", Reply.of(reply), at=at)
    account = make_account(server.port)
    to = [f"to{number}@example.net" for number in range(count)]
    message = make_message(account, to=to)
    delivery.drain_account(account_id=account.pk)
    refused = to[at - 1]
    others = [address for address in to if address != refused]
    assert [list(received.recipients) for received in server.messages] == ([others] if others else [])
    rows = {row.address: row for row in Recipient.objects.filter(message=message)}
    assert rows[refused].state == ("failed" if reply.startswith("5") else "")
    assert rows[refused].reply_code == int(reply[:3])
    permanent = reply.startswith("5")
    assert states() == [("partial" if others else "failed") if permanent else "queued"]
    if permanent:
        return
    rewind()
    Recipient.objects.exclude(not_before=None).update(not_before=timezone.now())
    delivery.drain_account(account_id=account.pk)
    assert states() == ["sent"]
    assert server.messages[-1].recipients == (refused,)


@pytest.mark.parametrize("reply", ["452 4.5.3 too many recipients", "552 5.5.3 too many recipients"])
@pytest.mark.parametrize("taken", [1, 3, 49])
def test_too_many_recipients_go_in_further_transactions_and_cost_nothing(
    server: ChaosServer, reply: str, taken: int
) -> None:
    in_transaction: list[int] = []

    def is_too_many(line: str) -> bool:
        in_transaction.append(1)
        return len(in_transaction) > taken

    def begins(line: str) -> bool:
        in_transaction.clear()
        return False

    server.on("mail", Reply.of("250 ok"), when=begins)
    server.on("rcpt", Reply.of(reply), when=is_too_many)
    account = make_account(server.port, max_retries=0)
    to = [f"to{number}@example.net" for number in range(50 if taken > 1 else 5)]
    message = make_message(account, to=to)
    delivery.drain_account(account_id=account.pk)
    assert states() == ["sent"]
    assert [address for received in server.messages for address in received.recipients] == to
    assert all(len(received.recipients) <= taken for received in server.messages)
    assert not Recipient.objects.filter(message=message, state="failed").exists()


def test_a_421_in_the_middle_of_the_recipients_gives_all_back(server: ChaosServer, window: int) -> None:
    server.on("rcpt", Reply.of("421 4.3.2 bye"), at=3)
    account = make_account(server.port)
    make_message(account, to=[f"to{number}@example.net" for number in range(5)])
    delivery.drain_account(account_id=account.pk)
    assert (states(), attempts(), server.messages) == (["queued"], [1], [])
    rewind()
    delivery.drain_account(account_id=account.pk)
    assert states() == ["sent"]
    assert [len(received.recipients) for received in server.messages] == [5]


def test_only_a_deferral_uses_up_a_retry(server: ChaosServer) -> None:
    """Ten transactions for ten recipients, and the last one is put off for the first time."""
    taken: list[str] = []

    def begins(line: str) -> bool:
        taken.clear()
        return False

    def is_too_many(line: str) -> bool:
        taken.append(line)
        return len(taken) > 1

    server.on("mail", Reply.of("250 ok"), when=begins)
    server.on("rcpt", Reply.of("450 4.2.0 grey"), when=lambda line: "<to9@" in line and not taken, at=1)
    server.on("rcpt", Reply.of("452 4.5.3 too many recipients"), when=is_too_many)
    account = make_account(server.port, max_retries=1)
    make_message(account, to=[f"to{number}@example.net" for number in range(10)])
    for expected in ("queued", "sent"):
        for _ in range(2):
            delivery.drain_account(account_id=account.pk)
        assert states() == [expected]
        rewind()
        Recipient.objects.exclude(not_before=None).update(not_before=timezone.now())
    assert attempts() == [2]


def test_each_part_of_a_large_mail_has_retries_of_its_own(
    server: ChaosServer, configure: Callable[..., None]
) -> None:
    configure(LIMIT_WAIT_SECONDS=2)
    server.on("rcpt", Reply.of("450 4.2.0 grey"), when=lambda line: line[9] in "135")
    account = make_account(server.port, max_retries=2, limit_count=2, limit_period=1)
    message = make_message(account, to=[f"{number}@example.net" for number in range(6)])
    delivery.drain_account(account_id=account.pk)
    assert (states(), attempts()) == (["queued"], [1]), "one round is one attempt"
    rows = list(Recipient.objects.filter(message=message).order_by("pk").values_list("state", "attempts"))
    assert rows == [("sent", 0), ("", 1)] * 3


@pytest.mark.parametrize("refusal", ["550 5.1.1 unknown", "552 5.2.2 full for good"])
def test_a_partial_mail_shows_the_words_of_the_refusal(server: ChaosServer, refusal: str) -> None:
    server.on("rcpt", Reply.of(refusal), when=lambda line: "<a@" in line)
    server.on("rcpt", Reply.of("450 4.2.0 grey"), when=lambda line: "<b@" in line, at=1)
    account = make_account(server.port)
    make_message(account, to=[f"{name}@example.net" for name in "abc"])
    for expected in ("queued", "partial"):
        delivery.drain_account(account_id=account.pk)
        message = Message.objects.get()
        words = refusal.split(" ", 2)[2]
        assert (message.state, message.error_code, message.error_text) == (
            expected,
            "recipient_refused",
            words,
        )
        rewind()
        Recipient.objects.exclude(not_before=None).update(not_before=timezone.now())
