"""The id of the request that is being answered: the client's or our own, in the answer and in every log line."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.http import HttpRequest

_current: ContextVar[str] = ContextVar("mailconfig_request_id", default="")
_VALID = re.compile(r"[\x21-\x7e]{1,128}")


@contextmanager
def named(request: HttpRequest) -> Iterator[str]:
    """While the request is answered :func:`current` gives its id: X-Request-ID or Request-ID if it is one, else new."""
    given = request.headers.get("X-Request-ID") or request.headers.get("Request-ID") or ""
    request_id = given if _VALID.fullmatch(given) else uuid.uuid4().hex
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
