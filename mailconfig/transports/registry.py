"""Transports by the names of the accounts' send methods."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from mailconfig.exceptions import TransportMissing
from mailconfig.transports.contract import Transport

_registered: dict[str, Transport] = {}


def register(name: str, transport: Transport) -> None:
    """Offer a transport that does not lie in a folder of this package, as the send method ``name``."""
    _registered[name] = transport


def transport_for(name: str) -> Transport:
    """Return the transport for a send method: one that was registered, else ``TRANSPORT`` of the folder of that name.

    Raises:
        TransportMissing: there is none.
    """
    found = _registered.get(name)
    if found is None:
        found = _registered[name] = _in_folder(name)
    return found


def _in_folder(name: str) -> Transport:
    package = f"{__package__}.{name}"
    module = import_module(package) if name.isidentifier() and find_spec(package) else None
    transport: Transport | None = getattr(module, "TRANSPORT", None)
    if transport is None:
        raise TransportMissing(name)
    return transport
