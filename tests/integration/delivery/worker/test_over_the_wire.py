"""What people write stays what they wrote, from the queue to the server: odd addresses, old and signed mail."""

from __future__ import annotations

import email
import email.policy

import pytest
from django.core.mail import EmailMessage

from mailconfig import delivery
from mailconfig.models import Message, MessageState
from tests.factories import make_account
from tests.servers.chaos import ChaosServer

pytestmark = pytest.mark.django_db(transaction=True)

ADDRESSES = [
    ("root", "root"),
    ('"a b"@example.net', '"a b"@example.net'),
    ('"a@b"@example.net', '"a@b"@example.net'),
    ("a@[192.0.2.1]", "a@[192.0.2.1]"),
    ("a..b.@docomo.ne.jp", "a..b.@docomo.ne.jp"),
    ("a@straße.example", "a@xn--strae-oqa.example"),
    ("a@mail_host", "a@mail_host"),
    ("a@example.net (Anna)", "a@example.net"),
]


@pytest.mark.parametrize("pipelining", [True, False])
def test_odd_addresses_arrive_as_they_are(pipelining: bool) -> None:
    with ChaosServer(pipelining=pipelining) as server:
        account = make_account(server.port)
        message = EmailMessage(
            "tab\tand \u2028", "b", "shop@example.com", [written for written, _spec in ADDRESSES],
            headers={"To": "Team: a@example.net, b@example.net;"},
        )  # fmt: skip
        delivery.enqueue(message, account=account)
        delivery.drain_account(account_id=account.pk)
        (received,) = server.messages
    assert received.recipients == tuple(spec for _written, spec in ADDRESSES)
    found = email.message_from_bytes(received.data, policy=email.policy.default)
    assert found["Subject"] == "tab\tand \u2028".strip()
    assert [group.display_name for group in found["To"].groups] == ["Team"]
    assert Message.objects.get().state == MessageState.SENT


def test_a_forwarded_mail_arrives_with_its_bytes() -> None:
    original = b"Subject: \x1b$B%F\x1b(B \x00 \xfc\r\nContent-Transfer-Encoding: 8bit\r\n\r\n.\r\nGr\xc3\xbc\xc3\x9fe\t \r\n"
    with ChaosServer() as server:
        account = make_account(server.port)
        message = EmailMessage("fwd", "b", "shop@example.com", ["a@example.net"])
        message.attach("original.eml", original, "message/rfc822")
        delivery.enqueue(message, account=account)
        delivery.drain_account(account_id=account.pk)
        (received,) = server.messages
    assert original in received.data
