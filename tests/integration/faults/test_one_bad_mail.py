"""One mail that ends its session again and again: it counts for that mail, and the others go."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from mailconfig import delivery
from mailconfig.models import Lane, Message, Recipient
from tests.factories import make_account, make_message
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Action, Close, Reply, Reset

from .conftest import attempts, lane, states

pytestmark = pytest.mark.django_db(transaction=True)

BAD = "bad@example.net"
LONG = b"Subject: x\r\n\r\n" + (b"x" * 62 + b"\r\n") * 16 * 8192
"""More than the kernel's buffers hold, so that we are still writing when the server stops reading."""


def is_bad(server: ChaosServer) -> Callable[[str], bool]:
    """Whether the transaction in hand is the bad mail's."""

    def decide(line: str) -> bool:
        paths = [said for _, said in server.commands if said.startswith("RCPT")]
        return f"<{BAD}>" in (line if line.startswith("RCPT") else paths[-1])

    return decide


def drain_on(account_id: int, times: int) -> None:
    """Drain so often, each time when all that waits for a time has waited."""
    for _ in range(times):
        delivery.drain_account(account_id=account_id)
        now = timezone.now()  # the order stays: what was put off comes behind what was not
        Message.objects.filter(state="queued", not_before__gt=now).update(not_before=now)
        Lane.objects.exclude(wait_until=None).update(wait_until=now)


CASES = [
    ("rcpt", Reply.of("421 4.7.0 not with you"), "not with you"),
    ("rcpt", Reply.of("421 4.3.2 going down, again"), "going down, again"),
    ("data", Reply.of("421 4.7.0 not that"), "not that"),
    ("data", Reply.of("451 4.3.0 filter away", close=True), "filter away"),
    ("dot", Reply.of("421 4.7.0 no"), "no"),
    ("rcpt", Reset(), None),
    ("data", Close(), None),
    ("body", Reply.of("552 5.3.4 too much", close=True), "too much"),
    ("body", Reply.of("554 5.7.1 virus", close=True), "virus"),
    ("body", Reset(), None),
]


@pytest.mark.parametrize(("verb", "action", "words"), CASES, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("place", [0, 2], ids=["first", "third"])
def test_one_mail_that_ends_its_session_fails_after_its_retries_and_others_go(
    server: ChaosServer, verb: str, action: Action, words: str | None, place: int
) -> None:
    server.size = None
    account = make_account(server.port, max_retries=2)
    long: dict[str, Any] = {"body": LONG} if verb == "body" else {}
    rows = [
        make_message(account, to=[BAD], **long) if number == place else make_message(account)
        for number in range(4)
    ]
    server.body_fault_after = 4000
    server.on(verb, action, when=is_bad(server))
    drain_on(account.pk, 2)
    others = [state for number, state in enumerate(states()) if number != place]
    assert others == ["sent"] * 3
    assert states()[place] in {"queued", "failed"}
    drain_on(account.pk, 2)
    bad = Message.objects.get(pk=rows[place].pk)
    assert (bad.state, bad.attempts) == ("failed", 3)
    assert (bad.error_text == words) if words else bad.error_text
    assert lane().wait_reason in {"", "server_away"}
    assert all(count == 1 for number, count in enumerate(attempts()) if number != place)
    later = make_message(account)
    delivery.drain_account(account_id=account.pk)
    later.refresh_from_db()
    assert later.state == "sent"


@pytest.mark.parametrize("verb", ["rcpt", "data"])
def test_refusals_that_were_read_before_the_session_ended_stay(server: ChaosServer, verb: str) -> None:
    server.on("rcpt", Reply.of("550 5.1.1 unknown"), when=lambda line: "<a@" in line)
    server.on(
        verb,
        Reply.of("421 4.7.0 too many errors"),
        at=None,
        when=lambda line: verb == "data" or "<c@" in line,
    )
    account = make_account(server.port)
    message = make_message(account, to=[f"{name}@example.net" for name in "abc"])
    delivery.drain_account(account_id=account.pk)
    rows = {row.address[0]: row for row in Recipient.objects.filter(message=message)}
    assert (rows["a"].state, rows["a"].reply_text) == ("failed", "unknown")
    assert [(rows[name].state, rows[name].reply_code) for name in "bc"] == [("", 421)] * 2
    assert [rows[name].attempts for name in "bc"] == [1, 1]
    assert (states(), attempts()) == (["queued"], [1])
    assert lane().wait_text == "421 4.7.0 too many errors", "not the 250 to MAIL"


def test_a_421_after_refused_recipients_shows_its_own_words() -> None:
    with ChaosServer() as server:
        server.on("rcpt", Reply.of("450 4.2.0 later"))
        server.on("data", Reply.of("421 4.7.0 too many errors"))
        account = make_account(server.port)
        make_message(account)
        delivery.drain_account(account_id=account.pk)
        assert states() == ["queued"]
        assert lane().wait_text == "421 4.7.0 too many errors"


@pytest.mark.parametrize("close", [Reply.of("550 5.1.1 unknown", close=True)], ids=["550 and close"])
def test_a_recipient_refused_by_a_server_that_closes_fails_and_others_go(
    server: ChaosServer, close: Action
) -> None:
    server.on("rcpt", close, when=is_bad(server))
    account = make_account(server.port)
    make_message(account, to=[BAD])
    make_message(account)
    drain_on(account.pk, 2)
    assert states() == ["failed", "sent"]
    assert Message.objects.order_by("pk")[0].error_text == "unknown"


def test_a_mail_that_is_too_old_is_not_given_back_for_ever(server: ChaosServer) -> None:
    server.on("rcpt", Reset(), when=is_bad(server))
    account = make_account(server.port, max_retries=100)
    make_message(account)
    make_message(account, to=[BAD], created_at=timezone.now() - timedelta(days=5))
    delivery.drain_account(account_id=account.pk)
    assert states() == ["sent", "failed"]
