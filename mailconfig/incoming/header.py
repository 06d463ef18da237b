"""Header fields (RFC 5322 §2.2) out of octets that anybody may have written."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from mailconfig.incoming.charsets import decoded, one_line

MOST_FIELDS: Final = 10_000
MOST_OCTETS: Final = 262_144
"""Of a header; whatever follows of it is not read."""
_MOST_OF_FIELD: Final = 65_536
_END = re.compile(rb"\n\r?\n")
_NAME = re.compile(rb"([!-9;-~]{1,100})[ \t]*:")
_PARAMETER = re.compile(r';[ \t]*([A-Za-z0-9_*-]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*(?:"|\\?$)|[^;]*)')
_MOST_OF_PARAMETERS: Final = 4_096
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Header:
    """Fields by their names in small letters; the values are unfolded octets."""

    fields: dict[str, list[bytes]] = field(default_factory=dict)

    def first(self, name: str) -> bytes:
        """Return the value of the first field of that name, empty without one."""
        values = self.fields.get(name)
        return values[0] if values else b""

    def every(self, name: str) -> list[bytes]:
        """Return the values of all fields of that name."""
        return self.fields.get(name, [])

    def word(self, name: str) -> str:
        """Return the first word of a field, in small letters; comments and parameters follow it."""
        text = one_line(decoded(self.first(name)[:200]))
        return re.split(r"[ ;(,]", text, maxsplit=1)[0].lower()

    def parameters(self, name: str) -> tuple[str, dict[str, str]]:
        """Return a value and its parameters (RFC 2045 §5.1), all names and the value in small letters."""
        text = one_line(decoded(self.first(name)[:_MOST_OF_PARAMETERS]))
        found: dict[str, str] = {}
        for parameter in _PARAMETER.finditer(text):
            value = parameter[2].strip()
            if value.startswith('"'):
                value = _ESCAPED.sub(r"\1", value[1:].removesuffix('"'))
            found.setdefault(parameter[1].lower(), value)
        return text.partition(";")[0].strip().lower(), found


def read_header(
    octets: bytes, start: int = 0, *, is_delimiter: Callable[[bytes], bool] | None = None
) -> tuple[Header, int]:
    """Read fields up to an empty line, the end, or a line that delimits parts (RFC 2046 §5.1).

    Returns:
        The fields, and where the body begins, or the delimiter.
    """
    lines: list[list[bytes]] = []
    names: list[str] = []
    at = start
    while at < len(octets):
        if len(lines) > MOST_FIELDS or at - start > MOST_OCTETS:
            end = _END.search(octets, at - 1)
            at = end.end() if end else len(octets)
            break
        begin, at = at, octets.find(b"\n", at) + 1 or len(octets)
        line = octets[begin:at].rstrip(b"\r\n")
        if not line:
            break
        if line[:1] in b" \t":
            if lines:
                lines[-1].append(line)
            continue
        if is_delimiter is not None and line.startswith(b"--") and is_delimiter(line):
            at = begin
            break
        named = _NAME.match(line)
        if named:
            names.append(named[1].decode("ascii").lower())
            lines.append([line[named.end() :]])
    fields: dict[str, list[bytes]] = {}
    for name, pieces in zip(names, lines, strict=True):
        fields.setdefault(name, []).append(b"".join(pieces)[:_MOST_OF_FIELD].strip())
    return Header(fields), at
