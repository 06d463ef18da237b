"""Whole replies from a connected socket, each with a deadline and a cap."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable

from mailconfig.transports.network.deadline import Deadline
from mailconfig.transports.network.stream import Stream

from .replies import BadReplyError, Reply, parse_line, to_reply

_KNOWN = 32
"""Replies that are kept in their parsed form. The first ones are the ones that come again."""


class Wire(Stream):
    """A stream of SMTP replies. What is none is a :class:`BadReplyError`, which does not close the socket either."""

    def __init__(
        self,
        sock: socket.socket,
        *,
        deadline: Deadline,
        max_reply_bytes: int,
        on_wait: Callable[[], None] | None = None,
        wait_slice: float = 20.0,
    ) -> None:
        super().__init__(sock, deadline=deadline, on_wait=on_wait, wait_slice=wait_slice)
        self._max = max_reply_bytes
        self._known: dict[bytes, Reply] = {}

    def mask(self, masks: Iterable[tuple[str, str]]) -> None:
        """Write something else for these values in the replies that come; see :meth:`Scrubber.mask`."""
        self.scrubber.mask(masks)
        self._known.clear()

    def read_reply(self, seconds: float) -> Reply:
        """The next whole reply, within ``seconds``, cleaned."""
        buffer = self._buffer
        end = buffer.find(b"\n")
        if not 1 < end < self._max or buffer[3:4] == b"-":
            code, lines = self.read(seconds)
            return to_reply(code, lines, self.scrubber)
        # One line that has come already: with PIPELINING nearly all replies, and nearly always the same ones.
        line = bytes(buffer[:end])
        reply = self._known.get(line)
        if reply is None:
            code, _, text = parse_line(line.rstrip(b"\r"))
            reply = to_reply(code, [text], self.scrubber)
            if len(self._known) < _KNOWN:
                self._known[line] = reply
        del buffer[: end + 1]
        return reply

    def read(self, seconds: float) -> tuple[int, list[bytes]]:
        """The next whole reply, within ``seconds``: its code and the text of its lines. Empty lines before it are none.

        Raises:
            BadReplyError: see there; if the lines differ in their codes, it has them.
        """
        until = self.deadline.step(seconds)
        buffer = self._buffer
        codes: set[int] = set()
        code = 0
        lines: list[bytes] = []
        start = searched = 0
        while True:
            end = buffer.find(b"\n", searched)
            if end < 0:
                if len(buffer) > self._max:
                    raise BadReplyError(f"the server's answer is longer than {self._max} bytes")
                searched = len(buffer)
                self._fill(until)
                continue
            if end >= self._max:
                raise BadReplyError(f"the server's answer is longer than {self._max} bytes")
            line = bytes(buffer[start:end]).rstrip(b"\r")
            start = searched = end + 1
            if not (line or lines):
                continue
            code, more, text = parse_line(line)
            codes.add(code)
            lines.append(text)
            if not more:
                del buffer[:start]
                break
        if len(codes) > 1:
            message = "the lines of the server's answer have different codes"
            raise BadReplyError(message, code=code, lines=lines)
        return code, lines
