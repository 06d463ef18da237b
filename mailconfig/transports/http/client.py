"""One request and its answer, all of it within one deadline and within caps.

h11 reads and writes the protocol and opens nothing, so what holds elsewhere holds here: the gate vets and connects, and
each byte comes through :class:`Stream` under one deadline. There are no proxies, no environment, no cookies, no
redirects followed, no connection kept (:mod:`.kept` has one that is), and nothing is decompressed: 1 MB may be 1 GB then.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from mailconfig.exceptions import HostNotAllowed, UrlNotAllowed
from mailconfig.http_urls import HttpUrl, InvalidUrl, check_url
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.network import gate
from mailconfig.transports.network.deadline import Deadline
from mailconfig.transports.network.stream import Stream
from mailconfig.values import ErrorCode, Stage

from .exchange import Exchange
from .messages import HttpAnswer, HttpRequest, OpenAnswer

MOST_SECONDS = 60.0
"""Bound on a request for which nobody gave one."""


def send_request(
    request: HttpRequest,
    surroundings: Surroundings,
    *,
    most_bytes: int,
    deadline: Deadline | None = None,
) -> HttpAnswer:
    """Make a request and read the answer to its end, whatever its status.

    Args:
        request: what is asked.
        surroundings: policy and timeouts; ``timeouts.total`` bounds everything from the look-up to the last byte.
        most_bytes: the longest body that is taken.
        deadline: one that goes on over several requests, instead of a total.

    Raises:
        ValueError: the request has a field that cannot be written, or that is not the caller's to set.
        UrlNotAllowed: no URL for us, or a host or port that policy forbids; nothing was connected.
        ConnectionFailed, TLSFailed: no connection came about; see :mod:`mailconfig.transports.network.gate`.
        AnswerEncoded, AnswerTooLarge, SessionLost, ProtocolError: see :meth:`OpenAnswer.chunks`; ``ambiguous``: a part
            of the body (without one: the whole request) was sent by then, the method is one that may change something,
            and no status says that nothing was done.
    """
    with open_request(request, surroundings, most_bytes=most_bytes, deadline=deadline) as answer:
        return HttpAnswer(status=answer.status, headers=answer.headers, body=b"".join(answer.chunks()))


@contextmanager
def open_request(
    request: HttpRequest,
    surroundings: Surroundings,
    *,
    most_bytes: int,
    deadline: Deadline | None = None,
) -> Iterator[OpenAnswer]:
    """Make a request and read the answer as far as its body, which the caller reads or leaves.

    Leaving the context closes the connection. Arguments and errors are those of :func:`send_request`.
    """
    url = vetted_url(request, surroundings)
    exchange = Exchange(request, url, most_bytes=most_bytes)
    deadline = deadline or Deadline(surroundings.timeouts.total or MOST_SECONDS)
    stream = Stream(
        connected(url, surroundings, deadline),
        deadline=deadline,
        on_wait=surroundings.on_wait,
        wait_slice=surroundings.wait_slice,
    )
    try:
        exchange.begin(stream)
        yield exchange
    finally:
        stream.close()


def vetted_url(request: HttpRequest, surroundings: Surroundings) -> HttpUrl:
    """Return the request's URL in its parts.

    Raises:
        UrlNotAllowed: it is no URL for us, or has a host or port that policy forbids; nothing was looked up.
    """
    policy = surroundings.policy
    try:
        url = check_url(request.url, plain_http=policy.allow_plain_http, listed=policy.allowed_hosts)
        gate.vet_host(url.host, url.port, policy)
    except InvalidUrl as error:
        words = f"This is no URL that may be used: {error}."
    except HostNotAllowed as error:
        words = str(error)
    else:
        return url
    raise UrlNotAllowed(
        words, stage=Stage.RESOLVE, code=ErrorCode.HOST_NOT_ALLOWED, field="url", temporary=False
    )


def connected(url: HttpUrl, surroundings: Surroundings, deadline: Deadline) -> socket.socket:
    """Return a connected socket to the URL's host, in verified TLS unless the URL begins with ``http://``.

    Raises:
        ConnectionFailed, TLSFailed: see :mod:`mailconfig.transports.network.gate`.
    """
    policy, timeouts = surroundings.policy, surroundings.timeouts
    started = monotonic()
    addresses = gate.resolve(url.host, url.port, policy, resolver=surroundings.resolver, deadline=deadline)
    started = _done(surroundings, Stage.RESOLVE, started)
    sock = gate.connect(addresses, url.host, url.port, policy, seconds=timeouts.connect, deadline=deadline)
    try:
        started = _done(surroundings, Stage.CONNECT, started)
        if url.scheme == "http":
            return sock
        # A body that ends with the connection is whole only if TLS says that it ended (RFC 9112 §9.8).
        sock = gate.secure(
            sock,
            url.host,
            policy,
            seconds=timeouts.banner,
            deadline=deadline,
            plain_hint="",
            needs_goodbye=True,
        )
        _done(surroundings, Stage.TLS, started)
    except BaseException:  # no socket stays open, whatever on_stage raises
        with contextlib.suppress(OSError):
            sock.close()
        raise
    return sock


def _done(surroundings: Surroundings, stage: Stage, started: float) -> float:
    now = monotonic()
    if surroundings.on_stage is not None:
        surroundings.on_stage(stage, now - started, "")
    return monotonic()
