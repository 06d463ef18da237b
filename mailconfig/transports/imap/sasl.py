"""Logging in: AUTHENTICATE PLAIN, XOAUTH2 and OAUTHBEARER (RFC 3501 §6.2.2, RFC 4959, RFC 7628), or LOGIN, in UTF-8."""

from __future__ import annotations

from collections.abc import Callable

from mailconfig.exceptions import LoginRefused
from mailconfig.transports.credentials import (
    AFTER_ERROR,
    bearer_response,
    oauthbearer_response,
    plain_response,
    refused,
)
from mailconfig.transports.network.hints import ENCRYPT_FIRST
from mailconfig.transports.scrubber import MAX_TEXT
from mailconfig.values import Authentication, ConnectionSettings, ErrorCode, Secret, Stage

from . import hints
from .dialogue import Piece
from .replies import Reply
from .writing import Command

Exchange = Callable[..., Reply]
"""Writes the pieces of a command, one and then one for each time the server asks, and returns the verdict."""


def log_in(
    settings: ConnectionSettings, capabilities: frozenset[str], exchange: Exchange, *, encrypted: bool
) -> Reply:
    """Log in with the best way that both sides know; returns the server's OK.

    A server that does not know what it offers (BAD) is asked once more in the other way. A refusal (NO) is one: servers
    count them, and lock accounts.

    Raises:
        LoginRefused: the server said no, or offers nothing we can use.
    """
    secret = settings.secret
    if secret is None:
        raise refused("A password or token is needed to log in.", field="secret")
    with_token = settings.authentication is Authentication.OAUTH2
    ways = _usable(capabilities, with_token=with_token)
    if not ways:
        raise _not_offered(capabilities, with_token=with_token, encrypted=encrypted)
    tries, reply = 0, Reply(0)
    for way in ways:
        tries += 1
        reply = exchange(*_PIECES[way](settings, secret, capabilities))
        if reply.is_ok:
            return reply
        if reply.status != "BAD":
            break
    for_now = reply.is_for_now
    raise refused(
        "The server does not let us log in now." if for_now else "The server refused the login.",
        field="security" if hints.wants_encryption(reply) else "secret",
        hint=hints.for_login(reply, with_token=with_token),
        reply=reply,
        temporary=for_now,
        tries=tries,
    )


def _usable(capabilities: frozenset[str], *, with_token: bool) -> list[str]:
    """Return the ways to log in, the best one first."""
    if with_token:
        return [name for name in ("XOAUTH2", "OAUTHBEARER") if f"AUTH={name}" in capabilities][:1]
    ways = ["PLAIN"] if "AUTH=PLAIN" in capabilities else []
    return ways if "LOGINDISABLED" in capabilities else [*ways, "LOGIN"]


def _plain(settings: ConnectionSettings, secret: Secret, capabilities: frozenset[str]) -> list[Piece]:
    return _authenticate("PLAIN", lambda: plain_response(settings.username, secret), capabilities)


def _xoauth2(settings: ConnectionSettings, secret: Secret, capabilities: frozenset[str]) -> list[Piece]:
    pieces = _authenticate("XOAUTH2", lambda: bearer_response(settings.username, secret), capabilities)
    return _with_error("XOAUTH2", pieces)


def _oauthbearer(settings: ConnectionSettings, secret: Secret, capabilities: frozenset[str]) -> list[Piece]:
    pieces = _authenticate("OAUTHBEARER", lambda: oauthbearer_response(settings, secret), capabilities)
    return _with_error("OAUTHBEARER", pieces)


def _with_error(mechanism: str, pieces: list[Piece]) -> list[Piece]:
    """A refusal comes as JSON that has to be answered before the verdict."""
    return [*pieces[:-1], lambda: AFTER_ERROR[mechanism], _cancel]


def _authenticate(mechanism: str, response: Piece, capabilities: frozenset[str]) -> list[Piece]:
    command = f"AUTHENTICATE {mechanism}".encode()
    if "SASL-IR" in capabilities:
        return [lambda: command + b" " + response() + b"\r\n", _cancel]
    return [lambda: command + b"\r\n", lambda: response() + b"\r\n", _cancel]


def _cancel() -> bytes:
    """Return the answer to a server that asks for more than the mechanism has."""
    return b"*\r\n"


def _login(settings: ConnectionSettings, secret: Secret, capabilities: frozenset[str]) -> list[Piece]:
    def pieces() -> list[bytes]:
        command = Command("LOGIN ", capabilities).string(settings.username.encode()).text(" ")
        return command.string(secret.reveal().encode()).pieces()

    def piece(index: int) -> Piece:
        return lambda: pieces()[index]

    return [piece(index) for index in range(len(pieces()))]


_PIECES = {"PLAIN": _plain, "LOGIN": _login, "XOAUTH2": _xoauth2, "OAUTHBEARER": _oauthbearer}


def _not_offered(capabilities: frozenset[str], *, with_token: bool, encrypted: bool) -> LoginRefused:
    wanted = "OAuth 2.0" if with_token else "a password"
    ways = sorted(name.removeprefix("AUTH=") for name in capabilities if name.startswith("AUTH="))
    offered = ", ".join(ways)[:MAX_TEXT]
    field, hint = "authentication", "Choose another way to log in."
    if "LOGINDISABLED" in capabilities and not encrypted:
        field, hint = "security", ENCRYPT_FIRST
    elif not ways:
        hint = "The server offers no login on this port."
    return LoginRefused(
        f"The server offers no login with {wanted}.",
        stage=Stage.LOGIN,
        code=ErrorCode.AUTH_FAILED,
        field=field,
        hint=hint,
        detail=f"offered: {offered or 'nothing'}",
        temporary=False,
    )
