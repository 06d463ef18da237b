"""The contract between delivery and whatever reads mail that came in, in terms of no protocol.

There are two kinds of far sides. Where a message has a number in its folder, its UID, that never changes and grows with each
message as long as the folder's UID validity is the same (as RFC 3501 §2.3.1.1 has it), it is read by a :class:`ReadingSession`.
Where it has a key of the far side's own instead, and how far a folder was read is a text that means something to the far
side alone, it is read by a :class:`KeyedSession`; delivery gives such messages numbers. Nothing is ever marked, moved or
deleted.
"""

from __future__ import annotations

import abc
import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from mailconfig.values import ConnectionSettings, Stage

from .contract import Surroundings


class FolderState(Protocol):
    """A folder as it is when it is opened."""

    @property
    def exists(self) -> int:
        """Return how many messages are in it."""
        ...

    @property
    def uid_validity(self) -> int | None:
        """Return what UIDs are good for: if it is another than before, they mean other messages."""
        ...

    @property
    def uid_next(self) -> int | None:
        """Return a UID that the next message will have, or less than that; ``None``: nobody tells."""
        ...

    @property
    def highest_modseq(self) -> int | None:
        """Return what grows with every change in it; ``None``: the server does not count."""
        ...


class Arrival(Protocol):
    """A message, without what is in it."""

    @property
    def uid(self) -> int:
        """Return its UID."""
        ...

    @property
    def key(self) -> str:
        """Return the far side's own key of it; ``""``: its UID is all it has."""
        ...

    @property
    def size(self) -> int:
        """Return the octets of the whole message, as the server counts them."""
        ...

    @property
    def received_at(self) -> dt.datetime | None:
        """Return the server's date; ``None``: it has none that can be read."""
        ...


class MessageHead(Arrival, Protocol):
    """All of a message but its text."""

    @property
    def header(self) -> bytes:
        """Return the lines of the header, or the beginning of them."""
        ...

    @property
    def is_whole(self) -> bool:
        """Return whether that is all of them."""
        ...


class MessageStart(Arrival, Protocol):
    """A message from its beginning on."""

    @property
    def octets(self) -> bytes:
        """Return all of it, or as much as was asked for."""
        ...


class ReadingSession(Protocol):
    """An open session that reads. Never used by two threads at a time.

    Whatever reads may raise ``FolderRefused`` (the session goes on), or ``SessionLost`` or ``ProtocolError`` (it is closed);
    what is raised while it waits passes through, and closes it.
    """

    @property
    def closed(self) -> bool:
        """Return whether it is over."""
        ...

    def examine(self, folder: str) -> FolderState:
        """Open a folder to read in it.

        Raises:
            ValueError: no folder can have this name.
        """
        ...

    def heads_after(self, uid: int, *, header_bytes: int) -> Iterator[tuple[int, tuple[MessageHead, ...]]]:
        """Yield heads of all messages after one, a batch at a time, each with the UID up to which nothing is left out."""
        ...

    def messages_after(self, uid: int, *, most: int) -> Iterator[tuple[int, tuple[MessageStart, ...]]]:
        """Yield all messages after one with their first ``most`` octets, a batch at a time, each with the UID up to which nothing is left out.

        The next batch may be under way while one is in the caller's hands.
        """
        ...

    def texts(self, sizes: Mapping[int, int], *, most: int) -> Iterator[tuple[int, bytes]]:
        """Yield the first ``most`` bytes of each of these messages that is there, by UID.

        Args:
            sizes: their octets by their UIDs, as the server told them.
            most: the most there may be of each.
        """
        ...

    def quit(self) -> None:
        """Say goodbye and close; never raises."""
        ...

    def close(self) -> None:
        """Drop the connection; never raises."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedState:
    """A folder as it is when a keyed session opens it."""

    exists: int
    """How many messages are in it, as far as the far side tells."""
    goes_on: bool
    """Whether the position still means something there; else all is told anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedMessage:
    """A message from its beginning on, by the far side's own key."""

    key: str
    """Never another message's in this folder, and the same whenever it is told again."""
    size: int
    """Octets of the whole message; what the far side says where that is only about right and ``octets`` are not all."""
    received_at: dt.datetime | None
    """The far side's date; ``None``: it has none that can be read."""
    octets: bytes
    """All of it, or as much as was asked for."""


WhichAreStored = Callable[[Collection[str]], Collection[str]]
"""Returns those of some keys whose messages are stored."""


def none_is_stored(_keys: Collection[str]) -> Collection[str]:
    """Return no key."""
    return ()


class KeyedSession(abc.ABC):
    """An open session that reads where messages have keys. Never used by two threads at a time.

    Errors are those of a :class:`ReadingSession`.
    """

    @property
    @abc.abstractmethod
    def closed(self) -> bool:
        """Return whether it is over."""

    @abc.abstractmethod
    def examine(self, folder: str, *, position: str) -> KeyedState:
        """Open a folder to read in it.

        Args:
            folder: its name.
            position: up to where it was read; ``""``: it never was.

        Raises:
            ValueError: no folder can have this name.
        """

    @abc.abstractmethod
    def messages_after(
        self, *, most: int, which_are_stored: WhichAreStored = none_is_stored
    ) -> Iterator[tuple[str, tuple[KeyedMessage, ...]]]:
        """Yield what came into the open folder since the position, a batch at a time, each with the position behind it.

        A message may be told again, and batches may be empty. All octets of a batch are at most some megabytes. Reading may
        end behind any batch and go on at its position, so that a position must not be behind what was not yielded yet.

        Args:
            most: octets of each message that are wanted.
            which_are_stored: asked before messages are fetched: those are not told again, so that a folder comes to its end
                however often reading ends between two positions.
        """

    @abc.abstractmethod
    def quit(self) -> None:
        """Say goodbye and close; never raises."""

    @abc.abstractmethod
    def close(self) -> None:
        """Drop the connection; never raises."""


class ReadingTransport(Protocol):
    """One way to read the mail that came in."""

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Return the stages of a check of the connection, in their order."""
        ...

    @property
    def ports(self) -> frozenset[int]:
        """Return the ports of its protocol, which need no allowing."""
        ...

    def open(self, settings: ConnectionSettings, surroundings: Surroundings) -> ReadingSession | KeyedSession:
        """Open a session that is logged in.

        Raises:
            HostNotAllowed: no host name, or a literal or port that policy forbids; nothing was looked up.
            SecretUnreadable: the stored secret does not open; nothing was connected.
            ConnectionFailed, TLSFailed, LoginRefused, ProtocolError: as of :meth:`contract.Transport.open`.
        """
        ...

    def check(self, settings: ConnectionSettings, surroundings: Surroundings, *, folder: str) -> None:
        """Log in, open a folder, and leave. Stages are told as they are done.

        Raises:
            TransportError, SecretUnreadable: see :meth:`open`; ``FolderRefused``: the folder cannot be opened.
            ValueError: no folder can have this name.
        """
        ...
