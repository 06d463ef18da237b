"""Sessions with Gmail on loopback."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mailconfig.transports.contract import Surroundings
from mailconfig.values import Authentication, ConnectionSettings, NetworkPolicy, Secret, Security, Timeouts
from tests.servers.gmail import ADDRESS, TOKEN, FakeGmail


def settings_of(**values: Any) -> ConnectionSettings:
    """What an account says whose permission is good."""
    return ConnectionSettings(
        **{
            "host": "gmail.googleapis.com",
            "port": 443,
            "security": Security.TLS,
            "authentication": Authentication.OAUTH2,
            "username": ADDRESS,
            "secret": Secret(TOKEN),
            **values,
        }
    )


def surroundings_of(server: FakeGmail, policy: NetworkPolicy, **timeouts: float) -> Surroundings:
    """A deployment that has Gmail on loopback."""
    return Surroundings(
        policy=policy,
        web_policy=replace(policy, allow_plain_http=True),
        service_urls={"gmail_api": server.url},
        timeouts=Timeouts(**timeouts),
    )
