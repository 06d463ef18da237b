"""Opening sessions with Gmail, for both directions, and looking whether one can be opened."""

from __future__ import annotations

from time import monotonic

from mailconfig.transports.contract import Surroundings
from mailconfig.values import ConnectionSettings, Stage

from .reading import GmailReadingSession
from .sending import GmailSession
from .service import Service


class GmailTransport:
    """See :class:`mailconfig.transports.contract.Transport`. The account's host and port are left aside: there is one Gmail."""

    stages = (Stage.RESOLVE, Stage.CONNECT, Stage.TLS, Stage.LOGIN)

    def open(self, settings: ConnectionSettings, surroundings: Surroundings) -> GmailSession:
        """Open a session that is logged in and ready to send."""
        service = Service(settings, surroundings)
        service.log_in(reads=False)
        return GmailSession(service)


class GmailReadingTransport:
    """See :class:`mailconfig.transports.reading.ReadingTransport`."""

    stages = (Stage.RESOLVE, Stage.CONNECT, Stage.TLS, Stage.LOGIN, Stage.FOLDER)
    ports = frozenset({443})

    def open(self, settings: ConnectionSettings, surroundings: Surroundings) -> GmailReadingSession:
        """Open a session that is logged in."""
        service = Service(settings, surroundings)
        service.log_in(reads=True)
        return GmailReadingSession(service)

    def check(self, settings: ConnectionSettings, surroundings: Surroundings, *, folder: str) -> None:
        """Log in, find a label and ask how much has it, and leave."""
        session = self.open(settings, surroundings)
        try:
            started = monotonic()
            state = session.examine(folder, position="")
            if surroundings.on_stage is not None:
                surroundings.on_stage(Stage.FOLDER, monotonic() - started, f"{state.exists} messages")
        finally:
            session.close()
