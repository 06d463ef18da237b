"""Mail with tokens goes out with what they stand for; whatever the resolver does, no other mail waits for it."""

from __future__ import annotations

import email
import email.policy
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from mailconfig import delivery
from mailconfig.delivery.worker.resolutions import MOST_OF_ACCOUNT
from mailconfig.exceptions import ResolverAway
from mailconfig.models import Account, AccountKind, Attempt, Message, MessageSource, Recipient
from tests.factories import make_account, make_email, make_tenant
from tests.resolver import PATH, Resolver
from tests.servers.chaos import ChaosServer, ReceivedMessage
from tests.servers.children import until
from tests.servers.faults import Close, Reply

from .conftest import lane, reasons, rewind, states

pytestmark = pytest.mark.django_db(transaction=True)

TO, SUBJECT, TEXT = "NS-EU-TO-1", "NS-EU-SUBJECT-2", "NS-EU-TEXT-3"
CLEAR = {TO: "anna.smith@example.net", SUBJECT: "Ihr Termin bei Dr. Kühn", TEXT: "Liebe Anna,\nbis 12:30!\n"}


@pytest.fixture(autouse=True)
def resolver(settings: Any) -> Iterator[type[Resolver]]:
    settings.MAILCONFIG = {
        **settings.MAILCONFIG,
        "PII_RESOLVER": PATH,
        "PII_RESOLVER_SECONDS": 10.0,
        "LIMIT_WAIT_SECONDS": 0.05,
    }
    Resolver.mend()
    yield Resolver
    Resolver.mend()


@pytest.fixture
def server() -> Iterator[ChaosServer]:
    with ChaosServer() as server:
        yield server


@pytest.fixture
def account(server: ChaosServer) -> Account:
    account = make_account(server.port, kind=AccountKind.TENANT_CONFIG, tenant=make_tenant(slug="acme"))
    Resolver.known.update({("acme", token): value for token, value in CLEAR.items()})
    return account


def queue(account: Account, recipient: str = TO, subject: str = SUBJECT, text: str = TEXT) -> Message:
    """A mail, of tokens only unless something else is said."""
    return delivery.queue_service_mail(account, recipient=recipient, subject=subject, text=text)


def drain(account: Account) -> None:
    delivery.drain_account(account_id=account.pk)


def drain_patiently(account: Account, configure: Callable[..., None]) -> None:
    """A drain that waits for what a resolver says that is about to answer."""
    configure(LIMIT_WAIT_SECONDS=20.0)
    drain(account)


def body_of(received: ReceivedMessage) -> tuple[str, str, str]:
    """To, subject and text."""
    mail = email.message_from_bytes(received.data, policy=email.policy.default)
    return mail["To"], mail["Subject"], mail.get_content().replace("\r\n", "\n")


def test_tokens_are_resolved_when_the_mail_is_sent(
    account: Account, server: ChaosServer, configure: Callable[..., None]
) -> None:
    message = queue(account)
    assert Resolver.calls == []

    drain_patiently(account, configure)

    (received,) = server.messages
    assert received.recipients == (CLEAR[TO],)
    assert body_of(received) == (CLEAR[TO], CLEAR[SUBJECT], CLEAR[TEXT])
    assert message.message_id.encode() in received.data
    assert states() == ["sent"]
    assert Resolver.calls == [(TO, SUBJECT, TEXT)]
    assert Resolver.in_transaction == [False]
    assert not MessageSource.objects.exists(), "it goes as bytes do"
    assert f"SIZE={len(received.data)}" in next(
        line for _session, line in server.commands if line.startswith("MAIL")
    )


def test_the_source_stays_where_the_content_of_sent_mail_does(
    account: Account, configure: Callable[..., None]
) -> None:
    configure(KEEP_SENT_BYTES=True)
    queue(account)
    drain_patiently(account, configure)
    assert states() == ["sent"]
    assert MessageSource.objects.get().recipient == TO


def test_each_attempt_is_the_same_mail_whatever_became_of_its_account(
    account: Account, server: ChaosServer, configure: Callable[..., None]
) -> None:
    server.on("dot", Reply.of("451 4.3.0 later"), at=1, accept=True)
    queue(account)
    drain_patiently(account, configure)
    assert states() == ["queued"]
    Account.objects.filter(pk=account.pk).update(from_name="Renamed", reply_to_email="new@example.com")
    rewind()
    drain(account)
    assert states() == ["sent"]
    first, second = server.messages
    assert first.data == second.data
    assert b"Renamed" not in first.data
    assert len(Resolver.calls) == 2, "asked at each attempt: it may stand for something else by now"


INVALID = {
    "two addresses": (TO, "a@example.net,b@example.net"),
    "two addresses, semicolon": (TO, "a@example.net;b@example.net"),
    "a name": (TO, "Anna <a@example.net>"),
    "a group": (TO, "all: a@example.net;"),
    "no domain": (TO, "root"),
    "a command": (TO, "a@example.net>\r\nRCPT TO:<b@example.net"),
    "a line end": (TO, "a@example.net\n"),
    "a NUL": (TO, "a\0@example.net"),
    "another token": (TO, "NS-EU-A-1"),
    "nobody": (TO, ""),
    "letters": (TO, "ä@example.net"),
    "a header": (SUBJECT, "Hello\r\nBcc: b@example.net"),
    "a bell": (SUBJECT, "Hello\x07"),
    "a line separator": (SUBJECT, "Hello\u2028there"),
    "half a character": (SUBJECT, "Hello\ud83d"),
    "a long subject": (SUBJECT, "x" * 999),
    "a NUL in the text": (TEXT, "Hello\0there"),
    "half a character in the text": (TEXT, "Hello\udc00"),
    "an escape": (TEXT, "Hello\x1b[2J"),
    "a token in place of text": (TEXT, "NS-EU-A-1"),
    "10 MB": (TEXT, "x" * 10_000_000),
    "10 MB of address": (TO, "x" * 10_000_000 + "@example.net"),
    "a number": (TEXT, 5),
    "bytes": (TEXT, b"x"),
}


def test_a_value_that_cannot_be_sent_there_fails_its_mail_and_no_other(
    account: Account, server: ChaosServer, configure: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    fields = {TO: "recipient", SUBJECT: "subject", TEXT: "text"}
    for number, (token, value) in enumerate(INVALID.values()):
        own = f"NS-EU-BAD-{number}"
        Resolver.known["acme", own] = value
        queue(account, **{fields[token]: own})
    good = queue(account)

    drain_patiently(account, configure)

    failed = dict(Message.objects.exclude(pk=good.pk).values_list("pk", "error_code"))
    assert dict(zip(INVALID, failed.values(), strict=True)) == dict.fromkeys(INVALID, "token_invalid")
    assert states() == ["failed"] * len(INVALID) + ["sent"]
    assert [received.recipients for received in server.messages] == [(CLEAR[TO],)]
    assert not any("Traceback" in (record.exc_text or "") for record in caplog.records)


@pytest.mark.parametrize("of", ["nobody", "another tenant"])
def test_an_unknown_token_and_that_of_another_tenant_look_alike(
    account: Account, server: ChaosServer, configure: Callable[..., None], of: str
) -> None:
    if of == "another tenant":
        make_tenant(slug="rival")
        Resolver.known["rival", "NS-EU-X-1"] = "spy@example.net"
    message = queue(account, recipient="NS-EU-X-1")

    drain_patiently(account, configure)

    message.refresh_from_db()
    assert (message.state, message.error_code, message.error_text) == ("failed", "token_unknown", "")
    assert server.messages == []


def test_a_failed_mail_may_be_queued_again_once_its_tokens_are_known(
    account: Account, server: ChaosServer, configure: Callable[..., None]
) -> None:
    message = queue(account, recipient="NS-EU-X-1")
    drain_patiently(account, configure)
    Resolver.known["acme", "NS-EU-X-1"] = "late@example.net"

    delivery.requeue(message_id=message.pk)
    drain(account)

    assert server.messages[0].recipients == ("late@example.net",)
    assert states() == ["sent"]


@pytest.mark.parametrize(
    "error",
    [
        ResolverAway("down"),
        ConnectionRefusedError("to anna.smith@example.net"),
        KeyError("anna"),
        RecursionError(),
        SystemExit(1),
    ],
    ids=lambda error: type(error).__name__,
)
def test_mail_waits_for_a_resolver_that_is_away_while_other_mail_goes(
    account: Account,
    server: ChaosServer,
    configure: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
    error: BaseException,
) -> None:
    Resolver.away = error
    queue(account)
    delivery.enqueue(make_email(1), account=account)

    drain_patiently(account, configure)

    assert states() == ["queued", "sent"]
    assert reasons() == ["unresolved", ""]
    waits = Message.objects.first()
    assert waits is not None
    assert 55 < (waits.not_before - timezone.now()).total_seconds() < 65
    assert waits.attempts == 0
    assert lane().wait_reason == ""
    assert "anna" not in caplog.text
    Resolver.away = None
    rewind()
    drain(account)
    assert states() == ["sent", "sent"]
    assert len(Resolver.calls) == 2


def test_mail_waits_longer_each_time_and_fails_when_it_is_too_old(
    account: Account, configure: Callable[..., None]
) -> None:
    message = queue(account)
    Resolver.away = ResolverAway("down")
    configure(LIMIT_WAIT_SECONDS=20.0, BACKOFF_SECONDS=[60, 1000])
    for seconds in (60, 1000, 1000):
        drain(account)
        message.refresh_from_db()
        assert (message.not_before - timezone.now()).total_seconds() == pytest.approx(seconds, abs=10)
        rewind()
    long_ago = timezone.now() - timedelta(days=5)
    Message.objects.update(created_at=long_ago)
    drain(account)
    message.refresh_from_db()
    assert (message.state, message.error_code) == ("failed", "unresolved")


def test_a_resolver_that_is_away_is_not_asked_for_each_mail(
    account: Account, server: ChaosServer, configure: Callable[..., None]
) -> None:
    configure(LIMIT_WAIT_SECONDS=20.0)
    Resolver.away = ResolverAway("down")
    for _ in range(40):
        queue(account)
    delivery.enqueue(make_email(1), account=account)

    drain(account)

    assert states() == ["queued"] * 40 + ["sent"]
    assert set(reasons()) == {"unresolved", ""}
    assert len(Resolver.calls) <= 3 * MOST_OF_ACCOUNT
    assert not Message.objects.filter(state="queued", not_before__lte=timezone.now()).exists()


def test_one_mail_that_the_resolver_stumbles_over_keeps_no_other_from_going(
    account: Account, configure: Callable[..., None]
) -> None:
    configure(LIMIT_WAIT_SECONDS=20.0)
    Resolver.errors.append(KeyError("x"))
    for _ in range(5):
        queue(account)
    drain(account)
    assert sorted(states()) == ["queued"] + ["sent"] * 4


def test_a_slow_resolver_holds_no_lane_and_what_it_says_comes_to_a_drain_at_once(
    account: Account, server: ChaosServer
) -> None:
    gate = Resolver.gates["acme"] = threading.Event()
    queue(account)
    delivery.enqueue(make_email(1), account=account)
    began = time.monotonic()

    drain(account)

    assert time.monotonic() - began < 5
    assert states() == ["queued", "sent"]
    assert reasons() == ["unresolved", ""]
    assert lane().lease_token is None
    before = Message.objects.order_by("pk").values_list("not_before", flat=True)
    assert before[0] > timezone.now()
    gate.set()
    until(lambda: reasons()[0] == "")
    until(lambda: (lane().due_at or timezone.now()) <= timezone.now())
    drain(account)
    assert states() == ["sent", "sent"]
    assert len(Resolver.calls) == 1


def test_one_that_never_answers_is_waited_for_no_longer_than_its_time(
    account: Account, configure: Callable[..., None]
) -> None:
    configure(PII_RESOLVER_SECONDS=0.1, LIMIT_WAIT_SECONDS=5.0)
    Resolver.gates["acme"] = threading.Event()
    queue(account)
    drain(account)
    assert reasons() == ["unresolved"]
    assert Message.objects.get().error_code == "unresolved"


def test_what_hangs_for_one_tenant_leaves_room_for_the_others(
    account: Account, server: ChaosServer, configure: Callable[..., None]
) -> None:
    Resolver.gates["acme"] = threading.Event()
    for _ in range(MOST_OF_ACCOUNT + 5):
        queue(account)
    drain(account)
    other = make_account(server.port, kind=AccountKind.TENANT_CONFIG, tenant=make_tenant(slug="other"))
    Resolver.known.update({("other", token): value for token, value in CLEAR.items()})
    queue(other)

    drain_patiently(other, configure)

    assert Message.objects.filter(account=other, state="sent").exists()
    assert len(Resolver.calls) == MOST_OF_ACCOUNT + 1


def test_behind_more_mail_with_tokens_than_is_held_in_hand_usual_mail_goes_on(
    account: Account, server: ChaosServer
) -> None:
    Resolver.gates["acme"] = threading.Event()
    for _ in range(130):
        queue(account)
    delivery.enqueue_many([make_email(number) for number in range(3)], account=account)

    drain(account)

    assert len(server.messages) == 3
    assert states()[-3:] == ["sent"] * 3
    assert set(reasons()[:130]) == {"unresolved"}


def test_all_mail_goes_to_the_one_address_that_a_setting_names(
    account: Account, server: ChaosServer, configure: Callable[..., None]
) -> None:
    configure(REDIRECT_ALL_TO="test@example.org")
    queue(account)
    drain_patiently(account, configure)
    assert server.messages[0].recipients == ("test@example.org",)


ECHOES = [
    "550 5.1.1 <anna.smith@example.net>: unknown",
    "550 5.1.1 ANNA.SMITH@EXAMPLE.NET: unknown",
    "550 5.1.1 no user anna.smith here",
    "550 5.1.1 " + "x" * 470 + " anna.smith@example.net unknown",
]


@pytest.mark.parametrize("echo", ECHOES, ids=["plain", "upper", "local", "at the end"])
def test_an_address_that_the_server_repeats_is_written_as_its_token(
    account: Account, server: ChaosServer, configure: Callable[..., None], echo: str
) -> None:
    server.on("rcpt", Reply.of(echo))
    message = queue(account)
    drain_patiently(account, configure)
    message.refresh_from_db()
    recipient, attempt = Recipient.objects.get(), Attempt.objects.get()
    assert states() == ["failed"]
    for words in (message.error_text, recipient.reply_text, attempt.reply_text):
        assert TO in words or echo == ECHOES[-1]
        assert not re.search("anna", words, re.IGNORECASE)
    assert recipient.address == TO


def test_what_a_session_ends_with_is_masked_on_the_lane_too(
    account: Account, server: ChaosServer, configure: Callable[..., None]
) -> None:
    server.on("rcpt", Reply.of("421 4.7.0 too much for anna.smith@example.net", close=True))
    queue(account)
    drain_patiently(account, configure)
    rewind()
    drain(account)
    assert TO in lane().wait_text
    assert "anna" not in lane().wait_text + lane().last_error_text


def test_a_crash_of_the_connection_leaves_nothing_and_the_mail_goes_later(
    account: Account, server: ChaosServer, configure: Callable[..., None]
) -> None:
    server.on("body", Close(), at=1)
    queue(account)
    drain_patiently(account, configure)
    rewind()
    drain(account)
    assert states() == ["sent"]
