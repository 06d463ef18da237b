"""An adapter for the ``requests`` library, by which what is built on that library connects through the gate.

Needs the package ``requests``, which comes with the extras that use it: import this module where it is used. A session
that it is mounted on opens no connection of its own::

    session.trust_env = False  # else requests looks for passwords in a .netrc
    session.mount("https://", GateAdapter(surroundings, most_bytes=1_000_000))
    session.mount("http://", session.get_adapter("https://"))
"""

from __future__ import annotations

import http.client
from collections.abc import Callable
from io import BytesIO
from typing import Any, cast

from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers

from mailconfig.transports.contract import Surroundings
from mailconfig.transports.network.deadline import Deadline

from .exchange import OURS
from .kept import KeptConnection
from .messages import HttpAnswer, HttpRequest


class GateResponse(Response):
    """An answer that no session takes for a redirect to follow; ``Location`` stands in its headers."""

    @property
    def is_redirect(self) -> bool:
        """Return ``False``."""
        return False


class GateAdapter(BaseAdapter):
    """Makes requests by our own client: gate, verified TLS, one deadline, caps, nothing followed or decompressed.

    What a session says of proxies, certificates, streaming and time is left aside: the deployment says that. Cookies are
    not kept. Connections are, one for each adapter, so an adapter is not for two threads at a time.

    Errors are those of :func:`mailconfig.transports.http.send_request`, no ``RequestException``: what catches those, to
    ask again or to say it in other words, has to let ours pass.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        *,
        most_bytes: int,
        before_sending: Callable[[], None] | None = None,
    ) -> None:
        """Connect to nobody yet.

        Args:
            surroundings: policy and timeouts; ``timeouts.total`` bounds each request.
            most_bytes: the longest body of an answer that is taken.
            before_sending: called right before the first byte of each request; see :meth:`.kept.KeptConnection.send`.
        """
        super().__init__()
        self.before_sending = before_sending
        self.deadline: Deadline | None = None
        """One over several requests, instead of a total for each; may be set between them."""
        self.connection = KeptConnection(surroundings, most_bytes=most_bytes)
        """Over which the requests go; others may go over it between them."""

    @property
    def requests_sent(self) -> int:
        """Return how many requests there were of which something was sent."""
        return self.connection.requests

    def send(self, request: PreparedRequest, *_: Any, **__: Any) -> Response:
        """Make the request, and return the answer with its body read.

        Raises:
            ValueError: a body that is neither bytes nor text.
            TransportError: as :func:`mailconfig.transports.http.send_request`; ``ambiguous`` tells whether the body had
                begun to be sent.
        """
        fields = [(name, _text(value)) for name, value in request.headers.items() if name.lower() not in OURS]
        wanted = HttpRequest(
            method=cast("str", request.method),
            url=cast("str", request.url),
            headers=tuple(fields),
            body=_body(request.body),
        )
        answer = self.connection.send(wanted, deadline=self.deadline, before_sending=self.before_sending)
        return _response(request, answer, self)

    def close(self) -> None:
        """Drop the connection; never raises."""
        self.connection.close()


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _body(body: object) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes | bytearray):
        return bytes(body)
    raise ValueError("only bytes and text can be sent")


def _response(request: PreparedRequest, answer: HttpAnswer, adapter: BaseAdapter) -> Response:
    response = GateResponse()
    response.status_code = answer.status
    response.reason = http.client.responses.get(answer.status, "")
    names = dict.fromkeys(name for name, _value in answer.headers.pairs)
    response.headers = CaseInsensitiveDict({name: ", ".join(answer.headers.get_all(name)) for name in names})
    response.encoding = get_encoding_from_headers(response.headers)
    response.url = cast("str", request.url)
    response.request = request
    response.raw = BytesIO(answer.body)
    response.connection = cast("Any", adapter)  # as the library's own adapter does
    return response
