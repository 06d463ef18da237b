"""The demo's SMTP server: loopback, wants a login, takes every kind of encryption, keeps everything."""

from __future__ import annotations

import asyncio
import hmac
import socket
import ssl
import warnings
from collections.abc import Callable, Sequence

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from .listening import ListeningServer

HOSTNAME = "mail.localhost"


class MailServer(ListeningServer):
    """Serves listening sockets from a thread of its own.

    Args:
        keep: takes envelope sender, recipients and content of each mail before the server says 250, and returns its number.
        listeners: bound and listening.
        username: the one who may log in, with ``password``.
        tls: offered by STARTTLS, and spoken from the first byte to whoever begins with it, on the same ports.
    """

    def __init__(
        self,
        keep: Callable[[str, tuple[str, ...], bytes], int],
        listeners: Sequence[socket.socket],
        *,
        username: str,
        password: str,
        tls: ssl.SSLContext,
    ) -> None:
        super().__init__(listeners, tls=tls, name="mail-server")
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

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep the mail, then accept it."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        number = self._keep(envelope.mail_from or "", tuple(envelope.rcpt_tos), content)
        return f"250 2.0.0 kept as mail {number}"
