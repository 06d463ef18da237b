"""The deployment's say about hosts, asked before anything is connected."""

from __future__ import annotations

from dataclasses import replace

from mailconfig.conf import get_settings
from mailconfig.transports.network.gate import vet_host

_ANY_PORT = 25


def require_allowed_host(*, host: str) -> None:
    """Refuse an address literal that the deployment forbids; where a name leads shows when it is connected.

    Raises:
        HostNotAllowed: nobody may connect there.
    """
    vet_host(host, _ANY_PORT, replace(get_settings().network_policy(), allowed_ports=None))
