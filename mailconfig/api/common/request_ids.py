"""The id of the request that is being answered: the client's or our own, in the answer and in every log line."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from django.http import HttpRequest

_current: ContextVar[str] = ContextVar("mailconfig_request_id", default="")
PATTERN = "^[!-~]{1,128}$"
"""Of ids that a client may choose."""
_VALID = re.compile(r"[\x21-\x7e]{1,128}")
HEADERS = ("X-Request-ID", "Request-ID")
"""Header fields that hold it, the one that counts first."""


def is_valid(text: str) -> bool:
    """Return whether this can be the id of a request."""
    return _VALID.fullmatch(text) is not None


def given_by(request: HttpRequest, headers: Sequence[str] = HEADERS) -> str | None:
    """Return what the client gave as the id, whether it can be one or not; ``None``: nothing."""
    found = [request.headers[name] for name in headers if name in request.headers]
    return next(filter(None, found), "") if found else None


@contextmanager
def named(request: HttpRequest, headers: Sequence[str] = HEADERS) -> Iterator[str]:
    """While the request is answered :func:`current` gives its id: the client's if it is one, else a new one."""
    given = given_by(request, headers) or ""
    request_id = given if is_valid(given) else uuid.uuid4().hex
    token = _current.set(request_id)
    try:
        yield request_id
    finally:
        _current.reset(token)


def current() -> str:
    """The id of the request that is being answered; ``""``: none is."""
    return _current.get()


class RequestIdFilter(logging.Filter):
    """For the host's ``LOGGING``: gives every record ``request_id``."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true."""
        record.request_id = current()
        return True
