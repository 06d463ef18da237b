"""Logging in: AUTH PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195), XOAUTH2 and OAUTHBEARER (RFC 7628), in UTF-8 (RFC 4954)."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable

from mailconfig.exceptions import ConnectionFailed, LoginRefused, ProtocolError
from mailconfig.transports.credentials import (
    AFTER_ERROR,
    base64_of,
    bearer_response,
    oauthbearer_response,
    plain_response,
    refused,
    token_error,
)
from mailconfig.transports.scrubber import MAX_TEXT
from mailconfig.values import Authentication, ConnectionSettings, ErrorCode, Secret, Stage

from . import hints
from .capabilities import Capabilities
from .replies import Reply

Exchange = Callable[[Callable[[], bytes]], Reply]
"""Writes the line that its argument makes and returns the reply to it.

A function, and not the line, so that no variable of a frame on the way holds a credential: error reporters
show those.
"""

_WITH_PASSWORD = ("PLAIN", "LOGIN", "CRAM-MD5")
"""In the order in which they are tried: every server that offers the first two has them right, if any."""
_WITH_TOKEN = ("XOAUTH2", "OAUTHBEARER")
"""One of them is enough: a server that offers both asks the same authority about the same token."""
MOST_TRIES = 2
"""AUTH commands of one session: servers count refused ones, and lock accounts."""
_OF_MECHANISM = frozenset({500, 501, 502, 504, 534, 535})
"""Refusals that may be meant for the mechanism only. 535 is said of both, and nobody can tell them apart."""


class _Memory:
    """The mechanism each account logged in with last, for the life of the process; the oldest are forgotten."""

    MOST = 1000

    def __init__(self) -> None:
        self._worked: dict[tuple[str, int, str], str] = {}

    def get(self, settings: ConnectionSettings) -> str:
        return self._worked.get((settings.host, settings.port, settings.username), "")

    def keep(self, settings: ConnectionSettings, mechanism: str) -> None:
        key = settings.host, settings.port, settings.username
        self._worked.pop(key, None)
        self._worked[key] = mechanism
        while len(self._worked) > self.MOST:
            self._worked.pop(next(iter(self._worked)), None)


_memory = _Memory()


def log_in(settings: ConnectionSettings, capabilities: Capabilities, exchange: Exchange) -> Reply:
    """Log in with the best mechanism that both sides know; returns the server's 235.

    If that is refused where it may be the mechanism's fault, the next one is tried in the same session. Not if it is
    the one that worked before: then it is the password.

    Raises:
        LoginRefused: the server said no (temporary for 4xx) or offers nothing we can use.
        ProtocolError: an answer that AUTH does not have.
    """
    secret = settings.secret
    if secret is None:
        raise refused("A password or token is needed to log in.", field="secret")
    with_token = settings.authentication is Authentication.OAUTH2
    known = _WITH_TOKEN if with_token else _WITH_PASSWORD
    worked = _memory.get(settings)
    usable = sorted((name for name in known if name in capabilities.auth), key=lambda name: name != worked)
    if not usable:
        raise _not_offered(capabilities, with_token=with_token)
    replies: list[Reply] = []
    challenges: list[str] = []

    def noted(line: Callable[[], bytes]) -> Reply:
        reply = exchange(line)
        if reply.code == 334:
            challenges.append(reply.text)
        return reply

    for mechanism in usable[: 1 if with_token else MOST_TRIES]:
        try:
            reply = _EXCHANGES[mechanism](settings, secret, noted)
        except ConnectionFailed:
            if not replies:
                raise
            break  # the server ends the session with a refusal, and that is its answer
        if reply.is_success:
            _memory.keep(settings, mechanism)
            return reply
        replies.append(reply)
        if not _is_of_mechanism(reply) or (mechanism == worked and reply.code == 535):
            break
    said = token_error(challenges[-1]) if with_token and challenges else ""
    return _judge(replies, with_token=with_token, detail=said)


def _is_of_mechanism(reply: Reply) -> bool:
    return reply.code in _OF_MECHANISM and not hints.is_of_account(reply)


def _plain(settings: ConnectionSettings, secret: Secret, exchange: Exchange) -> Reply:
    reply = exchange(lambda: b"AUTH PLAIN " + plain_response(settings.username, secret) + b"\r\n")
    if reply.code == 334:  # a server that overlooks the initial response
        reply = exchange(lambda: plain_response(settings.username, secret) + b"\r\n")
    return reply


def _login(settings: ConnectionSettings, secret: Secret, exchange: Exchange) -> Reply:
    reply = exchange(lambda: b"AUTH LOGIN\r\n")
    if reply.code == 334:
        reply = exchange(lambda: base64_of(settings.username) + b"\r\n")
    if reply.code == 334:
        reply = exchange(lambda: base64_of(secret.reveal()) + b"\r\n")
    return reply


def _cram_md5(settings: ConnectionSettings, secret: Secret, exchange: Exchange) -> Reply:
    reply = exchange(lambda: b"AUTH CRAM-MD5\r\n")
    if reply.code != 334:
        return reply
    try:
        challenge = base64.b64decode(reply.text, validate=True)
    except ValueError:  # binascii.Error is one, too
        raise _broken(reply) from None
    return exchange(lambda: _digest(settings.username, secret, challenge) + b"\r\n")


def _xoauth2(settings: ConnectionSettings, secret: Secret, exchange: Exchange) -> Reply:
    reply = exchange(lambda: b"AUTH XOAUTH2 " + bearer_response(settings.username, secret) + b"\r\n")
    return _after_error("XOAUTH2", reply, exchange)


def _oauthbearer(settings: ConnectionSettings, secret: Secret, exchange: Exchange) -> Reply:
    reply = exchange(lambda: b"AUTH OAUTHBEARER " + oauthbearer_response(settings, secret) + b"\r\n")
    return _after_error("OAUTHBEARER", reply, exchange)


def _after_error(mechanism: str, reply: Reply, exchange: Exchange) -> Reply:
    """Return the final answer: a challenge is the error, as JSON."""
    return exchange(lambda: AFTER_ERROR[mechanism]) if reply.code == 334 else reply


_EXCHANGES = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
    "XOAUTH2": _xoauth2,
    "OAUTHBEARER": _oauthbearer,
}


def _judge(replies: list[Reply], *, with_token: bool, detail: str) -> Reply:
    """Raise what the refusals come to; a 535 says more than what came of the mechanism after it."""
    reply = replies[0] if replies[0].code == 535 else replies[-1]
    if not (reply.is_transient or reply.is_permanent):
        raise _broken(reply)
    words = (
        "The server does not let us log in now." if reply.is_transient else "The server refused the login."
    )
    field = "security" if hints.wants_encryption(reply) else "secret"
    hint = hints.for_login(reply, with_token=with_token)
    raise refused(
        words,
        field=field,
        hint=hint,
        reply=reply,
        detail=detail,
        temporary=reply.is_transient,
        tries=len(replies),
    )


def _broken(reply: Reply) -> ProtocolError:
    return ProtocolError(
        "The server broke off the login in a way the protocol does not have.",
        stage=Stage.LOGIN,
        code=ErrorCode.PROTOCOL_ERROR,
        field="host",
        reply=reply,
    )


def _not_offered(capabilities: Capabilities, *, with_token: bool) -> LoginRefused:
    wanted = "OAuth 2.0" if with_token else "a password"
    offered = ", ".join(sorted(capabilities.auth))[:MAX_TEXT]
    hint = "Choose another way to log in." if offered else "The server offers no login on this port."
    return LoginRefused(
        f"The server offers no login with {wanted}.",
        stage=Stage.LOGIN,
        code=ErrorCode.AUTH_FAILED,
        field="authentication",
        hint=hint,
        detail=f"offered: {offered or 'nothing'}",
        temporary=False,
    )


def _digest(username: str, secret: Secret, challenge: bytes) -> bytes:
    digest = hmac.new(secret.reveal().encode(), challenge, "md5").hexdigest()
    return base64_of(f"{username} {digest}")
