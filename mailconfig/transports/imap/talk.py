"""The talk of an open IMAP session: commands one after another, each to its end, and what the server tells unasked."""

from __future__ import annotations

import contextlib
from time import monotonic
from typing import NoReturn

from mailconfig.exceptions import FolderRefused, TransportError
from mailconfig.transports import breaks
from mailconfig.values import ErrorCode, Stage, Timeouts

from . import hints
from .dialogue import ByeError, Data, Dialogue, OnData
from .folders import parse_vanished
from .replies import Reply
from .wire import BadAnswerError
from .writing import Command

_LOGOUT = b"LOGOUT\r\n"


class Talk:
    """Commands over an open connection, and what is known of the folder that is open."""

    def __init__(self, dialogue: Dialogue, *, enabled: frozenset[str], timeouts: Timeouts) -> None:
        self.opened_at = monotonic()
        self.closed = False
        self.exists: int | None = None
        """Messages in the folder that is open, as the server said last; ``None``: none is open."""
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
        with contextlib.suppress(OSError, BadAnswerError, ByeError):
            self._dialogue.run(lambda: _LOGOUT, seconds=self._timeouts.quit, leaving=True)
        self.close()

    def close(self) -> None:
        """Drop the connection; never raises."""
        self.closed = True
        self.exists = None
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
        if self.closed:
            raise breaks.ended("The session is closed.", Stage.FOLDER)

        def take(data: Data | Reply) -> None:
            self._notice(data)
            if on_data is not None:
                on_data(data)

        first, *others = ((lambda piece=piece: piece) for piece in command.pieces())
        seconds = self._timeouts.transaction + size / self._timeouts.bytes_per_second
        try:
            reply = self._dialogue.run(first, *others, seconds=seconds, on_data=take)
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
        if reply.is_ok:
            return reply
        raise self._refusal(reply, opening=opening)

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
