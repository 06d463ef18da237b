"""The trail in the log: a line for each outcome, a warning for what somebody has to see to, and nobody's address."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from mailconfig import delivery
from mailconfig.delivery import trail
from mailconfig.models import Attempt, Lane, Message, WaitReason
from tests.factories import PASSWORD, make_account, make_email, make_hand_over, make_message
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Reply

pytestmark = pytest.mark.django_db(transaction=True)

Lines = Callable[..., list[logging.LogRecord]]


@pytest.fixture
def server() -> Any:
    with ChaosServer() as server:
        yield server


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    """The records so far, of one event if it is named."""
    caplog.set_level(logging.INFO, logger="mailconfig.trail")

    def found(*events: str) -> list[logging.LogRecord]:
        records = [record for record in caplog.records if record.name == "mailconfig.trail"]
        return [record for record in records if not events or record.event in events]  # type: ignore[attr-defined]

    return found


def values(record: logging.LogRecord, *names: str) -> tuple[object, ...]:
    """Some fields of a record."""
    return tuple(getattr(record, name) for name in names)


@pytest.mark.parametrize("window", [1, 10])
def test_each_accepted_mail_is_one_line(
    server: ChaosServer, lines: Lines, settings: Any, window: int
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "WINDOW": window}
    account = make_account(server.port)
    messages = [delivery.enqueue(make_email(number), account=account) for number in range(25)]

    delivery.drain_account(account_id=account.pk)

    assert [record.message_id for record in lines()] == [message.pk for message in messages]  # type: ignore[attr-defined]
    attempts = set(Attempt.objects.values_list("pk", flat=True))
    for record in lines():
        assert record.levelno == logging.INFO
        assert values(record, "event", "account_id", "outcome", "state", "stage", "reply_code") == (
            "outcome", account.pk, "sent", "sent", "dot", 250,
        )  # fmt: skip
        assert record.attempt_id in attempts  # type: ignore[attr-defined]
        assert all(hasattr(record, name) for name in trail.FIELDS)


@pytest.mark.parametrize(
    ("verb", "reply", "level", "expected"),
    [
        ("rcpt", "550 5.1.1 <to@example.net> unknown", logging.WARNING,
         ("refused", "failed", "recipient", 550, "5.1.1", "recipient_refused")),
        ("dot", "554 5.6.0 no", logging.WARNING, ("refused", "failed", "dot", 554, "5.6.0", "message_refused")),
        ("rcpt", "450 4.2.0 greylisted", logging.INFO,
         ("deferred", "queued", "recipient", 450, "4.2.0", "recipient_refused")),
    ],
)  # fmt: skip
def test_a_refusal_is_one_line_with_its_codes(
    server: ChaosServer, lines: Lines, verb: str, reply: str, level: int, expected: tuple[object, ...]
) -> None:
    server.on(verb, Reply.of(reply))
    account = make_account(server.port)
    delivery.enqueue(make_email(to=["to@example.net"]), account=account)

    delivery.drain_account(account_id=account.pk)

    (record,) = lines("outcome")
    assert record.levelno == level
    names = ("outcome", "state", "stage", "reply_code", "enhanced_code", "error_code")
    assert values(record, *names) == expected
    assert str(expected[3]) in record.getMessage()
    assert "to@example.net" not in record.getMessage()
    assert record.addresses is None  # type: ignore[attr-defined]


def test_addresses_are_told_where_a_setting_allows_it(
    server: ChaosServer, lines: Lines, settings: Any
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "LOG_ADDRESSES": True}
    server.on("rcpt", Reply.of("550 5.1.1 <to@example.net> unknown"))
    account = make_account(server.port)
    delivery.enqueue(make_email(to=["to@example.net"]), account=account)

    delivery.drain_account(account_id=account.pk)

    (record,) = lines("outcome")
    assert record.addresses == ["to@example.net"]  # type: ignore[attr-defined]
    assert "<to@example.net> unknown" in record.getMessage()


def test_a_pause_is_one_warning_with_the_servers_words(lines: Lines) -> None:
    with ChaosServer(credentials={"carol@example.com": PASSWORD}, auth_in_clear=True) as server:
        pause_and_resume(server, lines)


def pause_and_resume(server: ChaosServer, lines: Lines) -> None:
    """Be refused until the account pauses, and give it another connection."""
    server.on("auth", Reply.of("535 5.7.8 bob@example.com: no such login"))
    account = make_account(server.port, username="bob@example.com")
    make_message(account)

    for _ in range(3):
        Lane.objects.filter(wait_reason=WaitReason.LOGIN_RETRY).update(wait_until=timezone.now())
        delivery.drain_account(account_id=account.pk)

    (pause,) = lines("wait", "pause")  # two ways to log in were refused in one session
    assert values(pause, "levelno", "reason", "error_code") == (
        logging.WARNING, "paused_login", "auth_failed",
    )  # fmt: skip
    assert pause.account_id == account.pk  # type: ignore[attr-defined]
    assert "no such login" in pause.getMessage()
    for record in lines():
        assert "bob@" not in record.getMessage()
        assert PASSWORD not in record.getMessage()

    account.refresh_from_db()
    account.port += 1
    account.secret = None
    account.authentication, account.username = "none", ""
    account.save()
    assert [values(record, "levelno", "account_id") for record in lines("resume")] == [
        (logging.INFO, account.pk)
    ]


def test_a_limit_is_told_once_for_each_wait(server: ChaosServer, lines: Lines) -> None:
    account = make_account(server.port, limit_count=1, limit_period=3600)
    for _ in range(2):
        make_message(account)
    for _ in range(3):
        delivery.drain_account(account_id=account.pk)
    (record,) = lines("wait")
    assert values(record, "levelno", "reason") == (logging.INFO, "limit")
    assert record.until is not None  # type: ignore[attr-defined]


def test_what_people_do_by_hand_is_told(lines: Lines) -> None:
    message = make_message(make_account())
    for operation in (delivery.hold, delivery.release, delivery.cancel):
        operation(message_id=message.pk)
    assert [values(record, "event", "levelno", "state", "message_id") for record in lines()] == [
        ("hold", logging.WARNING, "held", message.pk),
        ("release", logging.INFO, "queued", message.pk),
        ("cancel", logging.INFO, "cancelled", message.pk),
    ]


@pytest.mark.parametrize(
    ("policy", "level", "state"), [("retry", logging.INFO, "queued"), ("hold", logging.WARNING, "held")]
)
def test_a_hand_over_that_was_given_up_is_told(
    lines: Lines, settings: Any, policy: str, level: int, state: str
) -> None:
    settings.MAILCONFIG = {**settings.MAILCONFIG, "AMBIGUITY": policy}
    account = make_account()
    long_ago = timezone.now() - timedelta(hours=1)
    message = make_message(account)
    make_hand_over(message, handed_over_at=long_ago)

    delivery.sweep()

    (record,) = lines("reap")
    assert values(record, "levelno", "state", "account_id") == (level, state, account.pk)


def test_mail_we_stumble_over_is_told_each_time_and_fails_as_a_warning(
    server: ChaosServer, lines: Lines
) -> None:
    account = make_account(server.port)
    message = make_message(account, body=None)  # gone
    for _ in range(3):
        Message.objects.update(not_before=timezone.now())
        delivery.drain_account(account_id=account.pk)
    assert [values(record, "levelno", "state") for record in lines("internal_error")] == [
        (logging.INFO, "queued"), (logging.INFO, "queued"), (logging.WARNING, "failed"),
    ]  # fmt: skip
    assert {record.message_id for record in lines("internal_error")} == {message.pk}  # type: ignore[attr-defined]


def test_nothing_to_do_leaves_no_line(lines: Lines, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    account = make_account(is_enabled=False)
    Lane.objects.filter(account=account).update(due_at=timezone.now())
    delivery.ring_due()
    delivery.sweep()
    delivery.drain_account(account_id=account.pk)
    caplog.clear()
    for _ in range(3):
        delivery.ring_due()
        delivery.sweep()
        delivery.drain_account(account_id=account.pk)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("mailconfig")] == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("550 <a@b.example>... User unknown", "550 <***>... User unknown"),
        ("to=a.b+c@d.example, from='x@y.example'", "to=***, from='***'"),
        ("user@日本.example\r\nforged line", "*** forged line"),
        ("no address @ all", "no address @ all"),
    ],
)
def test_words_are_one_line_without_addresses(lines: Lines, words: str, told: str) -> None:
    trail.waits(7, purpose="sync", reason=WaitReason.SERVER_AWAY, newly=True, words=words)
    (record,) = lines("wait")
    assert (record.words, record.purpose) == (told, "sync")  # type: ignore[attr-defined]
    assert record.getMessage().endswith(told)
