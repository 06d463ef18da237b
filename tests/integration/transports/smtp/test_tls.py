"""TLS that is not right is no TLS: the login is never shown (F24)."""

import socket
import threading
from dataclasses import replace

import pytest

from mailconfig.exceptions import ConnectionFailed, LoginRefused, ProtocolError, TLSFailed
from mailconfig.values import ErrorCode, NetworkPolicy, Security, Stage, Timeouts
from tests.integration.transports.sessions import MESSAGE, PASSWORD, USER, open_session, send, settings_for
from tests.servers.certificates import Certificates
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Close, Hang, Raw, Reply, Reset

ENCRYPTED = pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS, Security.OPPORTUNISTIC])


def _server(certificates: Certificates, security: Security, kind: str = "good") -> ChaosServer:
    return ChaosServer(
        tls=getattr(certificates, kind),
        starttls=security is not Security.TLS,
        credentials={USER: PASSWORD},
        auth_in_clear=True,
    )


@ENCRYPTED
def test_a_mail_goes_over_tls(security: Security, certificates: Certificates, policy: NetworkPolicy) -> None:
    with _server(certificates, security) as server:
        session = open_session(settings_for(server.port, security=security, login=True), policy=policy)
        send(session)
        session.quit()
    assert [message.data for message in server.messages] == [MESSAGE]
    assert server.auth_attempts == [("PLAIN", USER, PASSWORD)]


@ENCRYPTED
def test_a_certificate_is_for_the_name_without_its_final_dot(
    security: Security, certificates: Certificates, policy: NetworkPolicy
) -> None:
    lookups: list[str] = []

    def resolver(host: str, _port: int) -> list[str]:
        lookups.append(host)
        return ["127.0.0.1"]

    listed = replace(policy, allowed_networks=(), allowed_hosts=frozenset({"mail.test"}))
    with _server(certificates, security) as server:
        settings = settings_for(server.port, security=security, host="mail.test.", login=True)
        session = open_session(settings, policy=listed, resolver=resolver)
        send(session)
        session.quit()
    assert lookups == ["mail.test."]
    assert [message.data for message in server.messages] == [MESSAGE]


@ENCRYPTED
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("expired", "expired"),
        ("wrong_name", "another name"),
        ("unknown_authority", "authority"),
        ("outdated", "safe"),
    ],
)
def test_a_server_that_cannot_be_verified_sees_no_login(
    kind: str, words: str, security: Security, certificates: Certificates, policy: NetworkPolicy
) -> None:
    with _server(certificates, security, kind) as server:
        with pytest.raises(TLSFailed) as caught:
            open_session(settings_for(server.port, security=security, login=True), policy=policy)
        assert words in str(caught.value)
        assert (caught.value.stage, caught.value.code) == (Stage.TLS, ErrorCode.TLS_FAILED)
        assert not caught.value.temporary
        server.stop()
        assert server.auth_attempts == []
        assert "AUTH" not in server.verbs()


def test_a_good_certificate_is_refused_where_its_authority_is_not_known(
    certificates: Certificates, policy: NetworkPolicy
) -> None:
    with _server(certificates, Security.TLS) as server, pytest.raises(TLSFailed, match="authority"):
        open_session(settings_for(server.port, security=Security.TLS), policy=replace(policy, ca_file=None))


def test_a_file_of_authorities_that_is_not_there_is_an_error_of_its_own(policy: NetworkPolicy) -> None:
    with ChaosServer() as server, pytest.raises(TLSFailed, match="file"):
        open_session(
            settings_for(server.port, security=Security.TLS), policy=replace(policy, ca_file="/nowhere.pem")
        )


def test_required_starttls_that_is_not_offered_ends_it(policy: NetworkPolicy) -> None:
    with ChaosServer(credentials={USER: PASSWORD}, auth_in_clear=True) as server:
        with pytest.raises(TLSFailed) as caught:
            open_session(
                settings_for(server.port, security=Security.STARTTLS, login=True),
                policy=replace(policy, allow_plain_login=True),
            )
        assert not caught.value.temporary
        assert caught.value.field == "security"
        server.stop()
        assert server.verbs() == ["EHLO"]


def test_opportunistic_starttls_that_was_stripped_shows_no_password(policy: NetworkPolicy) -> None:
    with ChaosServer(credentials={USER: PASSWORD}, auth_in_clear=True) as server:
        with pytest.raises(LoginRefused) as caught:
            open_session(
                settings_for(server.port, security=Security.OPPORTUNISTIC, login=True), policy=policy
            )
        assert caught.value.field == "security"
        server.stop()
        assert "AUTH" not in server.verbs()


def test_words_put_between_starttls_and_the_encryption_end_it(
    certificates: Certificates, policy: NetworkPolicy
) -> None:
    with _server(certificates, Security.STARTTLS) as server:
        server.on("starttls", Raw(b"220 go ahead\r\n250-chaos.test\r\n250 AUTH PLAIN\r\n"))
        with pytest.raises(ProtocolError) as caught:
            open_session(settings_for(server.port, security=Security.STARTTLS, login=True), policy=policy)
        assert caught.value.stage is Stage.TLS
        assert not caught.value.temporary
        server.stop()
        assert "AUTH" not in server.verbs()


def test_what_was_offered_before_the_encryption_is_forgotten(
    certificates: Certificates, policy: NetworkPolicy
) -> None:
    with _server(certificates, Security.STARTTLS) as server:
        server.on("ehlo", Reply.of("250-evil", "250-STARTTLS", "250-SIZE 1", "250 AUTH LOGIN"), at=1)
        session = open_session(
            settings_for(server.port, security=Security.STARTTLS, login=True), policy=policy
        )
        assert session.capabilities.size_limit == 10 * 1024 * 1024
        session.quit()
    assert server.auth_attempts == [("PLAIN", USER, PASSWORD)]


@pytest.mark.parametrize(
    ("answer", "temporary"), [("454 4.7.0 not now", True), ("502 5.5.1 what", False), ("421 4.3.2 bye", True)]
)
def test_refused_starttls_is_never_gone_around(
    answer: str, temporary: bool, certificates: Certificates, policy: NetworkPolicy
) -> None:
    with _server(certificates, Security.OPPORTUNISTIC) as server:
        server.on("starttls", Reply.of(answer))
        with pytest.raises(TLSFailed) as caught:
            open_session(
                settings_for(server.port, security=Security.OPPORTUNISTIC, login=True), policy=policy
            )
        assert caught.value.temporary is temporary
        assert caught.value.reply is not None
        assert caught.value.reply.code == int(answer[:3])


def test_tls_on_a_starttls_port_says_so(policy: NetworkPolicy) -> None:
    with ChaosServer() as server, pytest.raises(TLSFailed) as caught:
        open_session(settings_for(server.port, security=Security.TLS, login=True), policy=policy)
    assert "STARTTLS" in caught.value.hint
    assert not caught.value.temporary


@ENCRYPTED
@pytest.mark.parametrize("action", [Hang(), Reset(), Close()], ids=["hang", "reset", "close"])
def test_a_handshake_that_breaks_off_may_be_tried_again(
    action: Hang | Reset | Close, security: Security, certificates: Certificates, policy: NetworkPolicy
) -> None:
    with _server(certificates, security) as server:
        server.on("handshake", action)
        with pytest.raises(TLSFailed) as caught:
            open_session(
                settings_for(server.port, security=security, login=True),
                policy=policy,
                timeouts=Timeouts(banner=1.0) if isinstance(action, Hang) else Timeouts(),
            )
        assert caught.value.temporary
        assert caught.value.stage is Stage.TLS


@pytest.mark.parametrize("action", [Hang(), Reset(), Close()], ids=["hang", "reset", "close"])
def test_a_server_that_leaves_at_starttls_is_no_session(
    action: Hang | Reset | Close, certificates: Certificates, policy: NetworkPolicy
) -> None:
    with _server(certificates, Security.STARTTLS) as server:
        server.on("starttls", action)
        with pytest.raises(ConnectionFailed) as caught:
            open_session(
                settings_for(server.port, security=Security.STARTTLS, login=True),
                policy=policy,
                timeouts=Timeouts(command=1.0) if isinstance(action, Hang) else Timeouts(),
            )
        assert caught.value.stage is Stage.TLS
        assert caught.value.temporary
        server.stop()
        assert "AUTH" not in server.verbs()


def test_a_handshake_dribbled_byte_by_byte_ends_in_time(policy: NetworkPolicy) -> None:
    """A time-out for each read would never end it."""
    stop = threading.Event()

    def dribble(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"\x16\x03\x03\x40\x00")
            while not stop.wait(0.05):
                try:
                    connection.sendall(b"\x02")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=dribble, args=(listener,))
        thread.start()
        with pytest.raises(TLSFailed) as caught:
            open_session(
                settings_for(listener.getsockname()[1], security=Security.TLS),
                policy=policy,
                timeouts=Timeouts(total=0.7),
            )
        stop.set()
        thread.join()
    assert caught.value.temporary
