"""Opening sessions and sending mail the way delivery does."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mailconfig.transports import Session, open_transport
from mailconfig.values import (
    Authentication,
    Envelope,
    EnvelopeOutcome,
    NetworkPolicy,
    Reply,
    Secret,
    Security,
    SMTPSettings,
)
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
) -> SMTPSettings:
    """Settings for a server on loopback; with ``login``, its user and password."""
    if login:
        other = {
            "authentication": Authentication.PASSWORD,
            "username": USER,
            "secret": Secret(PASSWORD),
            **other,
        }
    return SMTPSettings(host=host, port=port, security=security, **other)


@contextmanager
def session_to(server: ChaosServer, policy: NetworkPolicy, **options: Any) -> Iterator[Session]:
    """An open session without TLS or login, closed at the end."""
    session = open_transport(settings_for(server.port), policy=policy, **options)
    try:
        yield session
    finally:
        session.close()


def send(
    session: Session, envelope: Envelope = ENVELOPE, message: bytes = MESSAGE
) -> Reply | EnvelopeOutcome:
    """Send one message; the reply to the dot, or the outcome of an envelope that was not open."""
    session.propose(envelope)
    outcome = session.envelope_outcome()
    if not outcome.is_open:
        return outcome
    session.hand_over([message])
    return session.outcome()
