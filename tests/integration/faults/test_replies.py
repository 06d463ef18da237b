"""The table of reply classes, through the drain: what each fault at each verb means for message and account."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from mailconfig import delivery
from mailconfig.models import Attempt, HandOver, Message, WaitReason
from tests.factories import PASSWORD, body_of, make_account, make_message
from tests.servers.certificates import Certificates
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Action, Close, Hang, Raw, Reply, Reset

from .conftest import attempts, lane, reasons, rewind, short, states

pytestmark = pytest.mark.django_db(transaction=True)


def alike(*actions: Action) -> list[Any]:
    """Actions that are to end in the same: what is stored of it is stored on each database by the first of them.

    Which is which is judged before the database hears of it.
    """
    first, *others = actions
    return [first, *(pytest.param(action, marks=pytest.mark.one_database) for action in others)]


LOSSES = alike(Close(), Hang(), Reset())
NONSENSE = alike(
    Raw(b"hello\r\n"),
    Raw(b"\x00\xff\r\n"),
    Raw(b"250-one\r\n251 two\r\n"),
    Reply.of("150 wait"),
    Reply.of("999 what"),
)


def name_of(action: object) -> str:
    """For the test's name."""
    if isinstance(action, Reply):
        return action.lines[-1].replace(" ", "_")
    return repr(action.data) if isinstance(action, Raw) else type(action).__name__


def drain_three(server: ChaosServer, **values: object) -> None:
    """Three messages to one recipient each, one drain."""
    account = make_account(server.port, **values)
    for _ in range(3):
        make_message(account)
    delivery.drain_account(account_id=account.pk)


# Before the session stands: the account rests, and no message is to blame.


@pytest.fixture(scope="module")
def certificates() -> Iterator[Certificates]:
    """Of a server that is right."""
    certificates = Certificates()
    yield certificates
    certificates.close()


@pytest.fixture
def secure(certificates: Certificates, configure: Callable[..., None]) -> Iterator[ChaosServer]:
    """A server with STARTTLS and login."""
    configure(CA_FILE=certificates.ca_file)
    with ChaosServer(
        tls=certificates.good, starttls=True, credentials={"me": PASSWORD}, mechanisms=("PLAIN",)
    ) as server:
        yield server


def drain_secure(server: ChaosServer) -> None:
    """Three messages over STARTTLS with a login."""
    drain_three(server, username="me", security="starttls", host="localhost")


OPENING = ["banner", "ehlo", "starttls", "handshake", "auth"]


@pytest.mark.parametrize("action", LOSSES, ids=name_of)
@pytest.mark.parametrize("verb", OPENING)
def test_a_connection_lost_while_opening_lets_the_account_rest(
    secure: ChaosServer, configure: Callable[..., None], verb: str, action: Action
) -> None:
    if isinstance(action, Hang):
        configure(TIMEOUTS=short(verb))
    secure.on(verb, action, at=1)
    drain_secure(secure)
    assert (states(), attempts()) == (["queued"] * 3, [0] * 3)
    assert lane().wait_reason == WaitReason.SERVER_AWAY
    assert lane().failures == 1
    assert secure.messages == []
    configure(TIMEOUTS={})
    rewind()
    delivery.drain_account(account_id=lane().account_id)
    assert states() == ["sent"] * 3
    assert (lane().wait_reason, lane().failures) == ("", 0)


@pytest.mark.parametrize("action", NONSENSE, ids=name_of)
@pytest.mark.parametrize("verb", ["banner", "ehlo", "starttls", "auth"])
def test_nonsense_while_opening_is_a_strike(secure: ChaosServer, verb: str, action: Action) -> None:
    secure.on(verb, action, at=1)
    drain_secure(secure)
    assert (states(), attempts()) == (["queued"] * 3, [0] * 3)
    assert (lane().wait_reason, lane().breaches) == (WaitReason.SERVER_AWAY, 1)
    assert lane().last_error_code == "protocol_error"


@pytest.mark.parametrize(
    ("verb", "reply", "reason"),
    [
        ("banner", "421 4.3.2 busy", WaitReason.SERVER_AWAY),
        ("banner", "450 4.3.2 later", WaitReason.SERVER_AWAY),
        ("banner", "554 5.7.1 go away", WaitReason.PAUSED_CONFIG),
        ("ehlo", "421 4.3.2 busy", WaitReason.SERVER_AWAY),
        ("ehlo", "451 4.3.0 later", WaitReason.SERVER_AWAY),
        ("starttls", "454 4.7.0 not now", WaitReason.SERVER_AWAY),
        ("starttls", "502 5.5.1 never", WaitReason.PAUSED_CONFIG),
        ("auth", "454 4.7.0 too many logins", WaitReason.SERVER_AWAY),
        ("auth", "432 4.3.2 concurrent connections", WaitReason.SERVER_AWAY),
        ("auth", "421 4.7.0 busy", WaitReason.SERVER_AWAY),
        ("auth", "535 5.7.8 no", WaitReason.LOGIN_RETRY),
        ("auth", "534 5.7.9 app password", WaitReason.LOGIN_RETRY),
        ("auth", "530 5.7.0 what", WaitReason.LOGIN_RETRY),
        ("auth", "554 5.7.0 no", WaitReason.LOGIN_RETRY),
    ],
)
def test_a_refusal_while_opening_has_its_class(
    secure: ChaosServer, verb: str, reply: str, reason: WaitReason
) -> None:
    secure.on(verb, Reply.of(reply), at=1)
    before = timezone.now()
    drain_secure(secure)
    assert (states(), attempts()) == (["queued"] * 3, [0] * 3)
    assert lane().wait_reason == reason
    if verb == "auth" and reason == WaitReason.SERVER_AWAY:
        until = lane().wait_until
        assert until is not None
        assert until >= before + timedelta(minutes=10), "servers count logins"


# In the middle of a batch: the second of three.


@pytest.mark.parametrize("action", LOSSES, ids=name_of)
@pytest.mark.parametrize("verb", ["mail", "rcpt", "data"])
def test_a_connection_lost_before_the_dot_is_opened_anew(
    server: ChaosServer, window: int, configure: Callable[..., None], verb: str, action: Action
) -> None:
    if isinstance(action, Hang):
        configure(TIMEOUTS=short(verb))
    server.on(verb, action, at=2)
    drain_three(server)
    assert (states(), attempts()) == (["sent"] * 3, [1] * 3)
    assert len(server.messages) == 3
    assert server.sessions == 2
    assert lane().wait_reason == ""


@pytest.mark.parametrize("policy", ["retry", "hold"])
@pytest.mark.parametrize("action", LOSSES, ids=name_of)
@pytest.mark.parametrize("verb", ["body", "dot"])
def test_a_connection_lost_after_the_dot_is_ambiguous_and_the_others_go_on(
    server: ChaosServer, window: int, configure: Callable[..., None], verb: str, action: Action, policy: str
) -> None:
    configure(AMBIGUITY=policy)
    if isinstance(action, Hang):
        configure(TIMEOUTS=short(verb))
    server.on(verb, action, at=2)
    drain_three(server)
    assert states() == ["sent", "queued" if policy == "retry" else "held", "sent"]
    reason = WaitReason.UNKNOWN_OUTCOME if policy == "retry" else WaitReason.MAYBE_SENT
    assert (attempts(), reasons()[1]) == ([1, 1, 1], reason)
    assert Attempt.objects.filter(outcome="unknown", recipients=1).count() == 1, "it counts in the windows"
    assert len(server.messages) == 2
    if policy == "retry":
        rewind()
        delivery.drain_account(account_id=lane().account_id)
        assert (states(), attempts()) == (["sent"] * 3, [1, 2, 1])


@pytest.mark.parametrize("action", LOSSES, ids=name_of)
def test_a_connection_lost_in_a_long_body_is_not_ambiguous(
    server: ChaosServer, window: int, configure: Callable[..., None], action: Action
) -> None:
    if isinstance(action, Hang):
        configure(TIMEOUTS=short("body"))
    server.size = None
    server.on("body", action, at=2)
    account = make_account(server.port)
    make_message(account)
    # More than the kernel's buffers hold, so that we are still writing when the server stops reading.
    make_message(account, body=b"Subject: x\r\n\r\n" + (b"x" * 62 + b"\r\n") * 16 * 16384)
    make_message(account)
    delivery.drain_account(account_id=account.pk)
    assert (states(), attempts()) == (["sent"] * 3, [1] * 3)
    assert Attempt.objects.filter(outcome="lost", recipients=0).count() == 1


@pytest.mark.parametrize("action", [*NONSENSE, Reply.of("354 go"), Reply.of("220 hm")], ids=name_of)
@pytest.mark.parametrize("verb", ["mail", "rcpt", "data", "dot"])
def test_nonsense_in_the_middle_is_a_strike_and_ambiguous_after_the_dot_only(
    server: ChaosServer, window: int, verb: str, action: Action
) -> None:
    if (verb == "data" and name_of(action) == "354_go") or (
        verb in {"mail", "rcpt", "dot"} and name_of(action) == "220_hm"
    ):
        pytest.skip("that is a proper answer here")
    server.on(verb, action, at=2)
    drain_three(server)
    assert states() == ["sent", "queued", "queued"]
    ambiguous = verb == "dot"
    assert attempts() == [1, int(ambiguous), 0]
    assert reasons()[1:] == [WaitReason.UNKNOWN_OUTCOME if ambiguous else "", ""]
    assert (lane().wait_reason, lane().breaches) == (WaitReason.SERVER_AWAY, 1)
    rewind()
    delivery.drain_account(account_id=lane().account_id)
    assert states() == ["sent"] * 3
    assert (lane().wait_reason, lane().breaches) == ("", 0)


def test_five_strikes_in_a_row_pause_the_account(server: ChaosServer, window: int) -> None:
    server.on("mail", Raw(b"what?\r\n"))
    drain_three(server)
    for _ in range(6):
        rewind()
        delivery.drain_account(account_id=lane().account_id)
    assert lane().wait_reason == WaitReason.PAUSED_PROTOCOL
    assert server.sessions == 5
    assert (states(), attempts()) == (["queued"] * 3, [0] * 3)


def test_bare_codes_are_answers(server: ChaosServer, window: int) -> None:
    for verb in ("mail", "rcpt", "dot"):
        server.on(verb, Raw(b"250\r\n"))
    server.on("data", Raw(b"354\r\n"))
    drain_three(server)
    assert states() == ["sent"] * 3


@pytest.mark.parametrize(
    ("verb", "reply", "state", "attempt"),
    [
        ("mail", "451 4.3.0 later", "queued", 1),
        ("mail", "552 5.3.4 too big", "failed", 1),
        ("mail", "553 5.7.1 not yours", "failed", 1),
        ("rcpt", "450 4.2.0 grey", "queued", 1),
        ("rcpt", "451 4.3.0 later", "queued", 1),
        ("rcpt", "550 5.1.1 unknown", "failed", 1),
        ("rcpt", "551 5.1.6 moved", "failed", 1),
        ("rcpt", "553 5.1.3 odd", "failed", 1),
        ("data", "451 4.3.0 later", "queued", 1),
        ("data", "554 5.6.0 no", "failed", 1),
        ("dot", "451 4.3.0 later", "queued", 1),
        ("dot", "452 4.3.1 full", "queued", 1),
        ("dot", "554 5.6.0 no", "failed", 1),
    ],
)
def test_a_refusal_in_the_middle_concerns_its_message_alone(
    server: ChaosServer, window: int, verb: str, reply: str, state: str, attempt: int
) -> None:
    server.on(verb, Reply.of(reply), at=2)
    before = timezone.now()
    drain_three(server)
    assert (states(), attempts()) == (["sent", state, "sent"], [1, attempt, 1])
    assert (lane().wait_reason, server.sessions) == ("", 1)
    assert lane().strikes == 0, "a message that went through ended the row"
    second = Message.objects.order_by("pk")[1]
    if state == "queued":
        assert second.wait_reason == WaitReason.RETRY
        patience = 300 if verb == "rcpt" else 240
        assert second.not_before >= before + timedelta(seconds=patience)
    else:
        assert second.error_text == reply.split(" ", 2)[2]
        assert body_of(second) is not None, "it can be queued again"


@pytest.mark.parametrize("verb", ["mail", "rcpt", "data", "dot"])
def test_a_421_in_the_middle_gives_back_and_lets_the_account_rest(
    server: ChaosServer, window: int, verb: str
) -> None:
    server.on(verb, Reply.of("421 4.3.2 going down"), at=2)
    drain_three(server)
    assert states() == ["sent", "queued", "queued"]
    assert attempts() == [1, int(verb != "mail"), 0], "between two mails it is nobody's fault"
    assert lane().wait_reason == WaitReason.SERVER_AWAY
    assert lane().wait_text == "421 4.3.2 going down"
    assert lane().lease_token is None
    assert not HandOver.objects.exists()


@pytest.mark.parametrize(
    "reply", ["550 5.4.5 Daily sending quota exceeded", "554 5.2.0 quota exceeded", "451 4.7.1 rate limited"]
)
@pytest.mark.parametrize("verb", ["mail", "data", "dot"])
def test_the_servers_own_limit_pauses_the_account_and_consumes_nothing(
    server: ChaosServer, window: int, verb: str, reply: str
) -> None:
    server.on(verb, Reply.of(reply), at=2)
    drain_three(server)
    assert (states(), attempts()) == (["sent", "queued", "queued"], [1, 0, 0])
    assert lane().wait_reason == WaitReason.SERVER_LIMIT
    assert len(server.messages) == 1


def test_three_refused_senders_in_a_row_pause_the_account(server: ChaosServer, window: int) -> None:
    server.on("mail", Reply.of("550 5.7.1 not your address"))
    account = make_account(server.port)
    for _ in range(5):
        make_message(account)
    delivery.drain_account(account_id=account.pk)
    assert states() == ["failed"] * 3 + ["queued"] * 2
    assert lane().wait_reason == WaitReason.PAUSED_SENDER


# What follows a message.


@pytest.mark.parametrize(
    "action", [*LOSSES, Reply.of("421 4.3.2 bye"), Reply.of("500 5.5.1 what")], ids=name_of
)
@pytest.mark.parametrize("refusal", ["550 5.1.1 unknown", "450 4.2.0 grey"])
def test_a_session_lost_at_rset_costs_a_session_only(
    server: ChaosServer, window: int, configure: Callable[..., None], refusal: str, action: Action
) -> None:
    if isinstance(action, Hang):
        configure(TIMEOUTS=short("rset"))
    server.on("rcpt", Reply.of(refusal), at=2)
    server.on("rset", action, at=1)
    drain_three(server, limit_count=3, limit_period=3600)
    refused = "failed" if refusal.startswith("5") else "queued"
    assert (states(), attempts()) == (["sent", refused, "sent"], [1] * 3)
    assert len(server.messages) == 2
    assert sum(line.startswith("RCPT") for _, line in server.commands) == 3, "nobody was asked twice"
    make_account()  # the only lane below is the first one's
    account_id = Message.objects.values_list("account_id", flat=True)[0]
    for _ in range(3):
        make_message(Message.objects.all()[0].account)
    delivery.drain_account(account_id=account_id)
    assert len(server.messages) == 3, "the window still holds what went out"


@pytest.mark.parametrize("action", LOSSES, ids=name_of)
def test_a_session_lost_at_quit_changes_nothing(
    server: ChaosServer, window: int, configure: Callable[..., None], action: Action
) -> None:
    configure(TIMEOUTS={"quit": 0.3})
    server.on("quit", action)
    drain_three(server)
    assert states() == ["sent"] * 3
    assert (lane().lease_token, lane().wait_reason) == (None, "")
