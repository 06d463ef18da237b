"""Servers that were found. Only such as encrypt: a proposal without encryption is none."""

from __future__ import annotations

from dataclasses import dataclass

from mailconfig.values import Security


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundServer:
    """A server by name, as :func:`mailconfig.hostnames.check_host` has it."""

    host: str
    port: int
    security: Security
    """``TLS`` or ``STARTTLS``."""
    username: str = ""
    """What is entered there; empty: nobody said, and the address is the best guess (RFC 6186 §4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundServers:
    """Where mail is handed in, and where it is read if that was said as well."""

    sending: FoundServer
    reading: FoundServer | None = None
    only_oauth2: bool = False
    """Whether the one for sending lets nobody in with a password."""
