"""Opening sessions and sending mail the way delivery does."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mailconfig.transports.contract import Surroundings
from mailconfig.transports.smtp.envelopes import EnvelopeOutcome
from mailconfig.transports.smtp.replies import Reply
from mailconfig.transports.smtp.session import SMTPSession
from mailconfig.transports.smtp.transport import open_smtp
from mailconfig.values import Authentication, ConnectionSettings, Envelope, NetworkPolicy, Secret, Security
from tests.servers.chaos import ChaosServer

USER = "me@example.com"
PASSWORD = "not-a-real-password"
ENVELOPE = Envelope("me@example.com", ("you@example.com",))
MESSAGE = b"Subject: hello\r\n\r\nHow are you?\r\n"


def settings_for(
    port: int,
    *,
    security: Security = Security.NONE,
    host: str = "127.0.0.1",
    login: bool = False,
    **other: Any,
) -> ConnectionSettings:
    """Settings for a server on loopback; with ``login``, its user and password."""
    if login:
        other = {
            "authentication": Authentication.PASSWORD,
            "username": USER,
            "secret": Secret(PASSWORD),
            **other,
        }
    return ConnectionSettings(host=host, port=port, security=security, **other)


def open_session(settings: ConnectionSettings, **surroundings: Any) -> SMTPSession:
    """An open session with SMTP's verbs; the keywords are those of ``Surroundings``."""
    return open_smtp(settings, Surroundings(**surroundings))


@contextmanager
def session_to(server: ChaosServer, policy: NetworkPolicy, **options: Any) -> Iterator[SMTPSession]:
    """An open session without TLS or login, closed at the end."""
    session = open_session(settings_for(server.port), policy=policy, **options)
    try:
        yield session
    finally:
        session.close()


def send(
    session: SMTPSession, envelope: Envelope = ENVELOPE, message: bytes = MESSAGE
) -> Reply | EnvelopeOutcome:
    """Send one message; the reply to the dot, or the outcome of an envelope that was not open."""
    session.propose(envelope)
    outcome = session.envelope_outcome()
    if not outcome.is_open:
        return outcome
    session.hand_over([message])
    return session.outcome()
