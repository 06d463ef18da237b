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

OURS = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "te", "trailer"}
    | {"upgrade", "expect", "proxy-authorization", "proxy-connection", "keep-alive"}
)
"""Fields that make a connection what it is: a caller sets none of them."""
_NO_HTTP = "This is no web server, or a broken one."


class Exchange:
    """A request and its answer. See :class:`.messages.OpenAnswer`."""

    def __init__(self, request: HttpRequest, url: HttpUrl, *, most_bytes: int, keep: bool = False) -> None:
        """Write the request down; nothing is sent.

        Args:
            request: what is asked.
            url: its URL, vetted.
            most_bytes: the longest body that is taken.
            keep: whether another request may follow over the same connection; see :attr:`may_go_on`.

        Raises:
            ValueError: it has a field that cannot be written, or that is not the caller's. The value is not repeated.
        """
        self.status = 0
        self.headers = HttpHeaders()
        self._most = most_bytes
        self._is_head = request.method == "HEAD"
        self._changes_nothing = request.method in {"GET", "HEAD", "OPTIONS"}
        self._begun = self._all_sent = False
        self._server_closed = False
        self._through = False
        self._protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        self._head = self._written_head(request, url, keep=keep)
        self._body = self._protocol.send(h11.Data(data=request.body)) if request.body else b""
        self._body = (self._body or b"") + (self._protocol.send(h11.EndOfMessage()) or b"")

    def _written_head(self, request: HttpRequest, url: HttpUrl, *, keep: bool) -> bytes:
        given = {name.lower() for name, _value in request.headers}
        if wrong := sorted(given & OURS):
            raise ValueError(f"these fields are not the caller's: {', '.join(wrong)}")
        headers = [("Host", url.authority), *request.headers]
        usual = {"User-Agent": f"mailconfig/{__version__}", "Accept": "*/*"}
        headers += [(name, value) for name, value in usual.items() if name.lower() not in given]
        headers.append(("Accept-Encoding", "identity"))
        if not keep:
            headers.append(("Connection", "close"))
        if request.body or request.method not in {"GET", "HEAD"}:
            headers.append(("Content-Length", str(len(request.body))))
        try:
            head = h11.Request(method=request.method, target=url.target, headers=headers)
        except (h11.LocalProtocolError, UnicodeEncodeError):
            raise ValueError("the request has a field that cannot be written") from None
        return self._protocol.send(head) or b""

    @property
    def may_go_on(self) -> bool:
        """Return whether the answer came whole, and the connection may take another request (RFC 9112 §9.3)."""
        return (
            self._through
            and self._all_sent
            and not self._server_closed
            and self._protocol.our_state is h11.DONE
            and self._protocol.their_state is h11.DONE
            and not self._protocol.trailing_data[0]
        )

    @property
    def _in_doubt(self) -> bool:
        """Return whether the server may have done what was asked, as far as nothing says that it has not."""
        return self._begun and not self._changes_nothing and self.status < 400

    def begin(self, stream: Stream) -> None:
        """Send the request, and read the answer as far as its body.

        Raises:
            SessionLost, ProtocolError: none came.
        """
        self._stream = stream
        try:
            stream.send(self._head, math.inf)
            self._begun = True
            if self._body:
                stream.send(self._body, math.inf)
            self._all_sent = True
        except OSError as error:
            # Who has answered before all was read may close: the answer counts.
            if not self._has_answer():
                raise self._lost(error) from None
        finally:
            self._head = self._body = b""
        for _ in range(_MOST_INTERIM + 1):
            event = self._next()
            if isinstance(event, h11.Response):
                self._take_head(event)
                return
            if not isinstance(event, h11.InformationalResponse):
                raise self._broken(_NO_HTTP)
        raise self._broken("The web server sends interim answers without end.")

    def _take_head(self, event: h11.Response) -> None:
        pairs = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers)
        if sum(len(name) + len(value) + 4 for name, value in pairs) > MAX_HEAD:
            raise self._too_long_head()
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
                raise self._broken(_NO_HTTP)
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
                ambiguous=self._in_doubt,
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
            raise self._lost(error) from None

    def _has_answer(self) -> bool:
        try:
            return self._stream.has_come()
        except OSError:
            return False

    def _no_http(self, error: h11.RemoteProtocolError) -> TransportError:
        if error.error_status_hint == 431:
            return self._too_long_head()
        if self._server_closed:
            return self._lost(ConnectionResetError("the answer ended before its end"))
        return self._broken(_NO_HTTP)

    def _lost(self, error: OSError) -> TransportError:
        return lost(Stage.REQUEST, error, ambiguous=self._in_doubt)

    def _broken(self, message: str) -> TransportError:
        return broken(message, Stage.REQUEST, ambiguous=self._in_doubt)

    def _too_long_head(self) -> TransportError:
        return self._broken(f"The web server sends a header of more than {MAX_HEAD} bytes.")

    def _too_large(self) -> AnswerTooLarge:
        return AnswerTooLarge(
            f"The web server's answer is longer than {self._most} bytes.",
            stage=Stage.REQUEST,
            code=ErrorCode.PROTOCOL_ERROR,
            field="url",
            temporary=False,
            ambiguous=self._in_doubt,
        )
