"""What replies to single recipients mean: each has an outcome of its own."""

from __future__ import annotations

import pytest
from django.utils import timezone

from mailconfig import delivery
from mailconfig.models import Recipient
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
