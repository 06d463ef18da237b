"""Hints for connections and logins that do not come about, whatever is spoken over them."""

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
APP_CREDENTIAL = (
    "This account wants an app password: two-step sign-in is on, and the usual password is not accepted here."
)
MICROSOFT_BASIC = "Microsoft no longer accepts a password here: use OAuth 2.0."
TOO_MANY = "The server has had too many logins of this account; it will be tried again later."
WRONG_PASSWORD = "Check the user name and the password; many providers want an app password."  # noqa: S105
ENCRYPT_FIRST = "The server wants encryption before the login: choose STARTTLS or TLS."


def expects_tls(settings: ConnectionSettings, tls_ports: frozenset[int]) -> bool:
    """Return whether a server that says nothing probably waits for TLS: only on the protocol's ports for that."""
    return settings.security is not Security.TLS and settings.port in tls_ports


def for_silence(settings: ConnectionSettings, tls_ports: frozenset[int]) -> str:
    """Return what probably helps when no greeting came."""
    return TLS_PORT if expects_tls(settings, tls_ports) else CHECK_PLACE
