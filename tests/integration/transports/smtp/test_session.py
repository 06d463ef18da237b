"""A session that goes well, with PIPELINING and without, and its rules."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest

from mailconfig.exceptions import InvalidMessage, SessionLost
from mailconfig.transports.smtp.envelopes import EnvelopeOutcome
from mailconfig.transports.smtp.replies import Reply
from mailconfig.values import Envelope, NetworkPolicy, Timeouts
from tests.integration.transports.sessions import ENVELOPE, MESSAGE, send, session_to
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Action, Close, Hang, Raw, Reset
from tests.servers.faults import Reply as Answer

PIPELINING = pytest.mark.parametrize("pipelining", [True, False], ids=["pipelined", "lock step"])
OK = Reply(250, "ok", "2.1.5")


def _to(*recipients: str) -> Envelope:
    return Envelope("me@example.com", recipients)


def _contains(part: str, line: str) -> bool:
    return part in line


def _has_commands(server: ChaosServer, count: int) -> bool:
    return len(server.commands) == count


@PIPELINING
def test_messages_arrive_as_they_are_one_after_another(pipelining: bool, policy: NetworkPolicy) -> None:
    messages = [b".\r\n..\r\nnumber %d\r\n" % number + b"x" * number for number in range(20)]
    with ChaosServer(pipelining=pipelining) as server, session_to(server, policy) as session:
        for message in messages:
            assert send(session, message=message) == Reply(250, "queued", "2.0.0")
        assert session.handed_over == 20
        session.quit()
        assert session.closed
    assert [found.data.rstrip(b"\r\n") for found in server.messages] == [m.rstrip(b"\r\n") for m in messages]
    assert {found.session for found in server.messages} == {1}


def test_with_pipelining_a_message_costs_one_round_trip(policy: NetworkPolicy) -> None:
    """The next envelope rides with the dot: the server reads no command after it has answered the dot."""
    with ChaosServer() as server, session_to(server, policy) as session:
        session.propose(ENVELOPE)
        for number in range(3):
            assert session.envelope_outcome().is_open
            seen = len(server.commands)
            session.hand_over([MESSAGE], following=ENVELOPE if number < 2 else None)
            assert session.proposed is (number < 2)
            if session.proposed:
                assert server.wait_for(partial(_has_commands, server, seen + 3))
            assert session.outcome().code == 250
    assert len(server.messages) == 3


def test_without_pipelining_nothing_is_proposed_with_the_dot(policy: NetworkPolicy) -> None:
    with ChaosServer(pipelining=False) as server, session_to(server, policy) as session:
        session.propose(ENVELOPE)
        session.envelope_outcome()
        session.hand_over([MESSAGE], following=ENVELOPE)
        assert not session.proposed
        assert session.outcome().code == 250
        assert send(session) == Reply(250, "queued", "2.0.0")


@PIPELINING
@pytest.mark.parametrize("count", [1, 5, 50, 250])
def test_every_recipient_has_its_own_reply(pipelining: bool, count: int, policy: NetworkPolicy) -> None:
    recipients = tuple(f"r{number}@example.com" for number in range(count))
    answers = {1: "550 5.1.1 unknown", 3: "450 4.2.0 greylisted", 4: "452 4.5.3 too many"}
    with ChaosServer(pipelining=pipelining) as server, session_to(server, policy) as session:
        for position, answer in answers.items():
            server.on("rcpt", Answer.of(answer), when=partial(_contains, f"<r{position}@"))
        session.propose(_to(*recipients))
        outcome = session.envelope_outcome()
        codes = [reply.code for reply in outcome.recipients]
        assert codes == [int(answers.get(number, "250")[:3]) for number in range(count)]
        assert outcome.is_open
        session.hand_over([MESSAGE])
        assert session.outcome().code == 250
    refused = {f"r{number}@example.com" for number in answers}
    assert server.messages[0].recipients == tuple(r for r in recipients if r not in refused)


def _outcomes(pipelining: bool, policy: NetworkPolicy) -> list[Reply | EnvelopeOutcome]:
    """The same conversation over either kind of server."""
    with ChaosServer(pipelining=pipelining) as server, session_to(server, policy) as session:
        server.on("mail", Answer.of("553 5.7.1 not owned"), at=2)
        server.on("mail", Answer.of("451 4.3.0 later"), at=3)
        server.on("rcpt", Answer.of("550 5.1.1 unknown"), when=lambda line: "bad" in line)
        server.on("data", Answer.of("554 5.5.1 no valid recipients"), at=5)
        server.on("dot", Answer.of("452 4.3.1 full"), at=2)
        envelopes = [
            ENVELOPE,
            ENVELOPE,
            ENVELOPE,
            _to("bad@example.com", "you@example.com"),
            _to("bad@example.com"),
            ENVELOPE,
            ENVELOPE,
        ]
        found = []
        for envelope in envelopes:
            found.append(send(session, envelope))
            if isinstance(found[-1], EnvelopeOutcome):
                session.reset()
        return found


def test_lock_step_and_pipelining_come_to_the_same(policy: NetworkPolicy) -> None:
    pipelined, lock_step = _outcomes(True, policy), _outcomes(False, policy)
    assert len(pipelined) == 7
    for one, other in zip(pipelined[:4], lock_step[:4], strict=True):
        assert one == other
    assert isinstance(pipelined[1], EnvelopeOutcome)
    assert pipelined[1].data is None
    assert pipelined[1].recipients == (Reply(553, "not owned", "5.7.1"),)
    assert isinstance(pipelined[4], EnvelopeOutcome)
    assert pipelined[4] == lock_step[4]


@pytest.mark.parametrize("refused", ["mail", "rcpt"])
def test_a_354_for_nobody_is_answered_by_an_empty_message_that_goes_nowhere(
    refused: str, policy: NetworkPolicy
) -> None:
    with ChaosServer(lenient_data=True) as server, session_to(server, policy) as session:
        server.on(refused, Answer.of("550 5.1.1 no"), at=1)
        server.on("data", Answer.of("354 go ahead"), at=1)
        session.propose(ENVELOPE)
        outcome = session.envelope_outcome()
        assert outcome.data is None
        assert outcome.recipients[0].code == 550
        assert send(session) == Reply(250, "queued", "2.0.0")
    assert len(server.messages) == 1


@PIPELINING
def test_a_message_above_the_servers_size_is_not_offered(pipelining: bool, policy: NetworkPolicy) -> None:
    with ChaosServer(pipelining=pipelining, size=1000) as server, session_to(server, policy) as session:
        large = replace(ENVELOPE, size=1001)
        outcome = send(session, large)
        assert isinstance(outcome, EnvelopeOutcome)
        assert (outcome.sender.code, outcome.sender.enhanced) == (552, "5.3.4")
        session.propose(replace(ENVELOPE, size=1000))
        session.envelope_outcome()
        session.hand_over([MESSAGE], following=large)
        assert not session.proposed
        assert session.outcome().code == 250
        session.quit()
    assert [line for _, line in server.commands if line.startswith("MAIL")] == [
        "MAIL FROM:<me@example.com> SIZE=1000"
    ]


@PIPELINING
def test_a_bad_address_writes_nothing_and_the_session_goes_on(
    pipelining: bool, policy: NetworkPolicy
) -> None:
    bad = _to("you@example.com\r\nDATA")
    with ChaosServer(pipelining=pipelining) as server, session_to(server, policy) as session:
        with pytest.raises(InvalidMessage):
            session.propose(bad)
        session.propose(ENVELOPE)
        session.envelope_outcome()
        session.hand_over([MESSAGE], following=bad)
        assert not session.proposed
        session.outcome()
        assert send(session) == Reply(250, "queued", "2.0.0")
    assert len(server.messages) == 2


def test_a_large_message_streams(policy: NetworkPolicy) -> None:
    line = b".a line that is long enough to be cut anywhere\r\n"
    chunks = [(line * 1500)[start : start + 7001] for start in range(0, len(line) * 1500, 7001)] * 10
    with ChaosServer() as server, session_to(server, policy) as session:
        session.propose(ENVELOPE)
        session.envelope_outcome()
        session.hand_over(iter(chunks), following=ENVELOPE)
        assert session.outcome().code == 250
        assert session.envelope_outcome().is_open
        session.hand_over([b""])
        assert session.outcome().code == 250
    assert server.messages[0].data == b"".join(chunks)


def test_chunks_that_fail_end_the_session_before_the_dot(policy: NetworkPolicy) -> None:
    def broken() -> Iterator[bytes]:
        yield MESSAGE
        raise OSError("the storage is away")

    with ChaosServer() as server, session_to(server, policy) as session:
        session.propose(ENVELOPE)
        session.envelope_outcome()
        with pytest.raises(OSError, match="storage"):
            session.hand_over(broken())
        assert session.closed
        server.wait_for(lambda: server.sessions_open == 0)
    assert server.messages == []


def test_asking_for_a_sender_sends_nothing(policy: NetworkPolicy) -> None:
    with ChaosServer() as server, session_to(server, policy) as session:
        server.on("mail", Answer.of("553 5.7.1 not owned"), when=lambda line: "other" in line)
        server.on("rcpt", Answer.of("550 5.1.1 no such mailbox"), when=lambda line: "bounces" in line)
        assert _codes(session.verify_sender("me@example.com", "me@example.com")) == (250, 250)
        assert _codes(session.verify_sender("other@example.com", "me@example.com")) == (553, None)
        assert _codes(session.verify_sender("me@example.com", "bounces@example.com")) == (250, 550)
        assert send(session) == Reply(250, "queued", "2.0.0")
    assert len(server.messages) == 1
    assert server.verbs()[1:9] == ["MAIL", "RCPT", "RSET", "MAIL", "RSET", "MAIL", "RCPT", "RSET"]


def _codes(replies: tuple[Reply, Reply | None]) -> tuple[int, int | None]:
    first, second = replies
    return first.code, second.code if second else None


@pytest.mark.parametrize("action", [Reset(), Close(), Hang(), Answer.of("421 4.3.2 bye"), Raw(b"what?\r\n")])
def test_a_connection_lost_over_the_recipient_does_not_take_back_what_was_said_of_the_sender(
    policy: NetworkPolicy, action: Action
) -> None:
    with ChaosServer() as server, session_to(server, policy, timeouts=Timeouts(command=1.0)) as session:
        server.on("rcpt", action)
        sender, _ = session.verify_sender("me@example.com", "me@example.com")
        assert sender.is_success
        assert session.closed


def test_quit_in_the_middle_of_a_message_only_closes(policy: NetworkPolicy) -> None:
    """After a 354 the word QUIT would be part of the message."""
    with ChaosServer() as server, session_to(server, policy) as session:
        session.propose(ENVELOPE)
        assert session.envelope_outcome().is_open
        session.quit()
        assert server.wait_for(lambda: server.sessions_open == 0)
    assert server.messages == []
    assert "QUIT" not in server.verbs()


def test_calls_out_of_order_are_errors_of_the_caller(policy: NetworkPolicy) -> None:
    with ChaosServer() as server, session_to(server, policy) as session:
        for call in (session.outcome, session.envelope_outcome, lambda: session.hand_over([])):
            with pytest.raises(RuntimeError):
                call()
        session.propose(ENVELOPE)
        for wrong in (session.reset, session.noop, lambda: session.propose(ENVELOPE)):
            with pytest.raises(RuntimeError):
                wrong()
        assert session.envelope_outcome().is_open
        session.hand_over([MESSAGE], following=ENVELOPE)
        with pytest.raises(RuntimeError):
            session.envelope_outcome()
        assert session.outcome().code == 250


def test_a_closed_session_says_so(policy: NetworkPolicy) -> None:
    with ChaosServer() as server, session_to(server, policy) as session:
        session.close()
        session.close()
        session.quit()
        for call in (session.noop, session.reset, lambda: session.propose(ENVELOPE)):
            with pytest.raises(SessionLost):
                call()
