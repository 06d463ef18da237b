"""Gmail's own interface, as a transport needs it: there is one, whatever servers an account names."""

from __future__ import annotations

from dataclasses import replace

from mailconfig.values import ConnectionSettings, Security

GMAIL_HOST = "gmail.googleapis.com"
GMAIL_PORT = 443


def at_gmail(settings: ConnectionSettings) -> ConnectionSettings:
    """Return the settings for Gmail's interface instead of a server."""
    return replace(settings, host=GMAIL_HOST, port=GMAIL_PORT, security=Security.TLS)
