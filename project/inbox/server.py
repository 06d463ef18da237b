"""The demo's mail server: loopback, wants a login, takes every kind of encryption, keeps everything in an inbox."""

from __future__ import annotations

import asyncio
import hmac
import socket
import ssl
import threading
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from .parsing import read_mail
from .store import Inbox

HOSTNAME = "mail.localhost"
TLS_SECONDS = 1.0
"""So long a client that means to begin with TLS may take before it is greeted without."""
TLS_HANDSHAKE = b"\x16"
"""The first byte of a TLS connection (RFC 8446 §5.1)."""


class MailServer:
    """Serves listening sockets from a thread of its own.

    Args:
        inbox: where mails go, before the server says 250.
        listeners: bound and listening.
        username: the one who may log in, with ``password``.
        tls: offered by STARTTLS, and spoken from the first byte to whoever begins with it, on the same ports.
    """

    def __init__(
        self,
        inbox: Inbox,
        listeners: Sequence[socket.socket],
        *,
        username: str,
        password: str,
        tls: ssl.SSLContext,
    ) -> None:
        self._inbox = inbox
        self._tls = tls
        self._transports: WeakSet[asyncio.BaseTransport] = WeakSet()
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
        accepting = []
        for listener in self._listeners:
            listener.setblocking(False)
            accepting.append(self._loop.create_task(self._accept(listener)))
        self._loop.run_forever()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _end(self) -> None:
        for transport in self._transports:
            transport.abort()  # type: ignore[attr-defined]
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        greetings: set[asyncio.Task[None]] = set()
        while True:
            connection, _address = await self._loop.sock_accept(listener)
            greeting = self._loop.create_task(self._greet(connection))
            greetings.add(greeting)
            greeting.add_done_callback(greetings.discard)

    async def _greet(self, connection: socket.socket) -> None:
        """A client that speaks first speaks TLS; any other waits for the banner (RFC 5321 §3.1)."""
        connection.setblocking(False)
        try:
            implicit = await self._begins_with_tls(connection)
            transport, _session = await self._loop.connect_accepted_socket(
                partial(self._session, over_tls=implicit), connection, ssl=self._tls if implicit else None
            )
            self._transports.add(transport)
        except BaseException as error:
            connection.close()
            if not isinstance(error, OSError):  # gone again, or no TLS after all
                raise

    async def _begins_with_tls(self, connection: socket.socket) -> bool:
        try:
            return await asyncio.wait_for(_first_byte(self._loop, connection), TLS_SECONDS) == TLS_HANDSHAKE
        except TimeoutError:
            return False

    def _session(self, *, over_tls: bool) -> SMTP:
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
        received_at = datetime.now(UTC)
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        mail = read_mail(
            content,
            mail_from=envelope.mail_from or "",
            recipients=tuple(envelope.rcpt_tos),
            received_at=received_at,
        )
        return f"250 2.0.0 kept as mail {self._inbox.add(mail)}"


async def _first_byte(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> bytes:
    """The first byte that comes, which stays to be read; ``b""`` if the client has gone."""
    readable: asyncio.Future[None] = loop.create_future()

    def note() -> None:
        if not readable.done():
            readable.set_result(None)

    loop.add_reader(connection, note)
    try:
        await readable
    finally:
        loop.remove_reader(connection)
    return connection.recv(1, socket.MSG_PEEK)
