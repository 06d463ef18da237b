"""Hints for connections that policy forbids or that cannot be verified, whatever is spoken over them."""

from __future__ import annotations

from mailconfig.values import ConnectionSettings, Security

ALLOW_HOST = (
    "If this server is meant: ALLOWED_NETWORKS or ALLOWED_HOSTS in the deployment's settings allow it."
)
ALLOW_PORT = "If this port is meant: ALLOWED_PORTS in the deployment's settings allows it."
TRUST_AUTHORITY = (
    "Whoever runs the server has to give it a certificate of a public authority, and those in between."
    " If the authority is your own, the deployment has to trust it: CA_FILE in its settings."
)
STARTTLS_PORT = "This looks like a STARTTLS port. Choose STARTTLS, or port 465 with TLS."
TLS_PORT = "The server says nothing: it probably expects TLS from the first byte. Choose TLS for this port."
CHECK_PLACE = "Check the name of the server and the port."


def expects_tls(settings: ConnectionSettings, tls_ports: frozenset[int]) -> bool:
    """Return whether a server that says nothing probably waits for TLS: only on the protocol's ports for that."""
    return settings.security is not Security.TLS and settings.port in tls_ports


def for_silence(settings: ConnectionSettings, tls_ports: frozenset[int]) -> str:
    """Return what probably helps when no greeting came."""
    return TLS_PORT if expects_tls(settings, tls_ports) else CHECK_PLACE
