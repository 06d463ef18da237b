"""Opening a session: what each answer of a server means, and that nobody can keep us."""

import socket
import struct
import threading
from dataclasses import replace
from typing import Any

import pytest

from mailconfig.exceptions import ConnectionFailed, ProtocolError, TransportError
from mailconfig.transports.network.deadline import Deadline
from mailconfig.transports.opening import peer
from mailconfig.transports.smtp.wire import Wire
from mailconfig.values import ErrorCode, NetworkPolicy, Security, Stage, Timeouts
from tests.integration.transports.sessions import PASSWORD, USER, open_session, send, settings_for
from tests.servers.certificates import Certificates
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Action, Close, Endless, Hang, LongLine, Raw, Reply, Reset, Slow

SHORT = Timeouts(banner=1.0)
STAGES = {"banner": Stage.BANNER, "ehlo": Stage.EHLO, "auth": Stage.LOGIN}


def _fail(
    server: ChaosServer, policy: NetworkPolicy, timeouts: Timeouts = SHORT, **options: Any
) -> TransportError:
    policy = replace(policy, allow_plain_login=True)
    with pytest.raises(TransportError) as caught:
        open_session(settings_for(server.port, login=True), policy=policy, timeouts=timeouts, **options)
    return caught.value


def _server() -> ChaosServer:
    return ChaosServer(credentials={USER: PASSWORD}, auth_in_clear=True)


def test_the_stages_are_told_in_order_with_their_times(
    certificates: Certificates, policy: NetworkPolicy
) -> None:
    for security in Security:
        told: list[tuple[Stage, float, str]] = []

        def on_stage(*stage: Any, told: list[Any] = told) -> None:
            told.append(stage)

        server = ChaosServer(
            tls=certificates.good if security is not Security.NONE else None,
            starttls=security is not Security.TLS,
            credentials={USER: PASSWORD},
            auth_in_clear=True,
        )
        with server:
            session = open_session(
                settings_for(server.port, security=security, login=True),
                policy=replace(policy, allow_plain_login=True),
                on_stage=on_stage,
            )
            session.quit()
        expected = [Stage.RESOLVE, Stage.CONNECT, Stage.TLS, Stage.EHLO, Stage.LOGIN]
        if security is Security.NONE:
            expected.remove(Stage.TLS)
        assert [stage for stage, _, _ in told] == expected
        assert all(0 <= seconds < 60 and detail for _, seconds, detail in told)
        assert not any(PASSWORD in detail for _, _, detail in told)


@pytest.mark.parametrize("verb", STAGES)
@pytest.mark.parametrize(
    ("answer", "temporary"),
    [("421 4.3.2 busy", True), ("450 4.3.2 later", True), ("554 5.7.1 go away", False)],
)
def test_a_refusal_while_opening_says_whether_waiting_helps(
    verb: str, answer: str, temporary: bool, policy: NetworkPolicy
) -> None:
    with _server() as server:
        server.on(verb, Reply.of(answer))
        server.on("helo", Reply.of(answer))
        error = _fail(server, policy)
    assert error.stage is STAGES[verb]
    assert error.temporary is temporary
    assert error.reply is not None
    assert error.reply.code == int(answer[:3])
    assert error.reply.text not in str(error)


@pytest.mark.parametrize("verb", STAGES)
@pytest.mark.parametrize(
    "action", [Hang(), Slow(line="220 " + "x" * 500, seconds=0.05)], ids=["hang", "slow"]
)
def test_silence_and_dribble_end_with_the_time_of_the_phase(
    verb: str, action: Action, policy: NetworkPolicy
) -> None:
    with _server() as server:
        server.on(verb, action)
        error = _fail(server, policy, SHORT if verb == "banner" else Timeouts(command=1.0))
    assert isinstance(error, ConnectionFailed)
    assert (error.stage, error.code) == (STAGES[verb], ErrorCode.TIMEOUT)
    assert error.temporary


@pytest.mark.parametrize("verb", STAGES)
@pytest.mark.parametrize("action", [Reset(), Close()], ids=["reset", "close"])
def test_a_connection_that_ends_while_opening_is_no_session(
    verb: str, action: Action, policy: NetworkPolicy
) -> None:
    waiting = threading.Event()  # a reset right after accept would still meet the connect
    with _server() as server:
        server.on(verb, action, when=lambda _: waiting.wait(10))
        error = _fail(server, policy, Timeouts(), on_wait=waiting.set, wait_slice=0.01)
    assert isinstance(error, ConnectionFailed)
    assert (error.stage, error.code) == (STAGES[verb], ErrorCode.CONNECT_FAILED)
    assert error.temporary


@pytest.mark.parametrize("verb", STAGES)
@pytest.mark.parametrize(
    "action",
    [
        Raw(b"-1 oops\r\n"),
        Raw(b"HTTP/1.1 400 Bad Request\r\n"),
        Reply.of("150 soon"),
        Reply.of("354 go ahead"),
        Reply.of("250-one", "251 two"),
        Endless(),
        LongLine(size=1024 * 1024),
    ],
    ids=["-1", "http", "1xx", "3xx", "mismatch", "endless", "long"],
)
def test_what_is_no_answer_breaks_the_protocol(verb: str, action: Action, policy: NetworkPolicy) -> None:
    with _server() as server:
        server.on(verb, action)
        error = _fail(server, policy, Timeouts())
    assert isinstance(error, ProtocolError)
    assert (error.stage, error.code) == (STAGES[verb], ErrorCode.PROTOCOL_ERROR)


def test_an_old_server_is_greeted_with_helo(policy: NetworkPolicy) -> None:
    with ChaosServer() as server:
        server.on("ehlo", Reply.of("500 5.5.1 what?"))
        session = open_session(settings_for(server.port), policy=policy)
        send(session)
        session.quit()
        assert not session.capabilities.pipelining
    assert len(server.messages) == 1


def test_a_silent_server_on_another_port_than_that_of_tls_is_no_mail_server(
    certificates: Certificates, policy: NetworkPolicy
) -> None:
    with ChaosServer(tls=certificates.good) as server:
        error = _fail(server, policy)
    assert str(error) == "Nothing answers as a mail server here."
    assert "TLS" not in error.hint
    assert error.field == "port"


def test_one_deadline_holds_over_everything(policy: NetworkPolicy) -> None:
    with _server() as server:
        server.on("banner", Slow(line="220 hello", seconds=0.1))
        server.on("ehlo", Slow(line="250 " + "x" * 200, seconds=0.1))
        error = _fail(server, policy, Timeouts(total=1.6))
    assert error.code is ErrorCode.TIMEOUT
    assert error.stage is Stage.EHLO


def test_the_greeting_is_a_name_or_an_address(policy: NetworkPolicy) -> None:
    with ChaosServer() as server:
        for name in ("mta.example.com", "", "bad name\r\nMAIL FROM:<x>"):
            open_session(settings_for(server.port, ehlo_name=name), policy=policy).quit()
        first, *others = [line for _, line in server.commands if line.startswith("EHLO")]
    assert first == "EHLO mta.example.com"
    assert all(line.removeprefix("EHLO ").strip("[]") and " " not in line[5:] for line in others)
    assert server.verbs() == ["EHLO", "QUIT"] * 3


def test_a_connection_that_was_reset_before_the_handshake_is_a_failure_of_the_server() -> None:
    """Not an error of ours: the system no longer knows whom such a socket was connected to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        with client:
            accepted, _address = listener.accept()
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            accepted.close()
            with pytest.raises(ConnectionResetError):
                client.recv(1)
            with pytest.raises(OSError, match="not connected"):
                client.getpeername()
            assert peer(Wire(client, deadline=Deadline(), max_reply_bytes=1)) == ""
