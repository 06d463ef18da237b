"""Commands and their answers over a wire: tags, continuations, and what comes unasked (RFC 3501 §2.2)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .replies import STATUSES, Reply, parse_status
from .tokens import Value, parse
from .wire import BadAnswerError, Budget, Wire

Piece = Callable[[], bytes]
"""Makes a piece of a command when it is written.

A function, and not the bytes, so that no variable of a frame on the way holds a credential: error reporters
show those.
"""
_UNTAGGED = re.compile(rb"\* +(?:([0-9]{1,10}) +)?([A-Za-z][A-Za-z0-9.\-]*)")
MOST_CAPABILITIES = 500
AFTER_BYE = 2.0
"""Seconds for the end of an answer with a goodbye in it."""


class ByeError(Exception):
    """The server ends the connection, and says why.

    Attributes:
        reply: its words.
    """

    def __init__(self, reply: Reply) -> None:
        super().__init__("the server says goodbye")
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Data:
    """An untagged response."""

    name: str
    """The word that says what it is, in upper case."""
    number: int | None
    """The number before it: of a message, or how many there are."""
    pieces: Sequence[bytes]
    start: int
    """Where in the first piece the rest begins."""
    budget: Budget

    def values(self) -> list[Value]:
        """Return the rest.

        Raises:
            BadAnswerError: it cannot be taken apart.
        """
        values, count = parse(self.pieces, most=self.budget.most_tokens, start=self.start)
        self.budget.spend_tokens(count)
        return values

    def rest(self) -> bytes:
        """Return the rest of the first line as it came."""
        return self.pieces[0][self.start :]


@dataclass(frozen=True, slots=True)
class Asked:
    """A command that was written, and not answered yet."""

    tag: bytes
    """With the blank behind it."""
    pieces: list[Piece]
    """What is written each time the server asks for more."""
    seconds: float


OnData = Callable[[Data | Reply], None]
"""Gets each untagged response of an answer as it comes: data, or a status response that is no goodbye,
without its text."""


class Dialogue:
    """One command after another.

    Every method may raise ``OSError``, :class:`BadAnswerError` or :class:`ByeError`, after which the connection is of
    no use any more; it is the caller's to close.
    """

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.capabilities: frozenset[str] | None = None
        """In upper case, as the server named them last; ``None``: not since they may have changed."""
        self.challenge = b""
        """What the server asked with last, when it wanted more of a command."""
        self._prefix = secrets.token_hex(2)
        """Nobody can answer before the question who does not know it."""
        self._number = 0
        self._bye: Reply | None = None

    def greeting(self, seconds: float) -> Reply:
        """Return what the server says first: OK or PREAUTH.

        Raises:
            ByeError: it does not want us.
        """
        pieces = self.wire.read(self.wire.deadline.step(seconds), Budget(self.wire.limits))
        found = _UNTAGGED.match(pieces[0])
        if found is None or found[2].upper() not in STATUSES:
            raise BadAnswerError("the server's greeting is none")
        reply = self._status(pieces[0][found.start(2) :])
        if reply.status in {"NO", "BAD"}:
            raise BadAnswerError("the server's greeting is none")
        if reply.status == "BYE":
            raise ByeError(reply)
        return reply

    def run(
        self,
        first: Piece,
        *others: Piece,
        seconds: float,
        on_data: OnData | None = None,
        leaving: bool = False,
    ) -> Reply:
        """Write a command and return the verdict on it.

        Args:
            first: the command without its tag.
            others: what is written next each time the server asks for more.
            seconds: for the whole answer, however it trickles.
            on_data: gets what comes before the verdict, to the command or unasked.
            leaving: whether a goodbye is what was asked for.
        """
        until = self.wire.deadline.step(seconds)
        asked = self.ask(first, *others, seconds=seconds)
        return self.answer(asked, on_data=on_data, leaving=leaving, until=until)

    def ask(self, first: Piece, *others: Piece, seconds: float) -> Asked:
        """Write a command whose answer is read later: before any other's, and before a word that changes what it means (RFC 3501 §5.5).

        Args:
            first: the command without its tag.
            others: what is written next each time the server asks for more.
            seconds: for writing it, and anew for the answer.
        """
        asked = Asked(self._next_tag() + b" ", list(others), seconds)
        self.wire.send(asked.tag + first(), seconds)
        return asked

    def answer(
        self,
        asked: Asked,
        *,
        on_data: OnData | None = None,
        leaving: bool = False,
        until: float | None = None,
    ) -> Reply:
        """Read the answer to a command and return the verdict on it; ``until``: by when, if its time has begun."""
        self._bye = None
        if until is None:
            until = self.wire.deadline.step(asked.seconds)
        try:
            reply = self._answer(asked, until, on_data)
        except OSError:
            if self._bye is not None:
                raise ByeError(self._bye) from None
            raise
        if self._bye is not None and reply.is_ok and not leaving:
            raise ByeError(self._bye)
        return reply

    def _answer(self, asked: Asked, until: float, on_data: OnData | None) -> Reply:
        wire = self.wire
        budget = Budget(wire.limits)
        tag = asked.tag
        while True:
            response = wire.read(until, budget)
            line = response[0]
            if line.startswith(b"+"):
                self.challenge = line[1:]
                if not asked.pieces:
                    raise BadAnswerError("the server asks for more than there is")
                wire.send(asked.pieces.pop(0)(), asked.seconds)
            elif line.startswith(tag):
                reply = self._status(line[len(tag) :])
                if reply.status not in {"OK", "NO", "BAD"}:
                    raise BadAnswerError("the server's answer is no verdict")
                return reply
            else:
                self._take(response, budget, on_data)
                if self._bye is not None:  # a verdict may follow, and then the end
                    until = min(until, wire.deadline.step(AFTER_BYE))

    @property
    def last_tag(self) -> bytes:
        """Return the tag of the command that was written last."""
        return f"{self._prefix}{self._number}".encode()

    def _next_tag(self) -> bytes:
        self._number += 1
        return self.last_tag

    def _take(self, pieces: Sequence[bytes], budget: Budget, on_data: OnData | None) -> None:
        line = pieces[0]
        found = _UNTAGGED.match(line)
        if found is None:
            raise BadAnswerError("the server answers a command that was not given")
        name = found[2].upper()
        if name in STATUSES and found[1] is None:
            reply = self._status(line[found.start(2) :], with_text=name == b"BYE")
            if reply.status == "BYE":
                self._bye = reply
            elif on_data is not None:
                on_data(reply)
            return
        if name == b"CAPABILITY":
            self.capabilities = parse_capabilities(line[found.end() :])
        if on_data is not None:
            number = None if found[1] is None else int(found[1])
            on_data(Data(name.decode(), number, pieces, found.end(), budget))

    def _status(self, text: bytes, *, with_text: bool = True) -> Reply:
        reply = parse_status(text, self.wire.scrubber if with_text else None)
        if reply.response_code == "CAPABILITY":
            self.capabilities = parse_capabilities(reply.arguments)
        return reply


def parse_capabilities(text: bytes) -> frozenset[str]:
    """Return the names of what a server can do, in upper case (RFC 3501 §7.2.1).

    Raises:
        BadAnswerError: there are more than anybody has thought of.
    """
    words = text.decode("ascii", "replace").upper().split(maxsplit=MOST_CAPABILITIES)
    if len(words) > MOST_CAPABILITIES:
        raise BadAnswerError("the server can do more than there is")
    return frozenset(words)
