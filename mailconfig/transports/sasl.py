"""Logging in: AUTH PLAIN (RFC 4616), LOGIN and XOAUTH2, in UTF-8 (RFC 4954)."""

from __future__ import annotations

import base64
from collections.abc import Callable

from mailconfig.exceptions import LoginRefused, ProtocolError
from mailconfig.values import Authentication, Capabilities, ErrorCode, Reply, Secret, SMTPSettings, Stage

from . import hints
from .scrubber import MAX_TEXT

Exchange = Callable[[Callable[[], bytes]], Reply]
"""Writes the line that its argument makes and returns the reply to it.

A function, and not the line, so that no variable of a frame on the way holds a credential: error reporters
show those.
"""


def check_credentials(settings: SMTPSettings) -> None:
    """Whether there is something that can be sent at all; to be asked before anything is connected.

    Raises:
        LoginRefused: a user name or secret is missing, or has a character that the protocol cannot carry.
        SecretUnreadable: the stored secret does not open.
    """
    if settings.authentication is Authentication.NONE:
        return
    if not settings.username:
        raise refused("A user name is needed to log in.", field="username")
    if settings.secret is None or not settings.secret.reveal():
        raise refused("A password or token is needed to log in.", field="secret")
    # XOAUTH2 separates its parts with control A.
    if any(character in settings.username for character in "\r\n\0\x01"):
        raise refused("The user name has control characters, which cannot be sent.", field="username")
    if any(character in settings.secret.reveal() for character in "\r\n\0\x01"):
        raise refused("The password has control characters, which cannot be sent.", field="secret")
    try:
        (settings.username + settings.secret.reveal()).encode()
    except UnicodeEncodeError:
        raise refused("The user name or password is no valid text.", field="username") from None


def log_in(settings: SMTPSettings, capabilities: Capabilities, exchange: Exchange) -> Reply:
    """Log in with the best mechanism that both sides know; returns the server's 235.

    Raises:
        LoginRefused: the server said no (temporary for 4xx) or offers nothing we can use.
        ProtocolError: an answer that AUTH does not have.
    """
    secret = settings.secret
    if secret is None:
        raise refused("A password or token is needed to log in.", field="secret")
    with_token = settings.authentication is Authentication.OAUTH2
    if with_token and "XOAUTH2" in capabilities.auth:
        reply = exchange(lambda: b"AUTH XOAUTH2 " + _bearer(settings.username, secret) + b"\r\n")
        if reply.code == 334:  # the error as JSON; an empty line asks for the final answer
            reply = exchange(lambda: b"\r\n")
    elif not with_token and "PLAIN" in capabilities.auth:
        reply = exchange(lambda: b"AUTH PLAIN " + _plain(settings.username, secret) + b"\r\n")
        if reply.code == 334:  # a server that overlooks the initial response
            reply = exchange(lambda: _plain(settings.username, secret) + b"\r\n")
    elif not with_token and "LOGIN" in capabilities.auth:
        reply = exchange(lambda: b"AUTH LOGIN\r\n")
        if reply.code == 334:
            reply = exchange(lambda: _base64(settings.username) + b"\r\n")
        if reply.code == 334:
            reply = exchange(lambda: _base64(secret.reveal()) + b"\r\n")
    else:
        raise _not_offered(capabilities, with_token=with_token)
    return _judge(reply, with_token=with_token)


def refused(message: str, *, field: str, hint: str = "", reply: Reply | None = None) -> LoginRefused:
    """A login that did not come about; not temporary unless the reply is."""
    return LoginRefused(
        message,
        stage=Stage.LOGIN,
        code=ErrorCode.AUTH_FAILED,
        field=field,
        hint=hint,
        reply=reply,
        temporary=reply is not None and reply.is_transient,
    )


def _judge(reply: Reply, *, with_token: bool) -> Reply:
    if reply.is_success:
        return reply
    if not (reply.is_transient or reply.is_permanent):
        raise ProtocolError(
            "The server broke off the login in a way the protocol does not have.",
            stage=Stage.LOGIN,
            code=ErrorCode.PROTOCOL_ERROR,
            field="host",
            reply=reply,
        )
    words = (
        "The server does not let us log in now." if reply.is_transient else "The server refused the login."
    )
    raise refused(words, field="secret", hint=hints.for_login(reply, with_token=with_token), reply=reply)


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


def _base64(text: str) -> bytes:
    return base64.b64encode(text.encode())


def _plain(username: str, secret: Secret) -> bytes:
    return _base64(f"\0{username}\0{secret.reveal()}")


def _bearer(username: str, secret: Secret) -> bytes:
    return _base64(f"user={username}\x01auth=Bearer {secret.reveal()}\x01\x01")
