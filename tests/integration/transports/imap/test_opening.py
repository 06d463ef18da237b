"""Opening a session: stages, encryption, logins, and what each refusal means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mailconfig.exceptions import (
    ConnectionFailed,
    FolderRefused,
    HostNotAllowed,
    LoginRefused,
    PortClosed,
    ProtocolError,
    TLSFailed,
    TransportError,
)
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.imap import check_folder, open_imap
from mailconfig.values import (
    Authentication,
    ConnectionSettings,
    ErrorCode,
    NetworkPolicy,
    Secret,
    Security,
    Stage,
)
from tests.servers.certificates import Certificates
from tests.servers.faults import Raw, Reply
from tests.servers.imap import FakeIMAP

from .sessions import PASSWORD, SHORT, USER, session_to, settings_for

ENCRYPTED = pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS, Security.OPPORTUNISTIC])
LOGIN = {USER: PASSWORD}


def encrypted_server(
    certificates: Certificates, security: Security, kind: str = "good", **more: Any
) -> FakeIMAP:
    return FakeIMAP(
        tls=getattr(certificates, kind), starttls=security is not Security.TLS, credentials=LOGIN, **more
    )


def refusal(
    settings: ConnectionSettings, policy: NetworkPolicy, kind: type[TransportError] = TransportError
) -> Any:
    with pytest.raises(kind) as caught:
        open_imap(settings, Surroundings(policy=policy, timeouts=SHORT))
    return caught.value


@pytest.mark.parametrize("security", list(Security))
def test_the_stages_are_told_in_order(
    security: Security, certificates: Certificates, in_clear: NetworkPolicy
) -> None:
    told: list[tuple[Stage, float, str]] = []

    def on_stage(*stage: Any) -> None:
        told.append(stage)

    kind = "good" if security is not Security.NONE else ""
    server = encrypted_server(certificates, security) if kind else FakeIMAP(credentials=LOGIN)
    with server:
        server.add_messages(3)
        state = check_folder(
            settings_for(server.port, security=security),
            Surroundings(policy=in_clear, on_stage=on_stage),
            folder="INBOX",
        )

    assert (state.exists, state.uid_validity, state.uid_next, state.read_only) == (3, 4711, 4, True)
    expected = [Stage.RESOLVE, Stage.CONNECT, Stage.TLS, Stage.BANNER, Stage.LOGIN, Stage.FOLDER]
    if security is Security.NONE:
        expected.remove(Stage.TLS)
    assert [stage for stage, _, _ in told] == expected
    assert all(0 <= seconds < 60 and detail for _, seconds, detail in told)
    assert server.verbs()[-2:] == ["EXAMINE", "LOGOUT"]


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
    with encrypted_server(certificates, security, kind) as server:
        error = refusal(settings_for(server.port, security=security), policy, TLSFailed)

    assert words in str(error)
    assert (error.stage, error.code, error.temporary) == (Stage.TLS, ErrorCode.TLS_FAILED, False)
    assert server.logins == []


@pytest.mark.parametrize(
    ("security", "kind", "field"),
    [
        (Security.STARTTLS, TLSFailed, "security"),
        (Security.OPPORTUNISTIC, LoginRefused, "security"),
        (Security.NONE, LoginRefused, "security"),
        (Security.TLS, TLSFailed, "security"),
    ],
)
def test_nobody_logs_in_where_there_is_no_encryption(
    security: Security, kind: type[TransportError], field: str, server: FakeIMAP, policy: NetworkPolicy
) -> None:
    error = refusal(settings_for(server.port, security=security), policy, kind)
    server.stop()

    assert (error.field, error.temporary) == (field, False)
    assert server.logins == []
    assert not {"AUTHENTICATE", "LOGIN"} & set(server.verbs())
    if security is Security.TLS:
        assert "993" in error.hint


def test_required_encryption_is_required_where_plain_logins_are_allowed(
    server: FakeIMAP, in_clear: NetworkPolicy
) -> None:
    refusal(settings_for(server.port, security=Security.STARTTLS), in_clear, TLSFailed)
    server.stop()

    assert server.logins == []


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.OPPORTUNISTIC])
def test_words_between_starttls_and_the_encryption_end_it(
    security: Security, certificates: Certificates, policy: NetworkPolicy
) -> None:
    with encrypted_server(certificates, security) as server:
        server.on("starttls", Raw(b"TAG OK begin\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"))
        error = refusal(settings_for(server.port, security=security), policy, ProtocolError)

    assert error.stage is Stage.TLS
    assert "tampered" in str(error)
    assert server.logins == []


def test_who_is_logged_in_already_cannot_be_encrypted(
    certificates: Certificates, in_clear: NetworkPolicy
) -> None:
    with encrypted_server(certificates, Security.STARTTLS, preauth=True) as server:
        error = refusal(settings_for(server.port, security=Security.STARTTLS), in_clear, TLSFailed)
    assert error.reply.status == "PREAUTH"


def test_preauth_over_tls_is_a_login(certificates: Certificates, policy: NetworkPolicy) -> None:
    with encrypted_server(certificates, Security.TLS, preauth=True) as server:
        session = open_imap(
            settings_for(server.port, security=Security.TLS), Surroundings(policy=policy, timeouts=SHORT)
        )
        assert session.examine("INBOX").exists == 0
        session.quit()
    assert server.logins == []


def test_preauth_in_the_clear_is_none_unless_allowed(policy: NetworkPolicy, in_clear: NetworkPolicy) -> None:
    nobody: dict[str, Any] = {"authentication": Authentication.NONE, "username": "", "secret": None}
    with FakeIMAP(preauth=True) as server:
        assert refusal(settings_for(server.port, security=Security.OPPORTUNISTIC), policy).field == "security"
        for settings in (settings_for(server.port), settings_for(server.port, **nobody)):
            open_imap(settings, Surroundings(policy=in_clear, timeouts=SHORT)).quit()
    with FakeIMAP() as server:
        assert refusal(settings_for(server.port, **nobody), in_clear, LoginRefused).field == "username"


def test_a_login_that_is_disabled_in_the_clear_wants_encryption(in_clear: NetworkPolicy) -> None:
    with FakeIMAP(credentials=LOGIN, login_disabled=True) as server:
        error = refusal(settings_for(server.port), in_clear, LoginRefused)
    assert error.field == "security"
    assert "encryption" in error.hint
    assert server.logins == []


def test_starttls_lifts_a_disabled_login(certificates: Certificates, policy: NetworkPolicy) -> None:
    with encrypted_server(certificates, Security.STARTTLS, login_disabled=True) as server:
        settings = settings_for(server.port, security=Security.STARTTLS)
        open_imap(settings, Surroundings(policy=policy, timeouts=SHORT)).quit()
    assert server.logins == [("PLAIN", USER, PASSWORD)]
    assert server.verbs()[:3] == ["CAPABILITY", "STARTTLS", "CAPABILITY"], (
        "what was said in the clear is forgotten"
    )


@pytest.mark.parametrize("username", [USER, "mé@example.com", 'q"\\u'])
@pytest.mark.parametrize("password", ["plain", "pässwörd 密码", 'quo"te\\s', "x" * 1500])
@pytest.mark.parametrize(
    ("capabilities", "mechanisms", "way"),
    [
        (("SASL-IR",), ("PLAIN",), "PLAIN"),
        ((), ("PLAIN",), "PLAIN"),
        ((), (), "LOGIN"),
        (("LITERAL+",), (), "LOGIN"),
    ],
)
def test_any_user_and_password_can_log_in(
    username: str,
    password: str,
    capabilities: tuple[str, ...],
    mechanisms: tuple[str, ...],
    way: str,
    in_clear: NetworkPolicy,
) -> None:
    server = FakeIMAP(credentials={username: password}, capabilities=capabilities, mechanisms=mechanisms)
    with server:
        settings = settings_for(server.port, username=username, secret=Secret(password))
        open_imap(settings, Surroundings(policy=in_clear, timeouts=SHORT)).quit()
    assert server.logins == [(way, username, password)]


@pytest.mark.parametrize("capabilities", [("SASL-IR",), ()])
@pytest.mark.parametrize(
    ("mechanisms", "way", "after"),
    [(("PLAIN", "OAUTHBEARER", "XOAUTH2"), "XOAUTH2", ""), (("OAUTHBEARER",), "OAUTHBEARER", "AQ==")],
)
def test_a_token_logs_in(
    capabilities: tuple[str, ...],
    mechanisms: tuple[str, ...],
    way: str,
    after: str,
    in_clear: NetworkPolicy,
) -> None:
    server = FakeIMAP(credentials={USER: "a-token"}, capabilities=capabilities, mechanisms=mechanisms)
    with server:
        right = settings_for(server.port, authentication=Authentication.OAUTH2, secret=Secret("a-token"))
        open_imap(right, Surroundings(policy=in_clear, timeouts=SHORT)).quit()
        error = refusal(replace(right, secret=Secret("another-token")), in_clear, LoginRefused)
    assert server.logins == [(way, USER, "a-token"), (way, USER, "another-token")]
    assert server.commands[-1] == after
    assert "token" in error.hint
    assert error.reply.response_code == "AUTHENTICATIONFAILED"
    assert error.detail == "status: 400, seen: ***"


@pytest.mark.parametrize("mechanisms", [("PLAIN",), ()])
def test_a_wrong_password_is_tried_once_and_not_told(
    mechanisms: tuple[str, ...], in_clear: NetworkPolicy
) -> None:
    with FakeIMAP(credentials=LOGIN, mechanisms=mechanisms) as server:
        error = refusal(settings_for(server.port, secret=Secret("wrong-password")), in_clear, LoginRefused)

    assert len(server.logins) == 1
    assert (error.stage, error.code, error.field) == (Stage.LOGIN, ErrorCode.AUTH_FAILED, "secret")
    assert (error.temporary, error.tries) == (False, 1)
    assert error.reply.response_code == "AUTHENTICATIONFAILED"
    assert "wrong-password" not in f"{error} {error.reply} {error.detail}"
    assert error.hint


@pytest.mark.parametrize(
    ("answer", "temporary", "words"),
    [
        ("NO [UNAVAILABLE] backend is down", True, "too many logins"),
        ("NO [ALERT] Too many simultaneous connections. (Failure)", True, "too many logins"),
        ("NO [PRIVACYREQUIRED] not like this", False, "encryption"),
        ("NO LOGIN failed.", False, "password"),
    ],
)
def test_a_refused_login_says_whether_waiting_helps(
    answer: str, words: str, server: FakeIMAP, in_clear: NetworkPolicy, *, temporary: bool
) -> None:
    server.on("authenticate", Reply.of(answer))
    error = refusal(settings_for(server.port), in_clear, LoginRefused)

    assert error.temporary is temporary
    assert words in error.hint
    assert answer in error.reply.words


def test_a_mechanism_that_is_not_known_after_all_leads_to_login(
    server: FakeIMAP, in_clear: NetworkPolicy
) -> None:
    server.on("authenticate", Reply.of("BAD what?"))
    with session_to(server.port, in_clear):
        assert [way for way, _, _ in server.logins] == ["LOGIN"]


def test_a_server_without_a_way_to_log_in(in_clear: NetworkPolicy) -> None:
    with FakeIMAP(credentials=LOGIN, mechanisms=("GSSAPI",)) as server:
        settings = settings_for(server.port, authentication=Authentication.OAUTH2)
        error = refusal(settings, in_clear, LoginRefused)
    assert (error.field, error.detail) == ("authentication", "offered: GSSAPI")


def test_a_greeting_that_is_a_goodbye(server: FakeIMAP, in_clear: NetworkPolicy) -> None:
    server.on("banner", Raw(b"* BYE [ALERT] too busy\r\n"))
    error = refusal(settings_for(server.port), in_clear, ConnectionFailed)

    assert (error.stage, error.code, error.temporary) == (Stage.BANNER, ErrorCode.CONNECT_FAILED, True)
    assert error.reply.text == "BYE [ALERT] too busy"
    assert "busy" not in str(error)


def test_a_goodbye_before_a_verdict_leaves_the_verdict(server: FakeIMAP, in_clear: NetworkPolicy) -> None:
    server.on("authenticate", Raw(b"* BYE so long\r\nTAG NO [AUTHENTICATIONFAILED] no\r\n"))
    error = refusal(settings_for(server.port), in_clear, LoginRefused)

    assert not error.temporary


def test_a_goodbye_instead_of_a_verdict(server: FakeIMAP, in_clear: NetworkPolicy) -> None:
    server.on("authenticate", Reply.of("* BYE", close=True), at=5)
    server.on("authenticate", Raw(b"* BYE enough\r\n"))
    error = refusal(settings_for(server.port), in_clear, ConnectionFailed)

    assert (error.stage, error.reply.text) == (Stage.LOGIN, "BYE enough")


def test_what_cannot_be_sent_is_refused_before_anything_is_connected(
    server: FakeIMAP, in_clear: NetworkPolicy
) -> None:
    for other in ({"username": ""}, {"secret": None}, {"secret": Secret("a\r\nb")}, {"username": "a\0"}):
        assert refusal(settings_for(server.port, **other), in_clear, LoginRefused).stage is Stage.LOGIN
    assert refusal(settings_for(server.port, host="169.254.169.254"), in_clear, HostNotAllowed)
    assert server.commands == []


def test_a_port_where_nobody_listens(in_clear: NetworkPolicy) -> None:
    with FakeIMAP() as server:
        port = server.port
    error = refusal(settings_for(port), in_clear, PortClosed)
    assert (error.stage, error.code) == (Stage.CONNECT, ErrorCode.CONNECT_FAILED)


def test_a_server_of_something_else(server: FakeIMAP, in_clear: NetworkPolicy) -> None:
    server.on("capability", Raw(b"* CAPABILITY POP9\r\nTAG OK done\r\n"))
    error = refusal(settings_for(server.port), in_clear, ProtocolError)

    assert (error.stage, error.temporary) == (Stage.BANNER, False)


def test_extensions_that_the_server_will_not_enable_are_done_without(
    server: FakeIMAP, in_clear: NetworkPolicy
) -> None:
    server.on("enable", Reply.of("BAD no"))
    with session_to(server.port, in_clear) as session:
        assert not session.tells_changes
        assert session.examine("INBOX").changed is None


@pytest.mark.parametrize(
    ("answer", "temporary"),
    [("NO [NONEXISTENT] gone", False), ("NO Mailbox doesn't exist", False), ("NO [INUSE] locked", True)],
)
def test_a_folder_that_does_not_open(
    answer: str, server: FakeIMAP, in_clear: NetworkPolicy, *, temporary: bool
) -> None:
    server.on("examine", Reply.of(answer))
    with pytest.raises(FolderRefused) as caught:
        check_folder(
            settings_for(server.port), Surroundings(policy=in_clear, timeouts=SHORT), folder="Outreach"
        )
    error = caught.value

    assert (error.stage, error.code, error.field) == (Stage.FOLDER, ErrorCode.FOLDER_REFUSED, "folder")
    assert error.temporary is temporary
    assert bool(error.hint) is not temporary
    assert error.reply is not None
    assert error.reply.words == answer
