"""Looking into mailboxes the way a probe or a sync does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mailconfig.transports.contract import Surroundings
from mailconfig.transports.imap import IMAPSession, Limits, open_imap
from mailconfig.values import Authentication, ConnectionSettings, NetworkPolicy, Secret, Security, Timeouts

USER = "me@example.com"
PASSWORD = "not-a-real-password"
SHORT = Timeouts(banner=1.0, command=1.0, transaction=1.0, quit=0.5)


def settings_for(port: int, *, security: Security = Security.NONE, **other: Any) -> ConnectionSettings:
    """Settings for a server on loopback, with its user and password."""
    fields = {
        "host": "127.0.0.1",
        "authentication": Authentication.PASSWORD,
        "username": USER,
        "secret": Secret(PASSWORD),
        **other,
    }
    return ConnectionSettings(port=port, security=security, **fields)


@contextmanager
def session_to(
    port: int,
    policy: NetworkPolicy,
    *,
    limits: Limits | None = None,
    timeouts: Timeouts = SHORT,
    **surroundings: Any,
) -> Iterator[IMAPSession]:
    """An open session in the clear, closed at the end."""
    around = Surroundings(policy=policy, timeouts=timeouts, **surroundings)
    session = open_imap(settings_for(port), around, limits=limits or Limits())
    try:
        yield session
    finally:
        session.close()
