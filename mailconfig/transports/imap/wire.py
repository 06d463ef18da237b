"""Whole responses from a connected socket, with their literals (RFC 3501 §2.2.2, §4.3), each with a deadline and a cap."""

from __future__ import annotations

import re

from mailconfig.transports.network.stream import Stream

from .limits import Limits

_LITERAL = re.compile(rb"\{([0-9]{1,10})\+?\}\Z")
_ONLY_TEXT = re.compile(rb"\+|\S+ +(?:OK|NO|BAD|BYE|PREAUTH)(?: |\Z)", re.IGNORECASE)
"""A response that ends in words for people, which may end in braces as well."""


class BadAnswerError(Exception):
    """Something came that is no IMAP response, or is larger than one may be."""


class Budget:
    """The part of an answer's caps that is left."""

    __slots__ = ("_bytes", "_limits", "_responses", "_tokens")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bytes = limits.answer
        self._responses = limits.responses
        self._tokens = limits.answer_tokens

    def spend(self, size: int) -> None:
        """Take ``size`` bytes off.

        Raises:
            BadAnswerError: so many are not left.
        """
        self._bytes -= size
        if self._bytes < 0:
            raise BadAnswerError(f"the server's answer is longer than {self._limits.answer} bytes")

    def spend_response(self) -> None:
        """Take a response off.

        Raises:
            BadAnswerError: none is left.
        """
        self._responses -= 1
        if self._responses < 0:
            raise BadAnswerError(f"the server's answer has more than {self._limits.responses} parts")

    @property
    def most_tokens(self) -> int:
        """Return how many tokens the next response may have."""
        return min(self._limits.tokens, self._tokens)

    def spend_literal(self) -> None:
        """Take a literal off, whoever will take it apart: an empty one costs more time and memory than it has bytes.

        Raises:
            BadAnswerError: none is left.
        """
        self._tokens -= 1
        if self._tokens < 0:
            raise BadAnswerError("the server's answer has too many parts")

    def spend_tokens(self, count: int) -> None:
        """Take tokens off that there were left."""
        self._tokens -= count


class Wire(Stream):
    """A stream of responses. What is none is a :class:`BadAnswerError`, which does not close the socket."""

    limits: Limits

    def read(self, until: float, budget: Budget) -> list[bytes]:
        """Return the next response, which has to be whole at the monotonic time ``until``: line, literal, line, …

        Lines have lost their ends, and all but the last end in the announcement of the literal behind them. Empty lines
        before a response are none.

        Raises:
            BadAnswerError: it is longer than it may be.
        """
        line = b""
        while not line:
            budget.spend_response()
            line = self._read_line(until, budget)
        pieces = [line]
        if _ONLY_TEXT.match(line):
            return pieces
        while found := _LITERAL.search(line):
            size = int(found[1])
            if size > self.limits.literal:
                raise BadAnswerError(f"the server announces more than {self.limits.literal} bytes at once")
            if len(pieces) // 2 >= self.limits.tokens:
                raise BadAnswerError("the server's answer has too many parts")
            budget.spend_literal()
            budget.spend(size)
            pieces.append(self._read_literal(size, until))
            line = self._read_line(until, budget)
            pieces.append(line)
        return pieces

    def _read_line(self, until: float, budget: Budget) -> bytes:
        buffer, searched = self._buffer, 0
        while (end := buffer.find(b"\n", searched, self.limits.line)) < 0:
            if len(buffer) >= self.limits.line:
                raise BadAnswerError(f"the server sends a line of more than {self.limits.line} bytes")
            searched = len(buffer)
            self._fill(until)
        budget.spend(end + 1)
        line = bytes(buffer[:end]).rstrip(b"\r")
        del buffer[: end + 1]
        return line

    def _read_literal(self, size: int, until: float) -> bytes:
        buffer = self._buffer
        while len(buffer) < size:
            self._fill(until)
        literal = bytes(buffer[:size])
        del buffer[:size]
        return literal
