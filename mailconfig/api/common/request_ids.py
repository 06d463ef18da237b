"""The id of a request, as HTTP has it: the client's or our own, in the answer and in every log line."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.http import HttpRequest

from mailconfig.request_ids import answering, current, is_valid

HEADERS = ("X-Request-ID", "Request-ID")
"""Header fields that hold it, the one that counts first."""


def given_by(request: HttpRequest, headers: Sequence[str] = HEADERS) -> str | None:
    """Return what the client gave as the id, whether it can be one or not; ``None``: nothing."""
    found = [request.headers[name] for name in headers if name in request.headers]
    return next(filter(None, found), "") if found else None


@contextmanager
def named(request: HttpRequest, headers: Sequence[str] = HEADERS) -> Iterator[str]:
    """While the request is answered :func:`~mailconfig.request_ids.current` gives its id: the client's if it is one, else a new one."""
    given = given_by(request, headers) or ""
    request_id = given if is_valid(given) else uuid.uuid4().hex
    with answering(request_id):
        yield request_id


class RequestIdFilter(logging.Filter):
    """For the host's ``LOGGING``: gives every record ``request_id``."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true."""
        record.request_id = current()
        return True
