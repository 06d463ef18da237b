"""Logging in."""

from base64 import b64encode
from dataclasses import replace
from traceback import TracebackException
from typing import Any

import pytest

from mailconfig.exceptions import LoginRefused, ProtocolError, SecretUnreadable, TransportError
from mailconfig.transports.smtp import sasl
from mailconfig.values import Authentication, ErrorCode, NetworkPolicy, Secret, Security, Stage, Timeouts
from tests.integration.transports.sessions import PASSWORD, USER, open_session, settings_for
from tests.servers.chaos import ChaosServer
from tests.servers.faults import Action, Hang, Raw, Reply, Reset

UMLAUTS = "not-a-real-pässwörd-🔑"


@pytest.fixture(autouse=True)
def forget_mechanisms(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of an earlier test may have had the same port, and its mechanism would be tried first, or alone."""
    monkeypatch.setattr(sasl, "_memory", sasl._Memory())


@pytest.fixture
def clear(policy: NetworkPolicy) -> NetworkPolicy:
    """Logins may cross an unencrypted connection: what is tried here is the login."""
    return replace(policy, allow_plain_login=True)


def _refused(server: ChaosServer, policy: NetworkPolicy, **settings: Any) -> LoginRefused:
    with pytest.raises(LoginRefused) as caught:
        open_session(settings_for(server.port, login=True, **settings), policy=policy)
    assert (caught.value.stage, caught.value.code) == (Stage.LOGIN, ErrorCode.AUTH_FAILED)
    return caught.value


@pytest.mark.parametrize(
    ("mechanisms", "authentication", "chosen"),
    [
        (("LOGIN", "PLAIN", "CRAM-MD5"), Authentication.PASSWORD, "PLAIN"),
        (("LOGIN", "XOAUTH2"), Authentication.PASSWORD, "LOGIN"),
        (("PLAIN", "XOAUTH2"), Authentication.OAUTH2, "XOAUTH2"),
        (("OAUTHBEARER", "PLAIN", "XOAUTH2"), Authentication.OAUTH2, "XOAUTH2"),
        (("OAUTHBEARER", "PLAIN"), Authentication.OAUTH2, "OAUTHBEARER"),
    ],
)
def test_the_best_mechanism_carries_any_text(
    mechanisms: tuple[str, ...], authentication: Authentication, chosen: str, clear: NetworkPolicy
) -> None:
    server = ChaosServer(credentials={"jürgen": UMLAUTS}, mechanisms=mechanisms, auth_in_clear=True)
    with server:
        settings = settings_for(
            server.port, login=True, authentication=authentication, username="jürgen", secret=Secret(UMLAUTS)
        )
        open_session(settings, policy=clear).quit()
    assert server.auth_attempts == [(chosen, "jürgen", UMLAUTS)]


@pytest.mark.parametrize(
    ("authentication", "mechanisms", "tried"),
    [
        (Authentication.OAUTH2, ("PLAIN", "LOGIN", "XOAUTH2"), ["XOAUTH2"]),
        (Authentication.OAUTH2, ("OAUTHBEARER", "XOAUTH2"), ["XOAUTH2"]),
        (Authentication.OAUTH2, ("OAUTHBEARER",), ["OAUTHBEARER"]),
        (Authentication.PASSWORD, ("PLAIN",), ["PLAIN"]),
        (Authentication.PASSWORD, ("PLAIN", "LOGIN"), ["PLAIN", "LOGIN"]),
        (Authentication.PASSWORD, ("PLAIN", "LOGIN", "CRAM-MD5"), ["PLAIN", "LOGIN"]),
        (Authentication.PASSWORD, ("CRAM-MD5",), ["CRAM-MD5"]),
    ],
)
def test_wrong_credentials_are_refused_after_two_tries_at_most(
    authentication: Authentication, mechanisms: tuple[str, ...], tried: list[str], clear: NetworkPolicy
) -> None:
    wrong = ChaosServer(credentials={USER: "another-password"}, mechanisms=mechanisms, auth_in_clear=True)
    with wrong as server:
        error = _refused(server, clear, authentication=authentication)
    assert not error.temporary
    assert error.reply is not None
    assert error.reply.code == 535
    assert error.field == "secret"
    assert [mechanism for mechanism, *_ in server.auth_attempts] == tried
    assert error.tries == len(tried)
    assert server.sessions == 1


@pytest.mark.parametrize(
    "refusal",
    [
        "504 5.5.4 Unrecognized authentication type",
        "535 5.7.8 Error: authentication failed",
        "535 no",
        "534 5.7.10 mechanism too weak",
        "502 5.5.1 not implemented",
        "501 5.5.4 no initial response",
        "500 what",
    ],
)
@pytest.mark.parametrize("second", ["LOGIN", "CRAM-MD5"])
def test_another_mechanism_is_tried_before_a_login_is_refused(
    second: str, refusal: str, clear: NetworkPolicy
) -> None:
    server = ChaosServer(credentials={USER: PASSWORD}, mechanisms=("PLAIN", second), auth_in_clear=True)
    with server:
        server.on("auth", Reply.of(refusal), when=lambda line: "PLAIN" in line)
        settings = settings_for(server.port, login=True)
        open_session(settings, policy=clear).quit()
        assert server.sessions == 1
        open_session(settings, policy=clear).quit()
    assert [mechanism for mechanism, *_ in server.auth_attempts] == ["PLAIN", second, second], (
        "what worked goes first from then on"
    )


def test_the_only_mechanism_may_be_cram_md5(clear: NetworkPolicy) -> None:
    server = ChaosServer(credentials={"jürgen": UMLAUTS}, mechanisms=("CRAM-MD5",), auth_in_clear=True)
    with server:
        settings = settings_for(server.port, login=True, username="jürgen", secret=Secret(UMLAUTS))
        open_session(settings, policy=clear).quit()
        assert server.auth_attempts == [("CRAM-MD5", "jürgen", UMLAUTS)]
        assert UMLAUTS not in str(server.commands)


def test_a_challenge_that_is_none_breaks_the_protocol(clear: NetworkPolicy) -> None:
    server = ChaosServer(credentials={USER: PASSWORD}, mechanisms=("CRAM-MD5",), auth_in_clear=True)
    server.name = "ä" * 400  # more than we keep of a reply
    with server, pytest.raises(ProtocolError):
        open_session(settings_for(server.port, login=True), policy=clear)


@pytest.mark.parametrize(
    "answer", ["454 4.7.0 Too many logins", "421 4.7.0 bye", "535 5.7.139 disabled", "538 no"]
)
def test_no_other_mechanism_is_tried_where_none_would_help(answer: str, clear: NetworkPolicy) -> None:
    with ChaosServer(credentials={USER: PASSWORD}, auth_in_clear=True) as server:
        server.on("auth", Reply.of(answer))
        error = _refused(server, clear)
        assert [mechanism for mechanism, *_ in server.auth_attempts] == ["PLAIN"]
    assert error.reply is not None
    assert error.reply.code == int(answer[:3])


def test_a_server_that_hangs_up_with_its_refusal_has_refused(clear: NetworkPolicy) -> None:
    with ChaosServer(credentials={USER: PASSWORD}, auth_in_clear=True) as server:
        server.on("auth", Reply.of("535 5.7.8 no", close=True))
        error = _refused(server, clear)
    assert error.reply is not None
    assert error.reply.code == 535


def test_a_password_that_worked_and_is_refused_now_is_tried_once(clear: NetworkPolicy) -> None:
    with ChaosServer(credentials={USER: PASSWORD}, auth_in_clear=True) as server:
        open_session(settings_for(server.port, login=True), policy=clear).quit()
        server.credentials = {}
        _refused(server, clear)
        assert [mechanism for mechanism, *_ in server.auth_attempts] == ["PLAIN", "PLAIN"]


@pytest.mark.parametrize(
    "answer",
    ["530 5.7.0 Must issue a STARTTLS command first", "538 5.7.11 Encryption required", "530 TLS required"],
)
def test_a_login_refused_for_want_of_encryption_blames_the_encryption(
    answer: str, clear: NetworkPolicy
) -> None:
    with ChaosServer(credentials={USER: PASSWORD}, auth_in_clear=True) as server:
        server.on("auth", Reply.of(answer))
        error = _refused(server, clear)
    assert (error.field, error.temporary) == ("security", False)
    assert "STARTTLS" in error.hint


@pytest.mark.parametrize(
    ("answer", "temporary", "hint"),
    [
        ("454 4.7.0 Too many login attempts", True, "too many"),
        ("432 4.3.2 Concurrent connections limit exceeded", True, "too many"),
        ("421 4.7.0 Try again later", True, "too many"),
        ("534 5.7.9 Application-specific password required", False, "app password"),
        ("535 5.7.139 SmtpClientAuthentication is disabled for the Tenant", False, "OAuth"),
        ("538 5.7.11 Encryption required", False, "STARTTLS"),
        ("530 5.7.0 Must issue a STARTTLS command first", False, "STARTTLS"),
    ],
)
def test_each_refusal_has_its_class_and_its_hint(
    answer: str, temporary: bool, hint: str, clear: NetworkPolicy
) -> None:
    with ChaosServer(credentials={USER: PASSWORD}, auth_in_clear=True) as server:
        server.on("auth", Reply.of(answer))
        error = _refused(server, clear)
    assert error.temporary is temporary
    assert hint in error.hint


def test_a_server_that_echoes_the_password_does_not_get_it_into_our_texts(clear: NetworkPolicy) -> None:
    with ChaosServer(credentials={}, auth_in_clear=True) as server:
        server.on("auth", Reply.of(f"535 5.7.8 no, {PASSWORD} is wrong, and so is {PASSWORD}"))
        error = _refused(server, clear)
    assert error.reply is not None
    assert error.reply.text == "no, *** is wrong, and so is ***"


def test_no_password_crosses_an_unencrypted_connection(policy: NetworkPolicy) -> None:
    with ChaosServer(credentials={USER: PASSWORD}, auth_in_clear=True) as server:
        for security in (Security.NONE, Security.OPPORTUNISTIC):
            error = _refused(server, policy, security=security)
            assert error.field == "security"
            assert not error.temporary
        server.stop()
        assert "AUTH" not in server.verbs()


@pytest.mark.parametrize("authentication", [Authentication.PASSWORD, Authentication.OAUTH2])
def test_a_server_without_login_says_so(authentication: Authentication, clear: NetworkPolicy) -> None:
    with ChaosServer(credentials={USER: PASSWORD}, auth_in_clear=True, mechanisms=("NTLM",)) as server:
        error = _refused(server, clear, authentication=authentication)
    assert error.field == "authentication"
    assert not error.temporary


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"username": ""}, "username"),
        ({"username": "me\r\nMAIL FROM:<x>"}, "username"),
        ({"username": "me\0"}, "username"),
        ({"secret": None}, "secret"),
        ({"secret": Secret("")}, "secret"),
        ({"secret": Secret("a\0b")}, "secret"),
        ({"secret": Secret("a\r\nb")}, "secret"),
        ({"secret": Secret("\ud800")}, "username"),
    ],
)
def test_credentials_that_cannot_be_sent_connect_nowhere(
    settings: dict[str, Any], field: str, clear: NetworkPolicy
) -> None:
    with ChaosServer(credentials={}, auth_in_clear=True) as server:
        assert _refused(server, clear, **settings).field == field
        assert server.sessions == 0


def test_an_unreadable_secret_connects_nowhere(clear: NetworkPolicy) -> None:
    def unreadable() -> str:
        raise SecretUnreadable("the key is missing")

    with ChaosServer(credentials={}, auth_in_clear=True) as server:
        with pytest.raises(SecretUnreadable):
            open_session(settings_for(server.port, login=True, secret=Secret(unreadable)), policy=clear)
        assert server.sessions == 0


@pytest.mark.parametrize("action", [Hang(), Reset(), Raw(b"-1\r\n"), Reply.of("535 5.7.8 no")])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_no_frame_of_a_failed_login_shows_the_password(
    mechanism: str, action: Action, clear: NetworkPolicy
) -> None:
    """Error reporters show the variables of every frame."""
    with ChaosServer(credentials={}, auth_in_clear=True, mechanisms=(mechanism,)) as server:
        server.on("auth", action)
        try:
            open_session(settings_for(server.port, login=True), policy=clear, timeouts=Timeouts(command=0.5))
        except TransportError as error:
            shown = "".join(TracebackException.from_exception(error, capture_locals=True).format())
        else:
            pytest.fail("the login went well")
    forms = (
        PASSWORD,
        b64encode(PASSWORD.encode()).decode(),
        b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode(),
    )
    # This test's own frame knows the settings and nothing else.
    assert not [form for form in forms if form in shown]


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        (
            '{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}',
            "status: 400, schemes: Bearer",
        ),
        (f'{{{{"status":"401","seen":"{PASSWORD}"}}}}', ""),
        ('{"status":"invalid_token"}', "status: invalid_token"),
        ("[1]", ""),
        ("no JSON", ""),
        ("[" * 5000, ""),
    ],
    ids=["google", "echo", "rfc", "list", "text", "deep"],
)
@pytest.mark.parametrize(("mechanism", "after"), [("XOAUTH2", ""), ("OAUTHBEARER", "AQ==")])
def test_a_server_is_let_say_what_is_wrong_with_a_token(
    mechanism: str, after: str, said: str, detail: str, clear: NetworkPolicy
) -> None:
    """Its error has to be answered before its verdict comes (RFC 7628 §3.2.3)."""
    refusing = ChaosServer(credentials={}, mechanisms=(mechanism,), auth_in_clear=True)
    refusing.token_error = said
    with refusing as server:
        error = _refused(server, clear, authentication=Authentication.OAUTH2)
    assert detail in error.detail
    assert PASSWORD not in error.detail
    assert bool(error.detail) == bool(detail)
    assert error.reply is not None
    assert (error.reply.code, error.tries) == (535, 1)
    assert server.commands[-1][1] in {after, "QUIT"}


def test_a_user_name_cannot_end_its_part_of_an_oauthbearer_response(clear: NetworkPolicy) -> None:
    server = ChaosServer(credentials={"a,b=c": "token"}, mechanisms=("OAUTHBEARER",), auth_in_clear=True)
    with server:
        settings = settings_for(
            server.port,
            login=True,
            authentication=Authentication.OAUTH2,
            username="a,b=c",
            secret=Secret("token"),
        )
        open_session(settings, policy=clear).quit()
    assert server.auth_attempts == [("OAUTHBEARER", "a,b=c", "token")]
