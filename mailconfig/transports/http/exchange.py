"""The dialogue of one request over a connected stream: what is written, and what may come back."""

from __future__ import annotations

import math
from collections.abc import Iterator

import h11

from mailconfig import __version__
from mailconfig.exceptions import AnswerEncoded, AnswerTooLarge, TransportError
from mailconfig.http_urls import HttpUrl
from mailconfig.transports.breaks import broken, lost
from mailconfig.transports.network.stream import EndOfStream, Stream
from mailconfig.values import ErrorCode, Stage

from .messages import HttpHeaders, HttpRequest

MAX_HEAD = 64 * 1024
"""Bytes that the lines before the body may have, and those behind a body in chunks."""
_MOST_INTERIM = 8
"""Answers of the class 1xx before the one that counts (RFC 9110 §15.2)."""

_OURS = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "te", "trailer"}
    | {"upgrade", "expect", "proxy-authorization", "proxy-connection", "keep-alive"}
)
"""Fields that make a connection what it is: a caller sets none of them."""
_NO_HTTP = "This is no web server, or a broken one."


class Exchange:
    """A request and its answer. See :class:`.messages.OpenAnswer`."""

    def __init__(self, request: HttpRequest, url: HttpUrl, *, most_bytes: int) -> None:
        """Write the request down; nothing is sent.

        Raises:
            ValueError: it has a field that cannot be written, or that is not the caller's. The value is not repeated.
        """
        self.status = 0
        self.headers = HttpHeaders()
        self._most = most_bytes
        self._is_head = request.method == "HEAD"
        self._server_closed = False
        self._through = False
        self._protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        self._data = self._written(request, url)

    def _written(self, request: HttpRequest, url: HttpUrl) -> bytes:
        given = {name.lower() for name, _value in request.headers}
        if wrong := sorted(given & _OURS):
            raise ValueError(f"these fields are not the caller's: {', '.join(wrong)}")
        headers = [("Host", url.authority), *request.headers]
        usual = {"User-Agent": f"mailconfig/{__version__}", "Accept": "*/*"}
        headers += [(name, value) for name, value in usual.items() if name.lower() not in given]
        headers += [("Accept-Encoding", "identity"), ("Connection", "close")]
        if request.body or request.method not in {"GET", "HEAD"}:
            headers.append(("Content-Length", str(len(request.body))))
        try:
            head = h11.Request(method=request.method, target=url.target, headers=headers)
        except (h11.LocalProtocolError, UnicodeEncodeError):
            raise ValueError("the request has a field that cannot be written") from None
        data = self._protocol.send(head)
        if request.body:
            data += self._protocol.send(h11.Data(data=request.body))
        return data + self._protocol.send(h11.EndOfMessage())

    def begin(self, stream: Stream) -> None:
        """Send the request, and read the answer as far as its body.

        Raises:
            SessionLost, ProtocolError: none came.
        """
        self._stream = stream
        try:
            stream.send(self._data, math.inf)
        except OSError as error:
            # Who has answered before all was read may close: the answer counts.
            if not self._has_answer():
                raise lost(Stage.REQUEST, error) from None
        finally:
            self._data = b""
        for _ in range(_MOST_INTERIM + 1):
            event = self._next()
            if isinstance(event, h11.Response):
                self._take_head(event)
                return
            if not isinstance(event, h11.InformationalResponse):
                raise broken(_NO_HTTP, Stage.REQUEST)
        raise broken("The web server sends interim answers without end.", Stage.REQUEST)

    def _take_head(self, event: h11.Response) -> None:
        pairs = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers)
        if sum(len(name) + len(value) + 4 for name, value in pairs) > MAX_HEAD:
            raise _too_long_head()
        self.status = event.status_code
        self.headers = HttpHeaders(pairs)

    def chunks(self) -> Iterator[bytes]:
        """Yield the body; see :meth:`.messages.OpenAnswer.chunks`."""
        if self._through:
            return
        self._refuse_what_cannot_be_taken()
        came = 0
        while not isinstance(event := self._next(), h11.EndOfMessage):
            if not isinstance(event, h11.Data):
                raise broken(_NO_HTTP, Stage.REQUEST)
            came += len(event.data)
            if came > self._most:
                raise self._too_large()
            yield bytes(event.data)
        self._through = True

    def _refuse_what_cannot_be_taken(self) -> None:
        codings = ",".join(self.headers.get_all("content-encoding")).split(",")
        if any(coding.strip().lower() not in {"", "identity"} for coding in codings):
            raise AnswerEncoded(
                "The web server sends compressed content, although none was asked for.",
                stage=Stage.REQUEST,
                code=ErrorCode.PROTOCOL_ERROR,
                field="url",
                temporary=False,
            )
        length = self.headers.get("content-length")
        if length and int(length) > self._most and not self._is_head and self.status not in {204, 304}:
            raise self._too_large()

    def _next(self) -> object:
        """Return the next event of the answer."""
        while True:
            try:
                event = self._protocol.next_event()
            except h11.RemoteProtocolError as error:
                raise self._no_http(error) from None
            if event is not h11.NEED_DATA:
                return event
            self._protocol.receive_data(self._receive())

    def _receive(self) -> bytes:
        """Return what came next; empty: the server has closed."""
        try:
            # Of a server that never lets us wait, too, the deadline is one.
            self._stream.deadline.seconds(math.inf)
            return self._stream.receive(math.inf)
        except EndOfStream:
            self._server_closed = True
            return b""
        except OSError as error:
            raise lost(Stage.REQUEST, error) from None

    def _has_answer(self) -> bool:
        try:
            return self._stream.has_come()
        except OSError:
            return False

    def _no_http(self, error: h11.RemoteProtocolError) -> TransportError:
        if error.error_status_hint == 431:
            return _too_long_head()
        if self._server_closed:
            return lost(Stage.REQUEST, ConnectionResetError("the answer ended before its end"))
        return broken(_NO_HTTP, Stage.REQUEST)

    def _too_large(self) -> AnswerTooLarge:
        return AnswerTooLarge(
            f"The web server's answer is longer than {self._most} bytes.",
            stage=Stage.REQUEST,
            code=ErrorCode.PROTOCOL_ERROR,
            field="url",
            temporary=False,
        )


def _too_long_head() -> TransportError:
    return broken(f"The web server sends a header of more than {MAX_HEAD} bytes.", Stage.REQUEST)
