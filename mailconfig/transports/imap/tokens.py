"""Responses taken apart: atoms, strings and lists (RFC 3501 §4), in a loop and not by recursion."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from .wire import BadAnswerError

Value: TypeAlias = "bytes | list[Value] | None"
"""An atom or a string as bytes, NIL as ``None``, or a list in parentheses."""

MAX_DEPTH = 64
"""Lists within lists: a body structure has two for each level of its parts."""

_TOKEN = re.compile(
    rb"""[ \t]*+(?:
        (?P<open>\()
        |(?P<close>\))
        |"(?P<quoted>[^"\\]*+(?:\\.[^"\\]*+)*+)"
        |(?P<literal>~?\{[0-9]{1,10}\+?\}\Z)
        |(?P<atom>BODY\[[^\]]*+\][^\x00-\x20()"\x7f]*+|(?!BODY\[)[^\x00-\x20()"\x7f]++)
        |(?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
"""Blanks and parentheses belong to a section in brackets, as in ``BODY[HEADER.FIELDS (DATE)]<0>``. Elsewhere a bracket is
a character like others: Dovecot writes ``[Gmail]/Spam`` without quotes."""
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


class _Lists:
    """Values that come one by one, put into the lists that they belong to."""

    def __init__(self, most: int) -> None:
        self.top: list[Value] = []
        self.count = 0
        self._open = [self.top]
        self._most = most

    def add(self, value: Value) -> None:
        self.count += 1
        if self.count > self._most:
            raise BadAnswerError("the server's answer has too many parts")
        self._open[-1].append(value)

    def begin(self) -> None:
        if len(self._open) > MAX_DEPTH:
            raise BadAnswerError("the server's answer has too many lists within lists")
        inner: list[Value] = []
        self.add(inner)
        self._open.append(inner)

    def end(self) -> None:
        if len(self._open) == 1:
            raise BadAnswerError("the server's answer closes a list that it did not begin")
        self._open.pop()

    @property
    def are_closed(self) -> bool:
        return len(self._open) == 1


def parse(pieces: Sequence[bytes], *, most: int, start: int = 0) -> tuple[list[Value], int]:
    """Return the values of a response, and how many they are with those in lists.

    Args:
        pieces: line, literal, line, … as the wire reads them.
        most: the most values there may be.
        start: where in the first line they begin.

    Raises:
        BadAnswerError: parentheses or quotes without an end, or too much.
    """
    lists = _Lists(most)
    for index in range(0, len(pieces), 2):
        ends_in_literal = _parse_line(pieces[index], start if index == 0 else 0, lists)
        if ends_in_literal is not (index + 1 < len(pieces)):
            raise BadAnswerError("the server's answer has a literal where none belongs")
        if ends_in_literal:
            lists.add(pieces[index + 1])
    if not lists.are_closed:
        raise BadAnswerError("the server's answer does not close a list")
    return lists.top, lists.count


def _parse_line(line: bytes, position: int, lists: _Lists) -> bool:
    """Add the values of a line, and return whether a literal follows."""
    while True:
        found = _TOKEN.match(line, position)
        if found is None:
            raise BadAnswerError("the server's answer cannot be taken apart")
        position, kind = found.end(), found.lastgroup
        if kind in {"literal", "end"}:
            return kind == "literal"
        if kind == "open":
            lists.begin()
        elif kind == "close":
            lists.end()
        elif kind == "quoted":
            lists.add(_ESCAPED.sub(rb"\1", found["quoted"]))
        else:
            atom = found["atom"]
            lists.add(None if atom.upper() == b"NIL" else atom)


def as_number(value: Value, *, most: int = 2**63 - 1) -> int:
    """Return a number (RFC 3501 §9, RFC 7162 §7).

    Raises:
        BadAnswerError: it is none, or larger.
    """
    if not isinstance(value, bytes) or not re.fullmatch(rb"[0-9]{1,20}", value) or int(value) > most:
        raise BadAnswerError("the server's answer has something else where a number belongs")
    return int(value)


def as_words(value: Value) -> frozenset[str]:
    """Return a list of atoms, flags for one, as text.

    Raises:
        BadAnswerError: it is none.
    """
    if not isinstance(value, list) or not all(isinstance(word, bytes) for word in value):
        raise BadAnswerError("the server's answer has something else where a list of words belongs")
    return frozenset(word.decode("utf-8", "replace") for word in value if isinstance(word, bytes))
