"""Listening sockets of the demo's mail servers, served from a thread: with TLS from the first byte or without, on one port."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from weakref import WeakSet

TLS_SECONDS = 1.0
"""So long a client that means to begin with TLS may take before it is greeted without."""
TLS_HANDSHAKE = b"\x16"
"""The first byte of a TLS connection (RFC 8446 §5.1)."""


class ListeningServer(ABC):
    """Serves listening sockets from a thread of its own, with an event loop.

    Args:
        listeners: bound and listening.
        tls: spoken from the first byte to whoever begins with it.
        name: of the thread.
        tls_seconds: how long a client that says nothing is taken for one that might begin with TLS.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        *,
        tls: ssl.SSLContext,
        name: str,
        tls_seconds: float = TLS_SECONDS,
    ) -> None:
        self._tls = tls
        self._tls_seconds = tls_seconds
        self._transports: WeakSet[asyncio.BaseTransport] = WeakSet()
        self._listeners = listeners
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    @abstractmethod
    def _session(self, *, over_tls: bool) -> asyncio.BaseProtocol:
        """Return what talks to a client that has just connected."""

    async def _prepare(self) -> None:  # noqa: B027 - who needs nothing makes nothing
        """Make what the loop is needed for, before anybody is accepted."""

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more; connections that are open are dropped."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._prepare())
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
        """A client that speaks first speaks TLS; any other waits for the greeting (RFC 5321 §3.1, RFC 3501 §3)."""
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
            first = await asyncio.wait_for(_first_byte(self._loop, connection), self._tls_seconds)
        except TimeoutError:
            return False
        return first == TLS_HANDSHAKE


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
