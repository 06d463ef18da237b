"""While a reply is awaited the caller can renew its lease, or give up."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from mailconfig.exceptions import LeaseLost, SessionLost
from mailconfig.transports.smtp.replies import Reply
from mailconfig.values import NetworkPolicy, Timeouts
from tests.integration.transports.sessions import ENVELOPE, MESSAGE, send, session_to
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Hang, Slow


def _counter(calls: list[int]) -> Callable[[], None]:
    return lambda: calls.append(1)


@pytest.mark.parametrize("fault", [Hang(), Slow(line="250 " + "x" * 500, seconds=0.02)], ids=["hang", "slow"])
def test_the_caller_is_called_in_slices_while_the_reply_to_the_dot_is_awaited(
    fault: Hang | Slow, policy: NetworkPolicy
) -> None:
    calls: list[int] = []
    with (
        ChaosServer() as server,
        session_to(
            server, policy, timeouts=Timeouts(dot=1.0), on_wait=_counter(calls), wait_slice=0.1
        ) as session,
    ):
        server.on("dot", fault)
        with pytest.raises(SessionLost):
            send(session)
    assert 4 <= len(calls) <= 11


def test_a_quick_conversation_calls_nobody(policy: NetworkPolicy) -> None:
    calls: list[int] = []
    with ChaosServer() as server, session_to(server, policy, on_wait=_counter(calls)) as session:
        send(session)
    assert calls == []


@pytest.mark.parametrize("verb", ["mail", "dot"])
def test_a_caller_that_lost_its_lease_ends_the_wait_and_the_session(verb: str, policy: NetworkPolicy) -> None:
    def lost() -> None:
        raise LeaseLost("another worker owns the lane")

    with (
        ChaosServer() as server,
        session_to(server, policy, on_wait=lost, wait_slice=0.1) as session,
    ):
        server.on(verb, Hang())
        with pytest.raises(LeaseLost):
            send(session)
        assert session.closed
        assert server.wait_for(lambda: server.sessions_open == 0)


def test_the_caller_is_called_while_a_large_body_is_not_read(policy: NetworkPolicy) -> None:
    calls: list[int] = []
    with (
        ChaosServer() as server,
        session_to(
            server, policy, timeouts=Timeouts(block=1.0), on_wait=_counter(calls), wait_slice=0.1
        ) as session,
    ):
        server.on("body", Hang())
        session.propose(replace(ENVELOPE))
        session.envelope_outcome()
        with pytest.raises(SessionLost):
            session.hand_over([MESSAGE * 1_000_000])
    assert len(calls) >= 4


def test_the_caller_is_called_by_the_clock_while_a_body_goes_out_steadily(policy: NetworkPolicy) -> None:
    """Each block is taken at once, so that no single one is ever waited for."""
    calls: list[int] = []

    def body() -> Iterator[bytes]:
        while len(calls) < 3:
            yield b"x" * 62 + b"\r\n"

    with (
        ChaosServer() as server,
        session_to(server, policy, on_wait=_counter(calls), wait_slice=0.05) as session,
    ):
        session.propose(ENVELOPE)
        session.envelope_outcome()
        session.hand_over(body())
        assert session.outcome().code == 250
    assert len(calls) >= 3


def test_a_reply_that_came_while_we_stood_still_is_read_although_its_time_is_over(
    policy: NetworkPolicy,
) -> None:
    """As after SIGSTOP, or on a machine with too much to do: it is the server's time that is bounded."""
    stood: list[int] = []

    with ChaosServer(latency=0.3) as server:

        def stand_still() -> None:
            if server.messages and not stood:
                stood.append(1)
                time.sleep(1.5)

        timeouts = Timeouts(dot=1.0)
        with session_to(server, policy, timeouts=timeouts, on_wait=stand_still, wait_slice=0.1) as session:
            reply = send(session)
    assert stood
    assert isinstance(reply, Reply)
    assert reply.code == 250
