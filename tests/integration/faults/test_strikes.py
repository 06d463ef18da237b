"""Two rows that pause an account: three refusals of its own, five breaches of the protocol. Neither counts in the other."""

from __future__ import annotations

import pytest

from mailconfig import delivery
from mailconfig.models import Account, Message, WaitReason
from tests.factories import make_account, make_message
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Reply

from .conftest import lane, rewind

pytestmark = pytest.mark.django_db(transaction=True)

FAULTS = {
    "S": ("mail", "553 5.7.1 sender not owned by user"),
    "A": ("rcpt", "553 5.7.1 <me@example.com>: Sender address rejected: not owned by user"),
    "P": ("mail", "503 5.5.1 bad sequence of commands"),
}
"""Faults that a mail meets: the sender refused at once, or when the recipient is named; a command refused."""


def meet(server: ChaosServer, account: Account, fault: str) -> None:
    """One mail of its own that meets the fault; any other letter: none."""
    server.calm()
    if fault in FAULTS:
        verb, reply = FAULTS[fault]
        server.on(verb, Reply.of(reply))
    for waiting in Message.objects.filter(state="queued"):
        delivery.cancel(message_id=waiting.pk)
    rewind()
    make_message(account)
    delivery.drain_account(account_id=account.pk)


@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        ("SS", ""),
        ("SSS", WaitReason.PAUSED_SENDER),
        ("AAA", WaitReason.PAUSED_SENDER),
        ("SAS", WaitReason.PAUSED_SENDER),
        ("SSOSS", ""),
        ("PPPP", WaitReason.SERVER_AWAY),
        ("PPPPP", WaitReason.PAUSED_PROTOCOL),
        ("PPPPOP", WaitReason.SERVER_AWAY),
        ("PPS", ""),
        ("PPA", ""),
        ("PPPPSS", ""),
        ("SSPPP", WaitReason.SERVER_AWAY),
        ("SSPPPP", WaitReason.SERVER_AWAY),
        ("SPSPS", WaitReason.PAUSED_SENDER),
        ("APAPA", WaitReason.PAUSED_SENDER),
        ("PSPPSPP", WaitReason.PAUSED_PROTOCOL),
        ("PPAPAPP", WaitReason.PAUSED_PROTOCOL),
        ("SSPPPPOSSP", WaitReason.SERVER_AWAY),
    ],
)
def test_each_row_is_counted_by_itself_and_ends_with_a_mail_that_goes_through(
    faults: str, reason: str
) -> None:
    with ChaosServer(pipelining=False) as server:
        account = make_account(server.port)
        for fault in faults[:-1]:
            meet(server, account, fault)
            assert not lane().is_paused, "too early"
        meet(server, account, faults[-1])
    found = lane().wait_reason
    assert (found if lane().is_paused or reason else "") == reason
