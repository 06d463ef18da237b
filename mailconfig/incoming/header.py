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
_FIELD = re.compile(rb"([!-9;-~]{1,100})[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)\n?")
_PARAMETER = re.compile(r';[ \t]*([A-Za-z0-9_*-]+)[ \t]*=[ \t]*("(?:[^"\\]|\\.)*(?:"|\\?$)|[^;]*)')
_AFTER_WORD = re.compile("[ ;(,]")
_MOST_OF_PARAMETERS: Final = 4_096
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Header:
    """Fields by their names in small letters; the values are unfolded octets."""

    fields: dict[str, list[bytes]] = field(default_factory=dict)
    _parameters: dict[str, tuple[str, dict[str, str]]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def first(self, name: str) -> bytes:
        """Return the value of the first field of that name, empty without one."""
        values = self.fields.get(name)
        return values[0] if values else b""

    def every(self, name: str) -> list[bytes]:
        """Return the values of all fields of that name."""
        return self.fields.get(name, [])

    def word(self, name: str) -> str:
        """Return the first word of a field, in small letters; comments and parameters follow it."""
        raw = self.first(name)
        return _AFTER_WORD.split(one_line(decoded(raw[:200])), maxsplit=1)[0].lower() if raw else ""

    def parameters(self, name: str) -> tuple[str, dict[str, str]]:
        """Return a value and its parameters (RFC 2045 §5.1), all names and the value in small letters."""
        known = self._parameters.get(name)
        if known is None:
            known = self._parameters[name] = _read_parameters(self.first(name)[:_MOST_OF_PARAMETERS])
        return known


def _read_parameters(raw: bytes) -> tuple[str, dict[str, str]]:
    if not raw:
        return "", {}
    text = one_line(decoded(raw))
    found: dict[str, str] = {}
    if ";" not in text:
        return text.lower(), found
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
    fields: dict[str, list[bytes]] = {}
    count, at = 0, start
    while at < len(octets):
        if count > MOST_FIELDS or at - start > MOST_OCTETS:
            end = _END.search(octets, at - 1)
            return Header(fields), end.end() if end else len(octets)
        begin = at
        if is_delimiter is not None and octets.startswith(b"--", at):
            end_of_line = octets.find(b"\n", at)
            if is_delimiter(octets[at : end_of_line if end_of_line >= 0 else len(octets)]):
                break
        found = _FIELD.match(octets, at)
        if found:
            at = found.end()
            value = found[2][: 2 * _MOST_OF_FIELD]
            if b"\n" in value:
                value = value.replace(b"\r\n", b"").replace(b"\n", b"")
            fields.setdefault(found[1].decode("ascii").lower(), []).append(value[:_MOST_OF_FIELD].strip())
            count += 1
            continue
        # No field: the end, or what is passed over.
        at = octets.find(b"\n", at) + 1 or len(octets)
        if octets[begin:at].strip(b"\r\n") == b"":
            break
    return Header(fields), at
