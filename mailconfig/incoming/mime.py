"""The parts of a message (RFC 2046), found in one pass: no recursion, and no work by the square of anything."""

from __future__ import annotations

import re
from binascii import a2b_qp
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from mailconfig.incoming.base64 import decode_base64
from mailconfig.incoming.header import Header, read_header

DEEPEST: Final = 20
"""Multiparts within each other. Deeper ones are left out, as are those whose boundary is that of one around them."""
MOST_PARTS: Final = 1_000
_LONGEST_BOUNDARY: Final = 200
_CONTENT_TYPE = re.compile(r"[^\s/]+/[^\s/]+")


class Container(NamedTuple):
    """A multipart, and the number of the part in it that a leaf is in."""

    content_type: str
    begins_at: int
    """Tells it from all others of the message."""
    part: int


@dataclass(frozen=True, slots=True)
class Leaf:
    """A part that holds no others; an enclosed message (message/rfc822) is one, too."""

    header: Header
    content_type: str
    parameters: dict[str, str]
    containers: tuple[Container, ...]
    """The outermost first."""
    body: bytes
    """As it was sent: see :meth:`decoded_body`."""

    @property
    def is_attachment(self) -> bool:
        """Tell whether it is a file beside the text, not part of it."""
        disposition, parameters = self.header.parameters("content-disposition")
        # RFC 2231 puts * and a number behind names.
        names = {name.partition("*")[0] for name in (*parameters, *self.parameters)}
        return disposition == "attachment" or not names.isdisjoint({"filename", "name"})

    def decoded_body(self) -> bytes:
        """Return the body without its Content-Transfer-Encoding (RFC 2045 §6); an unknown one is left as it is."""
        encoding = self.header.word("content-transfer-encoding")
        if encoding == "base64":
            return decode_base64(self.body)
        return a2b_qp(self.body) if encoding == "quoted-printable" else self.body


class _Open(NamedTuple):
    delimiter: bytes
    content_type: str
    begins_at: int


class _Parts:
    """Multiparts that are open at a point of the message."""

    def __init__(self) -> None:
        self.open: list[_Open] = []
        self.numbers: list[int] = []
        self._levels: dict[bytes, int] = {}

    def begin(self, multipart: _Open) -> None:
        """Go into a multipart, unless that is too deep, or its delimiter is that of one around it."""
        if len(self.open) < DEEPEST and not self.is_delimiter(multipart.delimiter):
            self._levels[multipart.delimiter] = len(self.open)
            self.open.append(multipart)
            self.numbers.append(0)

    def _leave(self, level: int) -> None:
        """Leave the multiparts from this level on, also those that never ended."""
        for multipart in self.open[level:]:
            del self._levels[multipart.delimiter]
        del self.open[level:], self.numbers[level:]

    def level_of(self, line: bytes) -> tuple[int, bool] | None:
        """Return the number of the multipart that a line delimits the parts of, and whether it ends it; ``None``: it delimits none."""
        line = line.rstrip(b" \t\r\n")
        level = self._levels.get(line)
        if level is not None:
            return level, False
        level = self._levels.get(line[:-2]) if line.endswith(b"--") else None
        return None if level is None else (level, True)

    def is_delimiter(self, line: bytes) -> bool:
        return self.level_of(line) is not None

    def next_part(self, octets: bytes, at: int) -> tuple[int, int]:
        """Go on to where the next part begins.

        Returns:
            Where what is before it ends, and where it begins; -1 if there is none.
        """
        end = -1
        line = at if octets.startswith(b"--", at) else octets.find(b"\n--", at) + 1
        while self.open and (line or octets.startswith(b"--", line)):
            stop = octets.find(b"\n", line)
            stop = len(octets) if stop < 0 else stop
            level = self.level_of(octets[line:stop])
            if level is not None:
                # The line end before a delimiter belongs to it (RFC 2046 §5.1.1).
                end = _without_line_end(octets, line, at) if end < 0 else end
                number, is_end = level
                self._leave(number if is_end else number + 1)
                if not is_end:
                    self.numbers[number] += 1
                    return end, min(stop + 1, len(octets))
            line = octets.find(b"\n--", stop) + 1
            if not line:
                break
        return (len(octets) if end < 0 else end), -1

    def containers(self) -> tuple[Container, ...]:
        return tuple(
            Container(each.content_type, each.begins_at, number)
            for each, number in zip(self.open, self.numbers, strict=True)
        )


def leaves(octets: bytes, *, header: Header | None = None, body: int = 0) -> Iterator[Leaf]:
    """Yield the parts of a message in their order, :data:`MOST_PARTS` at most.

    What was cut off is not missed: the last part ends with the octets.

    Args:
        octets: of the message.
        header: of the message, if it was read already.
        body: where what follows it begins.
    """
    parts = _Parts()
    at = 0
    count = 0
    if header is None:
        header, body = read_header(octets)
    first_body = body
    for _number in range(2 * MOST_PARTS):
        if at:
            header, body = read_header(octets, at, is_delimiter=parts.is_delimiter)
        content_type, parameters = header.parameters("content-type")
        if not _CONTENT_TYPE.fullmatch(content_type):
            content_type = "text/plain"  # RFC 2045 §5.2
        boundary = parameters.get("boundary", "").rstrip()[:_LONGEST_BOUNDARY].encode("utf-8", "replace")
        if content_type.startswith("multipart/") and boundary:
            parts.begin(_Open(b"--" + boundary, content_type, body))
            _end, at = parts.next_part(octets, body)
            if at < 0 and body == first_body:  # it only says that it has parts
                yield Leaf(header, "text/plain", {}, (), octets[body:])
        else:
            containers = parts.containers()
            end, at = parts.next_part(octets, body)
            yield Leaf(header, content_type, parameters, containers, octets[body:end])
            count += 1
        if at < 0 or count == MOST_PARTS:
            return


def _without_line_end(octets: bytes, at: int, least: int) -> int:
    if at > least and octets[at - 1 : at] == b"\n":
        at -= 1
        if at > least and octets[at - 1 : at] == b"\r":
            at -= 1
    return at
