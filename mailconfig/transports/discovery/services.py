"""Mail servers by SRV records (RFC 6186; with TLS from the first byte, which is preferred: RFC 8314 §5.1)."""

from __future__ import annotations

from mailconfig.transports.network.dns import NameServers
from mailconfig.values import Security

from .found import FoundServer, FoundServers

_SENDING = (("_submissions._tcp", Security.TLS), ("_submission._tcp", Security.STARTTLS))
_READING = (("_imaps._tcp", Security.TLS), ("_imap._tcp", Security.STARTTLS))


def find_by_services(domain: str, ask: NameServers) -> FoundServers | None:
    """Return the servers that a domain's SRV records name; ``None``: none for handing in mail, or nobody could say."""
    sending = _first(domain, _SENDING, ask)
    return None if sending is None else FoundServers(sending=sending, reading=_first(domain, _READING, ask))


def _first(domain: str, names: tuple[tuple[str, Security], ...], ask: NameServers) -> FoundServer | None:
    for name, security in names:
        # Weights share load among many clients; one account stays with one server, so the heaviest will do.
        services = sorted(
            ask.services(f"{name}.{domain}").records, key=lambda one: (one.priority, -one.weight)
        )
        for service in services:
            if service.host and service.port:
                return FoundServer(host=service.host, port=service.port, security=security)
    return None
