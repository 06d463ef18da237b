"""The talk of an open IMAP session: commands one after another, each to its end, and what the server tells unasked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic
from typing import NoReturn

from mailconfig.exceptions import FolderRefused, TransportError
from mailconfig.transports import breaks
from mailconfig.values import ErrorCode, Stage, Timeouts

from . import hints
from .dialogue import Asked, ByeError, Data, Dialogue, OnData
from .folders import parse_vanished
from .replies import Reply
from .wire import BadAnswerError
from .writing import Command

_LOGOUT = b"LOGOUT\r\n"


@dataclass(slots=True)
class Ahead:
    """A command that was written, and what is known of its answer."""

    asked: Asked
    on_data: OnData | None
    reply: Reply | None = None
    """``None``: it was not read yet."""


class Talk:
    """Commands over an open connection, and what is known of the folder that is open."""

    def __init__(self, dialogue: Dialogue, *, enabled: frozenset[str], timeouts: Timeouts) -> None:
        self.opened_at = monotonic()
        self.closed = False
        self.exists: int | None = None
        """Messages in the folder that is open, as the server said last; ``None``: none is open."""
        self._ahead: Ahead | None = None
        """The command whose answer was not read yet."""
        self._uid_next: int | None = None
        self._has_modseqs = False
        """Whether the messages in the folder that is open have mod-sequences. Where they have none, a server answers to
        questions for them by BAD (RFC 7162 §3.1.2.2)."""
        self._dialogue = dialogue
        self._enabled = enabled
        self._timeouts = timeouts

    @property
    def capabilities(self) -> frozenset[str]:
        """Return what the server can do, in upper case."""
        return self._dialogue.capabilities or frozenset()

    @property
    def counts_changes(self) -> bool:
        """Return whether folders may have mod-sequences (CONDSTORE)."""
        return not self.capabilities.isdisjoint({"CONDSTORE", "QRESYNC"})

    @property
    def tells_changes(self) -> bool:
        """Return whether :meth:`examine` can tell what has changed since a known state (QRESYNC)."""
        return "QRESYNC" in self._enabled

    def noop(self) -> None:
        """See whether the server is still there, and what is new in the folder: see ``exists``."""
        self._run(self._command("NOOP"))

    def quit(self) -> None:
        """Say goodbye and close; never raises."""
        if self.closed:
            return
        wire = self._dialogue.wire
        wire.on_wait = None
        until = wire.deadline.step(self._timeouts.quit)
        with contextlib.suppress(OSError, BadAnswerError, ByeError):
            if self._ahead is not None:  # nobody wants it any more, and it comes first
                self._dialogue.answer(self._ahead.asked, until=until)
            self._dialogue.run(lambda: _LOGOUT, seconds=self._timeouts.quit, leaving=True)
        self.close()

    def close(self) -> None:
        """Drop the connection; never raises."""
        self.closed = True
        self.exists = self._ahead = None
        self._dialogue.wire.close()

    @property
    def _utf8(self) -> bool:
        return "UTF8=ACCEPT" in self._enabled

    def _command(self, text: str) -> Command:
        return Command(text, self.capabilities, utf8=self._utf8)

    def _run(
        self, command: Command, *, on_data: OnData | None = None, opening: bool = False, size: int = 0
    ) -> Reply:
        """Run a command to its end, however its answer trickles.

        Args:
            command: one that changes nothing.
            on_data: gets what comes.
            opening: whether it opens a folder.
            size: bytes that are expected, which take their time.
        """
        until = self._dialogue.wire.deadline.step(self._seconds(size))
        return self._verdict(self._ask(command, on_data=on_data, size=size), opening=opening, until=until)

    def _ask(self, command: Command, *, on_data: OnData | None = None, size: int = 0) -> Ahead:
        """Write a command, and read its answer later (:meth:`_verdict`): the server works at it meanwhile."""
        if self._ahead is not None:
            self._read(self._ahead)
        if self.closed:
            raise breaks.ended("The session is closed.", Stage.FOLDER)
        first, *others = ((lambda piece=piece: piece) for piece in command.pieces())
        with self._ending():
            asked = self._dialogue.ask(first, *others, seconds=self._seconds(size))
        self._ahead = Ahead(asked, on_data)
        return self._ahead

    def _verdict(self, ahead: Ahead, *, opening: bool = False, until: float | None = None) -> Reply:
        """Read the answer to a command to its end, and return the verdict if it is good."""
        reply = ahead.reply or self._read(ahead, until=until)
        if reply.is_ok:
            return reply
        raise self._refusal(reply, opening=opening)

    def _read(self, ahead: Ahead, *, until: float | None = None) -> Reply:
        if self.closed:
            raise breaks.ended("The session is closed.", Stage.FOLDER)

        def take(data: Data | Reply) -> None:
            self._notice(data)
            if ahead.on_data is not None:
                ahead.on_data(data)

        self._ahead = None
        with self._ending():
            ahead.reply = self._dialogue.answer(ahead.asked, on_data=take, until=until)
        return ahead.reply

    def _seconds(self, size: int) -> float:
        return self._timeouts.transaction + size / self._timeouts.bytes_per_second

    @contextlib.contextmanager
    def _ending(self) -> Iterator[None]:
        """Close the session if it ends in here, and raise what that means for its user."""
        try:
            yield
        except ByeError as bye:
            self.close()
            raise breaks.ended(
                "The server does not go on with this connection.", Stage.FOLDER, bye.reply
            ) from None
        except BadAnswerError as error:
            self._break(error)
        except OSError as error:
            self.close()
            raise breaks.lost(Stage.FOLDER, error) from None
        except BaseException:  # of on_wait: the answer will not be read any more
            self.close()
            raise

    def _notice(self, data: Data | Reply) -> None:
        """Keep count of the messages in the folder, of which servers tell whenever they like."""
        if isinstance(data, Reply) or self.exists is None:
            return
        if data.name == "EXISTS" and data.number is not None:
            self.exists = data.number
        elif data.name == "EXPUNGE":
            self.exists = max(0, self.exists - 1)
        elif data.name == "VANISHED" and not data.rest().lstrip().startswith(b"("):
            self.exists = max(0, self.exists - parse_vanished(data).count)

    def _break(self, error: BadAnswerError) -> NoReturn:
        self.close()
        raise breaks.broken(f"The server broke the protocol: {error}.", Stage.FOLDER) from None

    def _refusal(self, reply: Reply, *, opening: bool) -> TransportError:
        if reply.status == "BAD":
            # It goes on where it does not know a command; what we read next may be anything, so we do not.
            self.close()
            return breaks.broken(
                "The server does not know a command that it has to know.", Stage.FOLDER, reply=reply
            )
        for_now = reply.is_for_now
        if opening:
            words = (
                "The server does not let us open this folder now."
                if for_now
                else "The server does not let us open this folder."
            )
        else:
            words = "The server does not let us read in this folder."
        return FolderRefused(
            words,
            stage=Stage.FOLDER,
            code=ErrorCode.FOLDER_REFUSED,
            field="folder" if opening else "",
            hint=hints.for_folder(reply) if opening else "",
            reply=reply,
            temporary=for_now or not opening,
        )
