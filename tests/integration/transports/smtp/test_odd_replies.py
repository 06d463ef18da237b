"""Replies that come too early, in odd lines, or drop by drop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailconfig.exceptions import ConnectionFailed, ProtocolError, SessionLost, TransportError
from mailconfig.transports.smtp.replies import Reply
from mailconfig.transports.smtp.session import SMTPSession
from mailconfig.values import Envelope, ErrorCode, NetworkPolicy, Stage, Timeouts
from tests.integration.transports.sessions import (
    ENVELOPE,
    MESSAGE,
    open_session,
    send,
    session_to,
    settings_for,
)
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Raw, Slow


@pytest.mark.parametrize("pipelining", [True, False], ids=["pipelined", "lock step"])
def test_a_yes_that_comes_with_the_354_is_not_the_answer_to_the_dot(
    pipelining: bool, policy: NetworkPolicy
) -> None:
    with ChaosServer(pipelining=pipelining) as server, session_to(server, policy) as session:
        server.on("data", Raw(b"354 go ahead\r\n250 2.0.0 queued\r\n"), at=1)
        session.propose(ENVELOPE)
        assert session.envelope_outcome().is_open
        with pytest.raises(ProtocolError) as caught:
            session.hand_over([MESSAGE])
        assert not caught.value.ambiguous
        assert session.closed
    assert server.messages == []


def test_a_no_that_comes_with_the_354_is_the_answer_to_the_message(policy: NetworkPolicy) -> None:
    with ChaosServer() as server, session_to(server, policy) as session:
        server.on("data", Raw(b"354 go ahead\r\n554 5.7.1 not you\r\n"), at=1)
        session.propose(ENVELOPE)
        assert session.envelope_outcome().is_open
        with pytest.raises(SessionLost) as caught:
            session.hand_over([MESSAGE])
        assert (caught.value.ambiguous, caught.value.stage) == (False, Stage.BODY)
        assert caught.value.reply == Reply(554, "not you", "5.7.1")


def test_a_reply_too_many_is_not_taken_for_the_next_one(policy: NetworkPolicy) -> None:
    with ChaosServer(pipelining=False) as server, session_to(server, policy) as session:
        server.on("dot", Raw(b"250 2.0.0 queued\r\n250 2.0.0 queued\r\n"), accept=True)
        assert isinstance(send(session), Reply)
        with pytest.raises(ProtocolError):
            send(session)


@pytest.mark.parametrize("verb", ["mail", "rcpt", "data", "dot", "rset"])
def test_empty_lines_between_replies_are_none(verb: str, policy: NetworkPolicy) -> None:
    usual = b"354 go\r\n" if verb == "data" else b"250 ok\r\n"
    with ChaosServer() as server, session_to(server, policy) as session:
        server.on(verb, Raw(b"\r\n" + usual + b"\r\n"), accept=True)
        for _ in range(2):
            reply = send(session)
            assert isinstance(reply, Reply)
            assert reply.code == 250
            session.reset()


@pytest.mark.parametrize(
    ("banner", "code", "words"),
    [
        (b"220-mail.example.com\r\n521 5.3.2 no mail here\r\n", 521, "no mail here"),
        (b"220-mail.example.com\r\n421 4.7.0 too many of you\r\n", 421, "too many of you"),
        (b"\r\n554 5.7.1 go away\r\n", 554, "go away"),
    ],
)
def test_a_banner_that_ends_in_a_refusal_shows_its_words(
    banner: bytes, code: int, words: str, policy: NetworkPolicy
) -> None:
    with ChaosServer() as server:
        server.on("banner", Raw(banner))
        with pytest.raises(ConnectionFailed) as caught:
            open_session(settings_for(server.port), policy=policy)
    reply = caught.value.reply
    assert reply is not None
    assert reply.code == code
    assert words in reply.text
    assert caught.value.temporary is (code < 500)


def _expect_timeout(session_error: TransportError, stage: Stage) -> None:
    assert (session_error.stage, session_error.code) == (stage, ErrorCode.TIMEOUT)
    assert not session_error.ambiguous


@pytest.mark.parametrize("pipelining", [True, False], ids=["pipelined", "lock step"])
def test_replies_that_trickle_end_with_the_transaction(pipelining: bool, policy: NetworkPolicy) -> None:
    """Each of them is in time."""
    envelope = Envelope("me@example.com", tuple(f"r{number}@example.com" for number in range(3)))
    timeouts = Timeouts(command=60.0, transaction=0.5)  # and a second for each recipient
    with (
        ChaosServer(pipelining=pipelining) as server,
        session_to(server, policy, timeouts=timeouts) as session,
    ):
        server.on("rcpt", Slow(line="250 2.1.5 " + "o" * 30, seconds=0.05))
        began = time.monotonic()
        with pytest.raises(SessionLost) as caught:
            send(session, envelope)
        assert time.monotonic() - began < 60
        _expect_timeout(caught.value, Stage.RECIPIENT)


LINE = b"x" * 62 + b"\r\n"


def largest_send_buffer() -> int:
    """Bytes that the kernel takes from a client at most while the server reads none of them."""
    return int(Path("/proc/sys/net/ipv4/tcp_wmem").read_text().split()[2])


@contextmanager
def body_reader(
    policy: NetworkPolicy, *, bytes_per_second: float, timeouts: Timeouts
) -> Iterator[SMTPSession]:
    """A session to a server that reads bodies steadily, and has little room for what it did not read yet."""
    with ChaosServer(small_buffers=True, size=None) as server:
        server.bytes_per_second = bytes_per_second
        with session_to(server, policy, timeouts=timeouts) as session:
            yield session


def test_a_body_that_trickles_ends_with_the_transaction_and_one_that_flows_does_not(
    policy: NetworkPolicy,
) -> None:
    """Two sizes: one that no buffers between client and server hold, one that is read in a few seconds."""
    trickling, flowing = LINE * (4 * largest_send_buffer() // len(LINE)), LINE * (4_000_000 // len(LINE))
    envelope = Envelope("me@example.com", ("you@example.com",), len(trickling))
    timeouts = Timeouts(transaction=3.0, bytes_per_second=1e9)
    with body_reader(policy, bytes_per_second=100_000, timeouts=timeouts) as session:
        with pytest.raises(SessionLost) as caught:
            send(session, envelope, trickling)
        _expect_timeout(caught.value, Stage.BODY)
    envelope = Envelope("me@example.com", ("you@example.com",), len(flowing))
    timeouts = Timeouts(transaction=1.0, bytes_per_second=1_000.0)
    with body_reader(policy, bytes_per_second=1_500_000, timeouts=timeouts) as session:
        assert isinstance(send(session, envelope, flowing), Reply)
