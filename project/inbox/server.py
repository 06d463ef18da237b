"""The demo's SMTP server: loopback, wants a login, takes every kind of encryption, keeps everything."""

from __future__ import annotations

import asyncio
import base64
import hmac
import re
import socket
import ssl
import warnings
from collections.abc import Callable, Sequence

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from .listening import ListeningServer

HOSTNAME = "mail.localhost"
XOAUTH2 = re.compile(rb"user=([!-~]+)\x01auth=Bearer ([!-~]+)\x01\x01")


class MailServer(ListeningServer):
    """Serves listening sockets from a thread of its own.

    Args:
        keep: takes envelope sender, recipients and content of each mail before the server says 250, and returns its number.
        listeners: bound and listening.
        username: the one who may log in, with ``password``.
        tls: offered by STARTTLS, and spoken from the first byte to whoever begins with it, on the same ports.
        accepts: whether another user may log in with an access token; ``None``: nobody may.
    """

    def __init__(
        self,
        keep: Callable[[str, tuple[str, ...], bytes], int],
        listeners: Sequence[socket.socket],
        *,
        username: str,
        password: str,
        tls: ssl.SSLContext,
        accepts: Callable[[str, str], bool] | None = None,
    ) -> None:
        super().__init__(listeners, tls=tls, name="mail-server")
        self._accepts = accepts
        self._keep = keep
        self._login = (username.encode(), password.encode())

    def _session(self, *, over_tls: bool) -> asyncio.BaseProtocol:
        with warnings.catch_warnings():
            # It warns of logins without TLS, which on loopback is what we mean to take.
            warnings.simplefilter("ignore")
            return SMTP(
                self,
                hostname=HOSTNAME,
                ident="mailconfig demo",
                enable_SMTPUTF8=True,
                auth_required=True,
                auth_require_tls=False,
                tls_context=None if over_tls else self._tls,
                authenticator=self._authenticate,
                loop=self._loop,
            )

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: LoginPassword
    ) -> AuthResult:
        username, password = self._login
        right = hmac.compare_digest(given.login, username) & hmac.compare_digest(given.password, password)
        return AuthResult(success=right, handled=False)

    async def auth_XOAUTH2(self, server: SMTP, args: list[str]) -> AuthResult:  # noqa: N802 - aiosmtpd's name
        """Let in who has an access token for the user (Microsoft and Google document this mechanism, no RFC)."""
        given = await server.challenge_auth("") if len(args) < 2 else _decoded(args[1])
        found = XOAUTH2.fullmatch(given) if isinstance(given, bytes) else None
        if found is None or self._accepts is None:
            return AuthResult(success=False, handled=False)
        return AuthResult(success=self._accepts(found[1].decode(), found[2].decode()), handled=False)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep the mail, then accept it."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        number = self._keep(envelope.mail_from or "", tuple(envelope.rcpt_tos), content)
        return f"250 2.0.0 kept as mail {number}"


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""
