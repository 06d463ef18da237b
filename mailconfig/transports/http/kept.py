"""One connection that takes several requests, one after another, for as long as both sides keep it (RFC 9112 §9.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import monotonic

from mailconfig.http_urls import HttpUrl
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.network.deadline import Deadline
from mailconfig.transports.network.stream import Stream

from .client import MOST_SECONDS, connected, vetted_url
from .exchange import Exchange
from .messages import HttpAnswer, HttpRequest

MOST_IDLE_SECONDS = 10.0
"""A connection that nobody used for longer is opened anew: its server may be about to close it, and a request that
meets the closing is one of which nobody knows what became of it."""


class KeptConnection:
    """Makes requests as :func:`.client.send_request` does, over the same connection where that is possible.

    Another host, port or scheme is another connection: one is open at a time. No request is ever made twice. Not for two
    threads at a time.
    """

    def __init__(self, surroundings: Surroundings, *, most_bytes: int) -> None:
        """Connect to nobody yet.

        Args:
            surroundings: policy and timeouts; ``timeouts.total`` bounds each request, from the look-up to the last byte.
                Stages are told of the first connection alone.
            most_bytes: the longest body of an answer that is taken.
        """
        self.requests = 0
        """Requests of which something was sent."""
        self._surroundings = surroundings
        self._most_bytes = most_bytes
        self._stream: Stream | None = None
        self._server: tuple[str, str, int] | None = None
        self._used_at = 0.0

    def open(self, url: str, *, deadline: Deadline | None = None) -> None:
        """Connect to the server of a URL, if no good connection to it is open.

        Raises:
            UrlNotAllowed, ConnectionFailed, TLSFailed: as :func:`.client.send_request`.
        """
        self._stream_to(vetted_url(HttpRequest(url=url), self._surroundings), deadline or self._deadline())

    def send(
        self,
        request: HttpRequest,
        *,
        deadline: Deadline | None = None,
        before_sending: Callable[[], None] | None = None,
    ) -> HttpAnswer:
        """Make a request and read the answer to its end, whatever its status.

        Args:
            request: what is asked.
            deadline: one that goes on over several requests, instead of a total for each.
            before_sending: called once connected, right before the first byte goes out; what it raises passes through,
                and nothing was sent then. A kept connection that ended meanwhile is opened anew.

        Raises:
            As :func:`.client.send_request`. The connection is closed by then.
        """
        url = vetted_url(request, self._surroundings)
        exchange = Exchange(request, url, most_bytes=self._most_bytes, keep=True)
        deadline = deadline or self._deadline()
        stream = self._stream_to(url, deadline)
        if before_sending is not None:
            before_sending()
            # It may have taken its time, in which a kept connection ended: of this request nothing was sent yet.
            stream = self._stream_to(url, deadline)
        try:
            self.requests += 1
            exchange.begin(stream)
            answer = HttpAnswer(
                status=exchange.status, headers=exchange.headers, body=b"".join(exchange.chunks())
            )
        except BaseException:
            self.close()
            raise
        self._used_at = monotonic()
        if not exchange.may_go_on or stream.has_unread:
            self.close()
        return answer

    def _stream_to(self, url: HttpUrl, deadline: Deadline) -> Stream:
        """Return the open connection if it leads there and is still good, else a new one."""
        server = (url.scheme, url.host, url.port)
        if self._stream is not None and self._server == server and self._is_good(self._stream):
            self._stream.deadline = deadline
            return self._stream
        self.close()
        surroundings = self._surroundings
        self._stream = Stream(
            connected(url, surroundings, deadline),
            deadline=deadline,
            on_wait=surroundings.on_wait,
            wait_slice=surroundings.wait_slice,
        )
        self._server, self._used_at = server, monotonic()
        self._surroundings = replace(surroundings, on_stage=None)
        return self._stream

    def _deadline(self) -> Deadline:
        return Deadline(self._surroundings.timeouts.total or MOST_SECONDS)

    def _is_good(self, stream: Stream) -> bool:
        if monotonic() - self._used_at > MOST_IDLE_SECONDS:
            return False
        try:
            return not stream.has_come() and not stream.has_unread
        except OSError:
            return False

    @property
    def is_open(self) -> bool:
        """Return whether a connection is kept, as far as was noticed."""
        return self._stream is not None

    def close(self) -> None:
        """Drop the connection; never raises."""
        stream, self._stream, self._server = self._stream, None, None
        if stream is not None:
            stream.close()
