"""Sending by Gmail: who gets a mail, and what each of Google's documented answers means for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from mailconfig.exceptions import LoginRefused, SessionLost, TransportError
from mailconfig.transports.contract import Outcome, Session, Verdict
from mailconfig.transports.gmail_api import TRANSPORT
from mailconfig.values import Authentication, Envelope, ErrorCode, NetworkPolicy, Secret, Stage
from tests.integration.transports.far_sides import READ_IN_TWO_WAYS, GmailFarSide, Mail, Tray
from tests.servers.gmail import DOCUMENTED, NOT_FOUND, SEND, TOKEN, FakeGmail, Fault

from .sessions import settings_of, surroundings_of

TO = b"From: me@gmail.test\r\nTo: You <you@example.net>,\r\n they@example.net\r\n"
REST = b"Subject: hello\r\n\r\nHow are you?\r\n"


@pytest.fixture
def server() -> Iterator[FakeGmail]:
    with FakeGmail() as found:
        yield found


def opened(server: FakeGmail, policy: NetworkPolicy, **timeouts: float) -> Session:
    return TRANSPORT.open(settings_of(), surroundings_of(server, policy, **timeouts))


def mail_to(*recipients: str, data: bytes = TO + REST) -> Mail:
    return Mail(Envelope("me@gmail.test", recipients, size=len(data)), data)


def sent(session: Session, server: FakeGmail, mail: Mail) -> Outcome:
    tray = Tray(GmailFarSide(server), [mail])
    (outcome,) = session.send(tray, tray)
    return outcome


@pytest.mark.parametrize(
    ("recipients", "data"),
    [
        (("you@example.net", "they@example.net"), TO + REST),
        (("YOU@example.net", "they@EXAMPLE.net"), TO + REST),
        (("you@example.net", "they@example.net", "hidden@example.net", "other@example.net"), TO + REST),
        (("hidden@example.net",), REST),
        (("hidden@example.net",), b"To: undisclosed-recipients:;\r\n" + REST),
        (("you@xn--bcher-kva.example",), "To: Müller <you@bücher.example>\r\n".encode() + REST),
        (("you@example.net",), b"To: you@example.net\nSubject: bare\n\nTo: else@example.net\n"),
    ],
)
def test_a_mail_goes_to_its_envelope_and_nobody_sees_the_hidden_ones(
    server: FakeGmail, policy: NetworkPolicy, recipients: tuple[str, ...], data: bytes
) -> None:
    session = opened(server, policy)

    outcome = sent(session, server, mail_to(*recipients, data=data))
    session.close()

    assert outcome.whole.verdict is Verdict.ACCEPTED
    (arrived,) = server.sent
    assert len(arrived.recipients) == len(recipients)
    assert arrived.data == data


@pytest.mark.parametrize(
    ("recipients", "data", "code"),
    [
        (("you@example.net",), TO + REST, "recipients_differ"),
        (("you@example.net",), b"Cc: else@example.net\r\n" + REST, "recipients_differ"),
        *((("you@example.net",), named.encode() + REST, "recipients_differ") for named in READ_IN_TWO_WAYS),
        (("you@example.net", "a b@example.net"), TO[:-18] + b"\r\n" + REST, ""),
    ],
)
def test_a_mail_that_would_reach_another_is_not_sent_and_says_so(
    server: FakeGmail, policy: NetworkPolicy, recipients: tuple[str, ...], data: bytes, code: str
) -> None:
    session = opened(server, policy)

    outcome = sent(session, server, mail_to(*recipients, data=data))
    session.close()

    assert (outcome.whole.verdict, outcome.error_code, outcome.stage) == (
        Verdict.FAIL,
        code,
        Stage.RECIPIENT,
    )
    assert server.sent == []
    assert "messages.send" not in server.asked


@pytest.mark.parametrize(
    ("reason", "verdict"),
    [
        ("badRequest", Verdict.FAIL),
        ("invalidArgument", Verdict.FAIL),
        ("failedPrecondition", Verdict.ACCOUNT_REFUSED),
        ("authError", Verdict.ACCOUNT_REFUSED),
        ("dailyLimitExceeded", Verdict.SERVER_LIMIT),
        ("userRateLimitExceeded", Verdict.SERVER_LIMIT),
        ("rateLimitExceeded", Verdict.SERVER_LIMIT),
        ("tooMany", Verdict.SERVER_LIMIT),
        ("domainPolicy", Verdict.ACCOUNT_REFUSED),
        ("accessNotConfigured", Verdict.ACCOUNT_REFUSED),
        ("unavailable", Verdict.RETRY),
    ],
)
def test_what_a_documented_error_means(
    server: FakeGmail, policy: NetworkPolicy, reason: str, verdict: Verdict
) -> None:
    assert DOCUMENTED.keys() >= {reason}
    server.faults["messages.send"] = DOCUMENTED[reason]
    session = opened(server, policy)

    outcome = sent(session, server, mail_to("you@example.net", "they@example.net"))
    session.close()

    assert (outcome.whole.verdict, outcome.error, session.handed_over) == (verdict, None, 0)
    assert not outcome.handed_over
    assert server.sent == []
    assert TOKEN not in outcome.whole.answer.words


@pytest.mark.parametrize(
    ("fault", "is_out"),
    [
        (Fault(hangs_up=True), False),
        (Fault(hangs_up=True, does_it=True), True),
        (Fault(hangs=True, does_it=True), True),
        (Fault(504, b"{}", does_it=True), True),
        (replace(DOCUMENTED["backendError"], does_it=True), True),
        (Fault(502, b"<html>", does_it=True), True),
        (Fault(200, b"<html>", does_it=True), True),
        (Fault(200, b"{}"), False),
        (Fault(200, b"[" * 100_000), False),
        (Fault(302, headers={"Location": "https://example.net/"}), False),
        (Fault(200, b'{"id": 7}'), False),
        (Fault(200, b"{}", {"Content-Encoding": "gzip"}, does_it=True), True),
    ],
)
def test_what_makes_no_sense_behind_a_mail_leaves_it_in_doubt(
    server: FakeGmail, policy: NetworkPolicy, fault: Fault, is_out: bool
) -> None:
    server.faults["messages.send"] = fault
    session = opened(server, policy, dot=0.3)

    outcome = sent(session, server, mail_to("you@example.net", "they@example.net"))

    assert outcome.error is not None
    assert outcome.error.ambiguous
    assert (session.closed, len(server.sent)) == (True, int(is_out))


def test_an_answer_of_something_else_ends_the_session_and_blames_no_mail(
    server: FakeGmail, policy: NetworkPolicy
) -> None:
    server.faults["messages.send"] = NOT_FOUND
    session = opened(server, policy)

    outcome = sent(session, server, mail_to("you@example.net", "they@example.net"))

    assert (outcome.whole.verdict, session.closed) == (Verdict.PROTOCOL, True)


def test_a_moment_in_the_sentence_is_how_long_to_wait(server: FakeGmail, policy: NetworkPolicy) -> None:
    words = b'{"error": {"code": 429, "message": "User-rate limit exceeded.  Retry after %s"}}'
    session = opened(server, policy)
    rests = []
    for moment in (b"2100-01-01T00:00:00.123Z", b"2000-01-01T00:00:00.000Z", b"soon"):
        server.faults["messages.send"] = Fault(429, words % moment)
        outcome = sent(session, server, mail_to("you@example.net", "they@example.net"))
        rests.append(outcome.whole.rest_seconds)
    session.close()

    assert rests == [24 * 3600, 0, None]


def test_who_may_only_send_is_let_in_without_being_told_whose_mailbox_it_is(
    server: FakeGmail, policy: NetworkPolicy
) -> None:
    server.tokens = {TOKEN: (SEND,)}
    session = opened(server, policy)

    outcome = sent(session, server, mail_to("you@example.net", "they@example.net"))
    session.close()

    assert outcome.whole.verdict is Verdict.ACCEPTED
    assert server.asked == ["getProfile", "messages.send"]
    assert {header["authorization"] for header in server.headers} == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"authentication": Authentication.PASSWORD}, "authentication"),
        ({"authentication": Authentication.NONE}, "authentication"),
        ({"username": ""}, "username"),
        ({"username": "other@gmail.test"}, "username"),
        ({"secret": None}, "secret"),
        ({"secret": Secret("two words")}, "secret"),
        ({"secret": Secret("an-older-token")}, "secret"),
    ],
)
def test_who_is_not_let_in_learns_which_field_is_wrong(
    server: FakeGmail, policy: NetworkPolicy, values: dict[str, object], field: str
) -> None:
    with pytest.raises(LoginRefused) as caught:
        TRANSPORT.open(settings_of(**values), surroundings_of(server, policy))

    assert (caught.value.field, caught.value.stage) == (field, Stage.LOGIN)
    assert "messages.send" not in server.asked


def test_dots_and_suffixes_of_gmails_own_addresses_are_the_same_mailbox(policy: NetworkPolicy) -> None:
    with FakeGmail(address="jane.doe@gmail.com") as server:
        for username in ("JaneDoe@googlemail.com", "jane.doe+mail@gmail.com"):
            TRANSPORT.open(settings_of(username=username), surroundings_of(server, policy)).close()
        with pytest.raises(LoginRefused):
            TRANSPORT.open(settings_of(username="jane@gmail.com"), surroundings_of(server, policy))


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(hangs_up=True), ErrorCode.CONNECT_FAILED),
        (Fault(hangs=True), ErrorCode.TIMEOUT),
        (DOCUMENTED["unavailable"], ErrorCode.CONNECT_FAILED),
        (DOCUMENTED["tooMany"], ErrorCode.CONNECT_FAILED),
        (Fault(200, b"hello"), ErrorCode.PROTOCOL_ERROR),
        (Fault(200, b'{"emailAddress": "me@gmail.test"}'), ErrorCode.PROTOCOL_ERROR),
    ],
)
def test_a_gmail_that_is_none_or_away_opens_no_session(
    server: FakeGmail, policy: NetworkPolicy, fault: Fault, code: ErrorCode
) -> None:
    server.faults["getProfile"] = fault

    with pytest.raises(TransportError) as caught:
        opened(server, policy, command=0.3)

    assert (caught.value.code, caught.value.stage, caught.value.ambiguous) == (code, Stage.LOGIN, False)
    assert caught.value.temporary
    assert isinstance(caught.value, SessionLost) == (code is not ErrorCode.PROTOCOL_ERROR)
