"""Bytes to and from a connected socket: each step with a deadline, whatever is spoken over it."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from collections.abc import Callable
from time import monotonic

from mailconfig.transports.scrubber import Scrubber

from .deadline import Deadline

_RECEIVE = 64 * 1024


class EndOfStream(ConnectionResetError):
    """The other side has closed, in good order as far as the connection tells."""


def _poll_for(sock: socket.socket) -> select.poll:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return poll


class Stream:
    """Sends blocks, and fills a buffer that the protocol's own wire reads its answers from.

    ``on_wait`` is called about every ``wait_slice`` seconds by the clock, whether an answer is awaited or a body goes
    out slowly but steadily; what it raises passes through. Errors: :class:`TimeoutError` when a deadline is over, other
    :class:`OSError` when the connection is gone. None of them closes the socket.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        deadline: Deadline,
        on_wait: Callable[[], None] | None = None,
        wait_slice: float = 20.0,
    ) -> None:
        self.deadline = deadline
        self.on_wait = on_wait
        self._sock = sock
        self._poll = _poll_for(sock)
        self._slice = wait_slice
        self._next_wait = monotonic() + wait_slice
        self._seconds: float | None = None
        self._buffer = bytearray()
        self.scrubber = Scrubber()

    @property
    def sock(self) -> socket.socket:
        """The socket, plain or TLS."""
        return self._sock

    def replace(self, sock: socket.socket) -> None:
        """Go on over another socket: the same one wrapped in TLS."""
        self._sock = sock
        self._poll = _poll_for(sock)
        self._seconds = None

    @property
    def has_unread(self) -> bool:
        """Return whether bytes have come that no answer asked for claimed."""
        return bool(self._buffer)

    def send(self, data: bytes, seconds: float) -> None:
        """Write all of ``data`` within ``seconds``."""
        until = self.deadline.step(seconds)
        size = len(data)
        try:
            # A server that takes each block at once, but slowly, never makes us wait within one.
            self._waited(None)
            sent = self._send_some(data, until)
            if sent != size:
                with memoryview(data) as view:
                    while sent < size:
                        self._waited(None)
                        sent += self._send_some(view[sent:], until)
        except OSError as error:
            # It may hold a credential, and error reporters show the variables of every frame.
            data = b""
            raise error.with_traceback(None) from None
        except BaseException:  # of on_wait
            data = b""
            raise

    def _send_some(self, data: bytes | memoryview, until: float) -> int:
        self._set_timeout(until)
        try:
            return self._sock.send(data)
        except (TimeoutError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass  # what on_wait raises shall have neither this error behind it nor the data beside it
        data = b""
        self._waited(until)
        return 0

    def receive(self, seconds: float) -> bytes:
        """Return what has come and was not read, or what comes next within ``seconds``.

        Raises:
            EndOfStream: nothing comes any more.
        """
        if not self._buffer:
            self._fill(self.deadline.step(seconds))
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    def has_come(self) -> bool:
        """Return whether (a part of) an answer has come that was not read; never waits. Empty lines are none.

        Raises:
            ConnectionResetError: nothing has, and the server has closed.
        """
        if self._buffer.strip():
            return True
        if not self._is_readable():
            return False
        self._sock.settimeout(0)
        self._seconds = 0.0
        try:
            data = self._sock.recv(_RECEIVE)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False  # TLS had something to say, not the server
        if not data:
            raise ConnectionResetError("the server closed the connection")
        self._buffer += data
        return bool(self._buffer.strip())

    def _is_readable(self) -> bool:
        if isinstance(self._sock, ssl.SSLSocket) and self._sock.pending():
            return True
        return bool(self._poll.poll(0))

    def _fill(self, until: float) -> None:
        """Read what comes next.

        It is the server's time that is bounded, and not ours: after the end it is looked once more for what has come by
        then, since this process may have stood still meanwhile.

        Raises:
            TimeoutError: nothing has.
        """
        self._waited(None)  # before, never after: what it raises must not lose an answer that has come
        while True:
            left = until - monotonic()
            self._set_seconds(min(left, self._slice) if left > 0 else 0.0)
            try:
                data = self._sock.recv(_RECEIVE)
            except (TimeoutError, BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                if left <= 0:
                    raise TimeoutError from None
                self._waited(None)
                continue
            if not data:
                raise EndOfStream("the server closed the connection")
            self._buffer += data
            return

    def _waited(self, until: float | None) -> None:
        now = monotonic()
        if until is not None and now >= until:
            raise TimeoutError
        if now >= self._next_wait:
            self._next_wait = now + self._slice
            if self.on_wait is not None:
                self.on_wait()

    def _set_timeout(self, until: float) -> None:
        """Until the next slice or the end; setting the same time-out again would cost a system call."""
        left = until - monotonic()
        if left <= 0:
            raise TimeoutError
        self._set_seconds(min(left, self._slice))

    def _set_seconds(self, seconds: float) -> None:
        if seconds != self._seconds:
            self._sock.settimeout(seconds)
            self._seconds = seconds

    def close(self) -> None:
        """Drop the connection; never raises."""
        self._buffer.clear()
        with contextlib.suppress(OSError):
            self._sock.close()
