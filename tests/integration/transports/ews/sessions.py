"""Settings that lead to Exchange on loopback."""

from __future__ import annotations

from typing import Any

from mailconfig.values import Authentication, ConnectionSettings, Secret, Security
from tests.servers.ews import FakeEWS

USER = "me@example.com"
PASSWORD = "not-a-real-pässword"


def settings_to(server: FakeEWS, **values: Any) -> ConnectionSettings:
    """What an account says whose login is good."""
    return ConnectionSettings(
        **{
            "host": "127.0.0.1",
            "port": server.port,
            "security": Security.TLS,
            "authentication": Authentication.PASSWORD,
            "username": USER,
            "secret": Secret(PASSWORD),
            **values,
        }
    )
