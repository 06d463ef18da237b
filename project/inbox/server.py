"""The demo's mail server: loopback, plain, wants a login, keeps everything in an inbox."""

from __future__ import annotations

import asyncio
import hmac
import socket
import threading
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from .parsing import read_mail
from .store import Inbox

HOSTNAME = "mail.localhost"


class MailServer:
    """Serves listening sockets from a thread of its own.

    Args:
        inbox: where mails go, before the server says 250.
        listeners: bound and listening.
        username: the one who may log in, with ``password``.
    """

    def __init__(
        self, inbox: Inbox, listeners: Sequence[socket.socket], *, username: str, password: str
    ) -> None:
        self._inbox = inbox
        self._listeners = listeners
        self._login = (username.encode(), password.encode())
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="mail-server", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more; connections that are open are dropped."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        for listener in self._listeners:
            self._loop.run_until_complete(self._loop.create_server(self._session, sock=listener))
        self._loop.run_forever()

    def _session(self) -> SMTP:
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
        received_at = datetime.now(UTC)
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        mail = read_mail(
            content,
            mail_from=envelope.mail_from or "",
            recipients=tuple(envelope.rcpt_tos),
            received_at=received_at,
        )
        return f"250 2.0.0 kept as mail {self._inbox.add(mail)}"
