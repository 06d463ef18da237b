"""Opening a session with an IMAP server, and looking whether one can be opened."""

from __future__ import annotations

from time import monotonic

from mailconfig.transports.contract import Surroundings
from mailconfig.values import ConnectionSettings, Stage

from .folders import FolderState
from .limits import Limits
from .opening import Opening
from .session import IMAPSession

STAGES = (Stage.RESOLVE, Stage.CONNECT, Stage.TLS, Stage.BANNER, Stage.LOGIN, Stage.FOLDER)
"""The stages of a check of the connection, in their order."""


def open_imap(
    settings: ConnectionSettings,
    surroundings: Surroundings,
    *,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> IMAPSession:
    """Open a session that is logged in.

    Raises:
        HostNotAllowed: no host name, or a literal or port that policy forbids; nothing was looked up.
        SecretUnreadable: the stored secret does not open; nothing was connected.
        ConnectionFailed, TLSFailed, LoginRefused, ProtocolError: see the error's attributes.
    """
    opening = Opening(settings, surroundings)
    dialogue = opening.run()
    dialogue.wire.limits = limits
    return IMAPSession(dialogue, enabled=opening.enabled, timeouts=surroundings.timeouts)


def check_folder(settings: ConnectionSettings, surroundings: Surroundings, *, folder: str) -> FolderState:
    """Log in, open a folder, and leave: its state then. The last stage, FOLDER, is reported as well.

    Raises:
        TransportError, SecretUnreadable: see :func:`open_imap`; ``FolderRefused`` where the folder cannot be opened.
        ValueError: no folder can have this name.
    """
    session = open_imap(settings, surroundings)
    try:
        started = monotonic()
        state = session.examine(folder)
        if surroundings.on_stage is not None:
            surroundings.on_stage(Stage.FOLDER, monotonic() - started, f"{state.exists} messages")
        session.quit()
        return state
    finally:
        session.close()


class IMAPTransport:
    """See :class:`mailconfig.transports.reading.ReadingTransport`."""

    stages = STAGES
    ports = frozenset({143, 993})

    def open(self, settings: ConnectionSettings, surroundings: Surroundings) -> IMAPSession:
        """Open a session that is logged in."""
        return open_imap(settings, surroundings)

    def check(self, settings: ConnectionSettings, surroundings: Surroundings, *, folder: str) -> None:
        """Log in, open a folder, and leave."""
        check_folder(settings, surroundings, folder=folder)
