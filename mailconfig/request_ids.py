"""The id of the request that is being answered: the client's or our own, in the answer, in log lines and on the mail it queues."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

MAX_LENGTH = 128
PATTERN = f"^[!-~]{{1,{MAX_LENGTH}}}$"
"""Of ids that a client may choose."""
_VALID = re.compile(rf"[\x21-\x7e]{{1,{MAX_LENGTH}}}")
_current: ContextVar[str] = ContextVar("mailconfig_request_id", default="")


def is_valid(text: str) -> bool:
    """Return whether this can be the id of a request."""
    return _VALID.fullmatch(text) is not None


@contextmanager
def answering(request_id: str) -> Iterator[None]:
    """Make it what :func:`current` gives while a request is answered."""
    token = _current.set(request_id)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> str:
    """The id of the request that is being answered; ``""``: none is."""
    return _current.get()


def current_or_none() -> str | None:
    """The same for a column: ``None``: none is."""
    return current() or None
