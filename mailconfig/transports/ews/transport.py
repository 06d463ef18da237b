"""Opening sessions with Exchange, for both directions, and looking whether one can be opened."""

from __future__ import annotations

from time import monotonic

from mailconfig.transports.contract import Surroundings
from mailconfig.values import ConnectionSettings, Stage

from .reading import EWSReadingSession
from .sending import EWSSession, log_in
from .service import Service, note


class EWSTransport:
    """See :class:`mailconfig.transports.contract.Transport`."""

    stages = (Stage.RESOLVE, Stage.CONNECT, Stage.TLS, Stage.LOGIN, Stage.SENDER)
    ports = frozenset({443})

    def open(self, settings: ConnectionSettings, surroundings: Surroundings) -> EWSSession:
        """Open a session that is logged in and ready to send."""
        session = EWSSession(Service(settings, surroundings))
        session.log_in()
        return session


class EWSReadingTransport:
    """See :class:`mailconfig.transports.reading.ReadingTransport`."""

    stages = (Stage.RESOLVE, Stage.CONNECT, Stage.TLS, Stage.LOGIN, Stage.FOLDER)
    ports = frozenset({443})

    def open(self, settings: ConnectionSettings, surroundings: Surroundings) -> EWSReadingSession:
        """Open a session that is logged in."""
        service = Service(settings, surroundings)
        log_in(service)
        return EWSReadingSession(service)

    def check(self, settings: ConnectionSettings, surroundings: Surroundings, *, folder: str) -> None:
        """Log in, find a folder and ask what is in it, and leave."""
        session = self.open(settings, surroundings)
        try:
            started = monotonic()
            state = session.examine(folder, position="")
            note(surroundings, Stage.FOLDER, started, f"{state.exists} messages")
        finally:
            session.close()
