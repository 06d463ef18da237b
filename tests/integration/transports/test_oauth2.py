"""One request to a token endpoint, and what is made of its answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest

from mailconfig.exceptions import ProtocolError, TokenRefused, TokenUnavailable
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.oauth2 import TokenRequest, request_token
from mailconfig.values import NetworkPolicy, Remedy, Secret, Timeouts
from tests.servers import authority as said
from tests.servers.authority import Authority, Reply

SECRET = "not-a-real-secret &=é"
REFRESH = "not-a-real-refresh-token"


@pytest.fixture(scope="module")
def shared() -> Iterator[Authority]:
    with Authority() as authority:
        authority.register("app", SECRET)
        yield authority


@pytest.fixture
def authority(shared: Authority) -> Authority:
    shared.forms.clear()
    shared.says.clear()
    return shared


@pytest.fixture
def surroundings(policy: NetworkPolicy) -> Surroundings:
    return Surroundings(policy=replace(policy, allow_plain_http=True), timeouts=Timeouts(total=30))


def request(authority: Authority, **values: Any) -> TokenRequest:
    parameters = {"grant_type": "client_credentials", "scope": "a b"}
    plain = {"url": authority.url("/token"), "client_id": "app", "client_secret": Secret(SECRET)}
    return TokenRequest(**{"parameters": parameters, **plain, **values})


@pytest.mark.parametrize("by_header", [False, True])
def test_a_token_is_given_out(authority: Authority, surroundings: Surroundings, *, by_header: bool) -> None:
    answer = request_token(request(authority, by_header=by_header), surroundings)
    assert authority.accepts("anybody", answer.access_token.reveal())
    assert (answer.expires_in, answer.refresh_token, answer.scope) == (3600, None, "a b")
    (form,) = authority.forms
    assert (form.pop("by", None) == "header") is by_header
    assert form == {
        "grant_type": "client_credentials",
        "scope": "a b",
        "client_id": "app",
        "client_secret": SECRET,
    }


@pytest.mark.parametrize(
    ("reply", "remedy", "error", "words"),
    [
        (said.REVOKED, Remedy.CONNECT, "invalid_grant", "AADSTS50173: The provided grant has expired"),
        (said.CONSENT, Remedy.CONNECT, "invalid_grant", "AADSTS65001"),
        (said.GOOGLE_REVOKED, Remedy.CONNECT, "invalid_grant", "Token has been expired or revoked."),
        (said.GOOGLE_RAPT, Remedy.CONNECT, "invalid_grant", "invalid_rapt"),
        (
            said.microsoft_error("interaction_required", 50076, "MFA"),
            Remedy.CONNECT,
            "interaction_required",
            "MFA",
        ),
        (said.WRONG_SECRET, Remedy.REGISTRATION, "invalid_client", "Invalid client secret provided."),
        (said.EXPIRED_SECRET, Remedy.REGISTRATION, "invalid_client", "AADSTS7000222"),
        (said.GOOGLE_NO_CLIENT, Remedy.REGISTRATION, "invalid_client", "The OAuth client was not found."),
        (
            said.microsoft_error("unauthorized_client", 700016, "No app"),
            Remedy.REGISTRATION,
            "unauthorized_client",
            "No app",
        ),
        (said.microsoft_error("invalid_scope", 70011, "Bad"), Remedy.REGISTRATION, "invalid_scope", "Bad"),
        (
            said.google_error("org_internal", "Not yours", 403),
            Remedy.REGISTRATION,
            "org_internal",
            "Not yours",
        ),
        ((404, "<html>not here</html>", ""), Remedy.REGISTRATION, "http_404", "404"),
        ((302, "", "Location: https://evil.example/\r\n"), Remedy.REGISTRATION, "http_302", "302"),
        ((200, {"error": "bad_code"}, ""), Remedy.REGISTRATION, "bad_code", "bad_code"),
        ((400, {"error": {"a": 1}, "error_description": 7}, ""), Remedy.REGISTRATION, "http_400", "400"),
        (
            (400, {"error": "x\r\ny", "error_description": "a\x1b[1mb"}, ""),
            Remedy.REGISTRATION,
            "http_400",
            "a[1mb",
        ),
    ],
)
def test_a_refusal_says_who_has_to_act(
    reply: Reply, remedy: Remedy, error: str, words: str, authority: Authority, surroundings: Surroundings
) -> None:
    authority.says.append(reply)
    with pytest.raises(TokenRefused) as caught:
        request_token(request(authority), surroundings)
    assert (caught.value.remedy, caught.value.error, caught.value.temporary) == (remedy, error, False)
    assert caught.value.reply is not None
    assert words in caught.value.reply.words
    assert "Trace ID" not in caught.value.reply.words
    assert len(authority.forms) == 1, "no redirect is followed, nothing is tried again"


@pytest.mark.parametrize(
    ("reply", "retry_after", "is_of_client"),
    [
        ((429, {"error": "throttled"}, "Retry-After: 17\r\n"), 17.0, True),
        ((503, "<html>", "Retry-After: 0\r\n"), 0.0, True),
        ((503, "", ""), None, True),
        ((500, "", ""), None, False),
        ((429, "", "Retry-After: 999999999999\r\n"), 3600.0, True),
        ((429, "", "Retry-After: soon\r\n"), None, True),
        ((429, "", "Retry-After: -5\r\n"), None, True),
        (
            (
                429,
                "",
                "Date: Mon, 30 Nov 2020 10:00:00 GMT\r\nRetry-After: Mon, 30 Nov 2020 10:02:00 GMT\r\n",
            ),
            120.0,
            True,
        ),
        ((429, "", f"Retry-After: {formatdate(time.time() - 500, usegmt=True)}\r\n"), 0.0, True),
        (said.microsoft_error("temporarily_unavailable", 90033, "Busy"), None, False),
        (said.google_error("internal_failure", ""), None, False),
    ],
)
def test_what_passes_is_told_from_what_does_not(
    reply: Reply,
    retry_after: float | None,
    authority: Authority,
    surroundings: Surroundings,
    *,
    is_of_client: bool,
) -> None:
    authority.says.append(reply)
    with pytest.raises(TokenUnavailable) as caught:
        request_token(request(authority), surroundings)
    assert (caught.value.retry_after, caught.value.is_of_client) == (retry_after, is_of_client)
    assert caught.value.temporary


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        "[" * 10000,
        '{"access_token": "x"}',
        '{"access_token": "x", "token_type": "mac"}',
        '{"access_token": 7, "token_type": "bearer"}',
        '{"access_token": "", "token_type": "bearer"}',
        '{"access_token": "a\\u0001auth=b", "token_type": "bearer"}',
        '{"access_token": "a\\r\\nQUIT", "token_type": "bearer"}',
        '{"access_token": "ä", "token_type": "bearer"}',
        '{"access_token": "%s", "token_type": "bearer"}' % ("x" * 8193),
        '{"access_token": "x", "token_type": "bearer", "refresh_token": "a b"}',
        '{"access_token": "x", "token_type": "bearer", "refresh_token": ["a"]}',
        '{"access_token": "x", "token_type": "bearer", "expires_in": -1}',
        '{"access_token": "x", "token_type": "bearer", "expires_in": true}',
        '{"access_token": "x", "token_type": "bearer", "expires_in": "soon"}',
        '{"access_token": "x", "token_type": "bearer", "expires_in": NaN}',
    ],
    ids=lambda body: body[:60],
)
def test_an_answer_that_is_none_is_never_taken(
    body: str, authority: Authority, surroundings: Surroundings
) -> None:
    authority.says.append((200, body, ""))
    with pytest.raises(ProtocolError):
        request_token(request(authority), surroundings)


@pytest.mark.parametrize(
    ("said", "seconds"), [(3599, 3599), ("3599", 3599), (None, 300), (0, 0), (1e300, 86400), (10**12, 86400)]
)
def test_for_how_long_a_token_is_good(
    said: object, seconds: int, authority: Authority, surroundings: Surroundings
) -> None:
    body = {"access_token": "x", "token_type": "BEARER"} | ({} if said is None else {"expires_in": said})
    authority.says.append((200, body, ""))
    assert request_token(request(authority), surroundings).expires_in == seconds


def test_too_long_an_answer_is_not_read(authority: Authority, surroundings: Surroundings) -> None:
    authority.says.append(
        (200, '{"access_token": "x", "token_type": "bearer", "more": "%s"}' % ("x" * 70000), "")
    )
    with pytest.raises(TokenUnavailable):
        request_token(request(authority), surroundings)


def test_secrets_that_an_answer_repeats_are_masked(authority: Authority, surroundings: Surroundings) -> None:
    authority.says.append(said.google_error("invalid_grant", f"{SECRET} and {REFRESH.upper()} are wrong"))
    parameters = {"grant_type": "refresh_token", "refresh_token": Secret(REFRESH)}
    with pytest.raises(TokenRefused) as caught:
        request_token(request(authority, parameters=parameters), surroundings)
    assert caught.value.reply is not None
    assert caught.value.reply.text == "invalid_grant *** and *** are wrong"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/token", "https://token.invalid/", "http://169.254.169.254/token"]
)
def test_a_service_that_cannot_be_reached_is_not_the_mail_servers_fault(
    url: str, surroundings: Surroundings
) -> None:
    with pytest.raises(TokenUnavailable) as caught:
        request_token(TokenRequest(url=url, client_id="app"), surroundings)
    assert (caught.value.field, caught.value.stage) == ("authentication", "login")
    assert str(caught.value) == "The sign-in service cannot be reached."
