"""Sessions that break: at every verb, in every way (F18 to F21, F26), and whether it is ambiguous."""

import tracemalloc
from dataclasses import replace
from typing import Any

import pytest

from mailconfig.exceptions import ProtocolError, SessionLost, TransportError
from mailconfig.transports.smtp.envelopes import EnvelopeOutcome
from mailconfig.transports.smtp.replies import Reply
from mailconfig.transports.smtp.session import SMTPSession
from mailconfig.values import Envelope, ErrorCode, NetworkPolicy, Stage, Timeouts
from tests.integration.transports.sessions import ENVELOPE, MESSAGE, send, session_to
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Action, Close, Endless, Hang, LongLine, Raw, Reset, Slow
from tests.servers.faults import Reply as Answer

STAGES = {"mail": Stage.SENDER, "rcpt": Stage.RECIPIENT, "data": Stage.DATA, "dot": Stage.DOT}
SHORT = {
    "mail": Timeouts(command=0.5),
    "rcpt": Timeouts(command=0.5),
    "data": Timeouts(data=0.5),
    "dot": Timeouts(dot=0.5),
}
VERBS = pytest.mark.parametrize("verb", STAGES)
PIPELINING = pytest.mark.parametrize("pipelining", [True, False], ids=["pipelined", "lock step"])


def _break(
    verb: str, action: Action, policy: NetworkPolicy, *, pipelining: bool = True, **options: Any
) -> tuple[TransportError, ChaosServer]:
    with ChaosServer(pipelining=pipelining) as server, session_to(server, policy, **options) as session:
        server.on(verb, action, at=2)
        assert send(session) == Reply(250, "queued", "2.0.0")
        with pytest.raises(TransportError) as caught:
            send(session)
        assert session.closed
        assert not session.proposed
    return caught.value, server


@PIPELINING
@VERBS
@pytest.mark.parametrize(
    "action", [Hang(), Slow(line="250 " + "x" * 500, seconds=0.05)], ids=["hang", "slow"]
)
def test_a_server_that_hangs_or_dribbles_is_left_when_the_phase_is_over(
    verb: str, action: Action, pipelining: bool, policy: NetworkPolicy
) -> None:
    error, server = _break(verb, action, policy, pipelining=pipelining, timeouts=SHORT[verb])
    assert isinstance(error, SessionLost)
    assert (error.stage, error.code) == (STAGES[verb], ErrorCode.TIMEOUT)
    assert error.ambiguous is (verb == "dot")
    assert len(server.messages) == 1


@PIPELINING
@VERBS
@pytest.mark.parametrize("action", [Reset(), Close()], ids=["reset", "close"])
def test_a_connection_that_ends_is_ambiguous_only_after_the_dot(
    verb: str, action: Action, pipelining: bool, policy: NetworkPolicy
) -> None:
    error, _ = _break(verb, action, policy, pipelining=pipelining)
    assert isinstance(error, SessionLost)
    assert error.stage is STAGES[verb]
    assert error.ambiguous is (verb == "dot")
    assert error.temporary


def test_a_message_that_was_taken_before_the_connection_broke_is_ambiguous(policy: NetworkPolicy) -> None:
    with ChaosServer() as server, session_to(server, policy) as session:
        server.on("dot", Reset(), accept=True)
        with pytest.raises(SessionLost) as caught:
            send(session)
        assert caught.value.ambiguous
    assert len(server.messages) == 1


@PIPELINING
@VERBS
@pytest.mark.parametrize(
    "action",
    [
        Raw(b"-1 oops\r\n"),
        Raw(b"garbage\r\n"),
        Answer.of("150 soon"),
        Answer.of("250-one", "550 two"),
        Answer.of("399 what"),
        Endless(),
        LongLine(size=1024 * 1024),
    ],
    ids=["-1", "garbage", "1xx", "mismatch", "3xx", "endless", "long"],
)
def test_what_is_no_answer_breaks_the_protocol(
    verb: str, action: Action, pipelining: bool, policy: NetworkPolicy
) -> None:
    error, _ = _break(verb, action, policy, pipelining=pipelining)
    assert isinstance(error, ProtocolError)
    assert (error.stage, error.code) == (STAGES[verb], ErrorCode.PROTOCOL_ERROR)
    assert error.ambiguous is (verb == "dot")


def test_a_yes_to_data_that_is_no_354_breaks_the_protocol(policy: NetworkPolicy) -> None:
    error, _ = _break("data", Answer.of("250 sure"), policy)
    assert isinstance(error, ProtocolError)
    assert not error.ambiguous


@PIPELINING
@pytest.mark.parametrize("verb", ["mail", "rcpt", "dot"])
def test_a_bare_code_is_an_answer(verb: str, pipelining: bool, policy: NetworkPolicy) -> None:
    with ChaosServer(pipelining=pipelining) as server, session_to(server, policy) as session:
        server.on(verb, Answer.of("250"))
        assert isinstance(send(session), Reply)
    assert len(server.messages) == 1


@PIPELINING
@pytest.mark.parametrize("verb", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("answer", ["421 4.3.2 closing", "451 4.3.0 later", "452 4.5.3 many", "550 5.7.1 no"])
def test_a_no_before_the_body_is_an_outcome(
    verb: str, answer: str, pipelining: bool, policy: NetworkPolicy
) -> None:
    with ChaosServer(pipelining=pipelining) as server, session_to(server, policy) as session:
        server.on(verb, Answer.of(answer), at=2)
        assert send(session) == Reply(250, "queued", "2.0.0")
        outcome = send(session)
        assert isinstance(outcome, EnvelopeOutcome)
        assert not outcome.is_open
        named = {"mail": outcome.sender, "rcpt": outcome.recipients[0], "data": outcome.data}[verb]
        assert named is not None
        assert named.code == int(answer[:3])
        assert session.closed is answer.startswith("421")
        if not session.closed:
            session.reset()
            assert send(session) == Reply(250, "queued", "2.0.0")


@PIPELINING
def test_a_421_in_the_middle_of_the_recipients_speaks_for_the_rest(
    pipelining: bool, policy: NetworkPolicy
) -> None:
    envelope = Envelope("me@example.com", tuple(f"r{number}@example.com" for number in range(4)))
    with ChaosServer(pipelining=pipelining) as server, session_to(server, policy) as session:
        server.on("rcpt", Answer.of("550 5.1.1 no"), at=2)
        server.on("rcpt", Answer.of("421 4.3.2 bye"), at=3)
        outcome = send(session, envelope)
        assert isinstance(outcome, EnvelopeOutcome)
        assert [reply.code for reply in outcome.recipients] == [250, 550, 421, 421]
        assert outcome.data is None
        assert session.closed
    assert server.messages == []


@pytest.mark.parametrize("answer", ["421 4.3.2 bye", "451 4.3.0 later", "550 5.4.5 quota", "554 5.6.0 no"])
def test_a_no_to_the_message_is_its_outcome(answer: str, policy: NetworkPolicy) -> None:
    with ChaosServer() as server, session_to(server, policy) as session:
        server.on("dot", Answer.of(answer))
        session.propose(ENVELOPE)
        session.envelope_outcome()
        session.hand_over([MESSAGE], following=ENVELOPE)
        reply = session.outcome()
        assert reply.code == int(answer[:3])
        assert session.closed is (reply.code == 421)
        assert session.proposed is (reply.code != 421)
        if session.proposed:
            assert session.envelope_outcome().is_open


def test_the_sent_stay_sent_when_the_next_proposal_meets_a_dead_connection(policy: NetworkPolicy) -> None:
    with ChaosServer() as server, session_to(server, policy) as session:
        server.on("mail", Close(), at=2)
        session.propose(ENVELOPE)
        session.envelope_outcome()
        session.hand_over([MESSAGE], following=ENVELOPE)
        assert session.outcome().code == 250
        with pytest.raises(SessionLost) as caught:
            session.envelope_outcome()
        assert not caught.value.ambiguous


def _hand_over_slowly(session: SMTPSession, blocks: int) -> None:
    session.propose(ENVELOPE)
    assert session.envelope_outcome().is_open
    session.hand_over(b"x" * 65536 for _ in range(blocks))
    session.outcome()


def test_a_server_that_stops_reading_the_body_is_left_and_nothing_is_ambiguous(policy: NetworkPolicy) -> None:
    with ChaosServer() as server, session_to(server, policy, timeouts=Timeouts(block=0.5)) as session:
        server.on("body", Hang())
        with pytest.raises(SessionLost) as caught:
            _hand_over_slowly(session, 2000)
        assert (caught.value.stage, caught.value.code) == (Stage.BODY, ErrorCode.TIMEOUT)
        assert not caught.value.ambiguous
    assert server.messages == []


def test_a_connection_cut_in_the_body_is_not_ambiguous(policy: NetworkPolicy) -> None:
    with ChaosServer() as server, session_to(server, policy) as session:
        server.on("body", Reset())
        with pytest.raises(SessionLost) as caught:
            _hand_over_slowly(session, 2000)
        assert caught.value.stage is Stage.BODY
        assert not caught.value.ambiguous


@pytest.mark.parametrize("action", [Hang(), Reset(), Close(), Endless(), Raw(b"-1\r\n")])
def test_a_quit_that_goes_wrong_changes_nothing(action: Action, policy: NetworkPolicy) -> None:
    with ChaosServer() as server, session_to(server, policy, timeouts=Timeouts(quit=0.3)) as session:
        server.on("quit", action)
        assert send(session) == Reply(250, "queued", "2.0.0")
        session.quit()
        assert session.closed
    assert len(server.messages) == 1


@pytest.mark.parametrize("verb", ["rset", "noop"])
@pytest.mark.parametrize(
    "action",
    [Hang(), Reset(), Close(), Raw(b"-1\r\n"), Answer.of("421 4.3.2 bye"), Answer.of("500 5.5.2 no")],
)
def test_a_session_that_fails_between_messages_is_over(
    verb: str, action: Action, policy: NetworkPolicy
) -> None:
    with ChaosServer() as server, session_to(server, policy, timeouts=Timeouts(command=0.5)) as session:
        server.on(verb, action)
        with pytest.raises((SessionLost, ProtocolError)) as caught:
            session.reset() if verb == "rset" else session.noop()
        assert not caught.value.ambiguous
        assert session.closed


@pytest.mark.parametrize("action", [Endless(), LongLine(), Endless(line="250-" + "x" * 60000)])
@pytest.mark.parametrize("verb", ["mail", "dot"])
def test_a_flood_of_an_answer_costs_no_memory(verb: str, action: Action, policy: NetworkPolicy) -> None:
    with ChaosServer() as server, session_to(server, policy) as session:
        server.on(verb, action)
        tracemalloc.start()
        try:
            with pytest.raises(ProtocolError):
                send(session)
            # The server's thread is in this process too; its blocks are well below a megabyte.
            assert tracemalloc.get_traced_memory()[1] < 10 * 1024 * 1024
        finally:
            tracemalloc.stop()


def test_the_cap_of_a_reply_is_the_policys(policy: NetworkPolicy) -> None:
    lines = tuple(f"250-{'x' * 90}" for _ in range(20))
    with ChaosServer() as server, session_to(server, replace(policy, max_reply_bytes=1000)) as session:
        server.on("mail", Answer.of(*lines, "250 end"))
        with pytest.raises(ProtocolError):
            send(session)
    with ChaosServer() as server, session_to(server, policy) as session:
        server.on("mail", Answer.of(*lines, "250 end"))
        assert isinstance(send(session), Reply)
