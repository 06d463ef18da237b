"""The contract between delivery and whatever reads mail that came in, in terms of no protocol.

A message has a number in its folder, its UID, that never changes and grows with each message, as long as the folder's UID
validity is the same (as RFC 3501 §2.3.1.1 has it). Nothing is ever marked, moved or deleted.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
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

    def open(self, settings: ConnectionSettings, surroundings: Surroundings) -> ReadingSession:
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
