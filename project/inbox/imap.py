"""The demo's IMAP server: ``pymap`` with its mailboxes in memory, on the demo's own sockets.

Nothing of it was written for mailconfig, which makes it a far side for tests as well.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from proxyprotocol.noop import ProxyProtocolNoop
from proxyprotocol.reader import ProxyProtocolReader
from pymap.backend.dict import Config, Login
from pymap.backend.dict.filter import FilterSet
from pymap.backend.dict.mailbox import MailboxSet
from pymap.imap import IMAPServer as IMAPSessions
from pymap.parsing.message import AppendMessage
from pymap.parsing.specials.flag import Flag
from pymap.user import UserMetadata
from pysasl.hashing import BuiltinHash
from pysasl.prep import saslprep

from .listening import TLS_SECONDS, ListeningServer

GREETING = b"mailconfig demo"
HASH = BuiltinHash(rounds=1000)
"""Passwords last for one run and were made by chance, so that a login need not take long."""
SECONDS = 10.0
"""The most that putting a message into a mailbox may take."""


class IMAPServer(ListeningServer):
    """Serves listening sockets from a thread of its own. Logins work without encryption too.

    Args:
        listeners: bound and listening.
        passwords: of each user, who has a mailbox that begins empty.
        tls: offered by STARTTLS, and spoken from the first byte to whoever begins with it, on the same ports.
        tls_seconds: see :class:`ListeningServer`.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        *,
        passwords: Mapping[str, str],
        tls: ssl.SSLContext,
        tls_seconds: float = TLS_SECONDS,
    ) -> None:
        super().__init__(listeners, tls=tls, name="imap-server", tls_seconds=tls_seconds)
        self.users = frozenset(passwords)
        self._plain, self._over_tls = _Settings(tls, starttls=True), _Settings(tls, starttls=False)
        self._login = Login(self._plain)
        self._login.users_dict = {
            user: UserMetadata(self._plain, user, password=HASH.hash(saslprep(password)))
            for user, password in passwords.items()
        }
        self._mailboxes: dict[str, MailboxSet] = {}

    def add(
        self,
        user: str,
        content: bytes,
        *,
        received_at: datetime | None = None,
        folder: str = "INBOX",
        flags: Iterable[str] = (),
    ) -> int:
        """Put a message into a mailbox, and return its UID.

        Args:
            user: whose mailbox.
            content: RFC 5322 bytes, kept as they are.
            received_at: its date of arrival; ``None``: now.
            folder: where, which must be there.
            flags: such as ``\\Seen``; without any it is new to all.
        """
        marked = frozenset(Flag(flag) for flag in flags)
        message = AppendMessage(content, received_at, marked)

        async def append() -> int:
            found = await self._mailboxes[user].get_mailbox(folder)
            return (await found.append(message, recent=not marked)).uid

        return asyncio.run_coroutine_threadsafe(append(), self._loop).result(SECONDS)

    def add_folder(self, user: str, folder: str) -> None:
        """Make an empty folder."""

        async def make() -> None:
            await self._mailboxes[user].add_mailbox(folder)

        asyncio.run_coroutine_threadsafe(make(), self._loop).result(SECONDS)

    def flags(self, user: str, folder: str = "INBOX") -> dict[int, frozenset[str]]:
        """Return each message's flags by UID, with ``\\Recent`` of those that nobody was told of yet."""

        async def look() -> dict[int, frozenset[str]]:
            found = await self._mailboxes[user].get_mailbox(folder)
            return {
                message.uid: frozenset(
                    [str(flag) for flag in message.permanent_flags] + ["\\Recent"] * message.recent
                )
                async for message in found.messages()
            }

        return asyncio.run_coroutine_threadsafe(look(), self._loop).result(SECONDS)

    async def _prepare(self) -> None:
        # Locks inside know the loop that they were made in.
        self._plain.apply_context()
        for user in self.users:
            self._mailboxes[user] = mailboxes = MailboxSet()
            self._plain.set_cache[user] = (mailboxes, FilterSet())

    def _session(self, *, over_tls: bool) -> asyncio.BaseProtocol:
        sessions = IMAPSessions(self._login, self._over_tls if over_tls else self._plain)
        reader = asyncio.StreamReader(loop=self._loop)
        talk = ProxyProtocolReader(ProxyProtocolNoop()).get_callback(sessions)
        return asyncio.StreamReaderProtocol(reader, talk, loop=self._loop)


class _Settings(Config):
    """Settings of one kind of connection: with STARTTLS to be had, or encrypted already."""

    def __init__(self, tls: ssl.SSLContext, *, starttls: bool) -> None:
        super().__init__(
            Namespace(passlib_cfg=None, proxy_protocol=None),
            host=None,
            port=0,
            ssl_context=tls,
            tls_enabled=starttls,
            hash_context=HASH,
            invalid_user_sleep=0,
            demo_data=False,
            demo_user="",
            demo_password="",
        )

    @property
    def greeting(self) -> bytes:
        """Return a text that needs no name to be looked up."""
        return GREETING
