"""Requests and answers as values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request. Fields and body may hold secrets, so they do not show themselves."""

    method: str = "GET"
    url: str
    """Absolute, as :func:`mailconfig.http_urls.check_url` takes it."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Fields besides those that make the connection what it is, which are set here."""
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class HttpHeaders:
    """Fields of an answer in their order; names in lower case, values as Latin-1 (RFC 9110 §5.5)."""

    pairs: tuple[tuple[str, str], ...] = ()

    def get_all(self, name: str) -> tuple[str, ...]:
        """Return the values of all fields of that name."""
        name = name.lower()
        return tuple(value for found, value in self.pairs if found == name)

    def get(self, name: str, default: str = "") -> str:
        """Return the first value of that name."""
        return next(iter(self.get_all(name)), default)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """An answer that was read to its end. The body may hold secrets, so it does not show itself."""

    status: int
    headers: HttpHeaders
    body: bytes = field(repr=False)


class OpenAnswer(Protocol):
    """An answer whose body is still to come."""

    @property
    def status(self) -> int:
        """Return the status code, 200 or more."""
        ...

    @property
    def headers(self) -> HttpHeaders:
        """Return the fields before the body."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """Return the body in pieces as they come, once; nothing of it is held here.

        Raises:
            AnswerEncoded: it is compressed, although nobody asked for that.
            AnswerTooLarge: it is longer than the caller takes, or says so.
            SessionLost: it did not come whole, or not in time.
            ProtocolError: what came is no HTTP.
        """
        ...
