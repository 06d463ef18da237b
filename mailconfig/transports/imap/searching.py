"""Searching a folder: what is asked for, and what was found (RFC 3501 §6.4.4, RFC 4731)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from itertools import pairwise

from .dialogue import Data
from .messages import MONTHS
from .uids import MOST_RANGES, UIDSet
from .wire import BadAnswerError
from .writing import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """All of these have to be true of a message; none: every message is found."""

    uids: UIDSet | None = None
    received_since: dt.date | None = None
    """On this day or later, by the server's date and whatever its time zone."""
    received_before: dt.date | None = None
    """Before this day."""
    header: tuple[str, str] | None = None
    """Name of a header field, and words that are in it."""
    changed_since: int | None = None
    """A mod-sequence that the message's is higher than; for servers with CONDSTORE (RFC 7162 §3.1.5)."""


def written(criteria: Criteria, capabilities: frozenset[str], *, utf8: bool) -> Command:
    """Return the command.

    Raises:
        ValueError: something that cannot be written.
    """
    command = Command("UID SEARCH", capabilities, utf8=utf8)
    if "ESEARCH" in capabilities:
        command.text(" RETURN (ALL)")
    if criteria.header is not None and not criteria.header[1].isascii() and not utf8:
        command.text(" CHARSET UTF-8")
    command.text(f" UID {criteria.uids}" if criteria.uids else " ALL")
    if criteria.received_since is not None:
        command.text(f" SINCE {_day(criteria.received_since)}")
    if criteria.received_before is not None:
        command.text(f" BEFORE {_day(criteria.received_before)}")
    if criteria.changed_since is not None:
        command.text(f" MODSEQ {criteria.changed_since + 1}")
    if criteria.header is not None:
        name, value = (text.encode() for text in criteria.header)
        if b"\0" in name + value:
            raise ValueError("a search cannot have NUL in it")
        command.text(" HEADER ").string(name).text(" ").string(value)
    return command


@dataclass(slots=True)
class Findings:
    """Collects what the answer to a search tells."""

    ranges: list[tuple[int, int]] = field(default_factory=list)

    def take(self, data: Data) -> None:
        """Take a response, if it is one to a search.

        Raises:
            BadAnswerError: it is not as it should be.
        """
        if data.name == "SEARCH":
            words = data.rest().partition(b"(")[0].split()
            if words:
                self._add(b",".join(words))
        elif data.name == "ESEARCH":
            values = data.values()
            for name, value in pairwise(values):
                if isinstance(name, bytes) and name.upper() == b"ALL":
                    if not isinstance(value, bytes):
                        raise BadAnswerError(
                            "the server's answer has something else where a set of UIDs belongs"
                        )
                    self._add(value)

    def _add(self, text: bytes) -> None:
        self.ranges.extend(UIDSet.parse(text).ranges)
        if len(self.ranges) > MOST_RANGES:
            raise BadAnswerError("the server names more messages than can be told at once")

    def found(self) -> UIDSet:
        """Return the whole."""
        return UIDSet.between(self.ranges)


def _day(day: dt.date) -> str:
    """Return a date whose month is no matter of the locale."""
    return f"{day.day}-{MONTHS[day.month - 1]}-{day.year:04}"
