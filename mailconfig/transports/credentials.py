"""Credentials that every protocol with SASL logs in with: what can be sent at all, and how it is written (RFC 4422)."""

from __future__ import annotations

import base64
import json

from mailconfig.exceptions import LoginRefused
from mailconfig.values import Answer, Authentication, ConnectionSettings, ErrorCode, Secret, Stage


def check_credentials(settings: ConnectionSettings) -> None:
    """Refuse credentials that cannot be sent at all; to be asked before anything is connected.

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


def refused(
    message: str,
    *,
    field: str,
    hint: str = "",
    reply: Answer | None = None,
    detail: str = "",
    temporary: bool = False,
    tries: int = 1,
) -> LoginRefused:
    """Return the error for a login that did not come about."""
    return LoginRefused(
        message,
        stage=Stage.LOGIN,
        code=ErrorCode.AUTH_FAILED,
        field=field,
        hint=hint,
        reply=reply,
        detail=detail,
        temporary=temporary,
        tries=tries,
    )


def base64_of(text: str) -> bytes:
    """Return UTF-8 text in base64."""
    return base64.b64encode(text.encode())


def plain_response(username: str, secret: Secret) -> bytes:
    """Return the response of PLAIN (RFC 4616), in base64."""
    return base64_of(f"\0{username}\0{secret.reveal()}")


def bearer_response(username: str, secret: Secret) -> bytes:
    """Return the response of XOAUTH2, in base64."""
    return base64_of(f"user={username}\x01auth=Bearer {secret.reveal()}\x01\x01")


def oauthbearer_response(settings: ConnectionSettings, secret: Secret) -> bytes:
    """Return the response of OAUTHBEARER (RFC 7628 §3.1), in base64."""
    name = settings.username.replace("=", "=3D").replace(",", "=2C")  # RFC 5801 §4
    place = f"host={settings.host}\x01port={settings.port}"
    return base64_of(f"n,a={name},\x01{place}\x01auth=Bearer {secret.reveal()}\x01\x01")


AFTER_ERROR = {"XOAUTH2": b"\r\n", "OAUTHBEARER": b"AQ==\r\n"}
"""Lines that answer the challenge by which a server says what is wrong with a token, so that its verdict follows (RFC 7628 §3.2.3)."""


def token_error(challenge: str) -> str:
    """Return what a server says of a token in a challenge, base64 of JSON, as text; ``""``: nothing that is understood.

    The words are the server's own and not cleaned.
    """
    try:
        found = json.loads(base64.b64decode(challenge, validate=True))
    except (ValueError, RecursionError):
        return ""
    if not isinstance(found, dict):
        return ""
    return ", ".join(f"{name}: {value}" for name, value in found.items() if isinstance(value, str | int))
