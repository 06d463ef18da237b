"""Transports by the names of the accounts' send methods, and of the mailboxes' sync methods."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from mailconfig.exceptions import TransportMissing
from mailconfig.mail_services import is_mail_service
from mailconfig.transports.contract import Transport
from mailconfig.transports.reading import ReadingTransport

_registered: dict[str, Transport] = {}
_reading: dict[str, ReadingTransport] = {}


def register(name: str, transport: Transport) -> None:
    """Offer a transport that does not lie in a folder of this package, as the send method ``name``."""
    _registered[name] = transport


def register_reading(name: str, transport: ReadingTransport) -> None:
    """Offer a transport that does not lie in a folder of this package, as the sync method ``name``."""
    _reading[name] = transport


def transport_for(name: str) -> Transport:
    """Return the transport for a send method: one that was registered, that to the mail service of the name, or ``TRANSPORT``
    of the folder of that name.

    Raises:
        TransportMissing: there is none, or what it needs is not installed.
    """
    found = _registered.get(name)
    if found is None:
        found = _service(name) if is_mail_service(name) else _in_folder(name, "TRANSPORT")
        _registered[name] = found
    return found


def reading_transport_for(name: str) -> ReadingTransport:
    """Return the transport for a sync method: one that was registered, else ``READING_TRANSPORT`` of the folder.

    Raises:
        TransportMissing: there is none.
    """
    found = _reading.get(name)
    if found is None:
        found = _reading[name] = _in_folder(name, "READING_TRANSPORT")
    return found


def _service(name: str) -> Transport:
    try:
        module = import_module(f"{__package__}.services.transport")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "mailconfig":
            raise
        raise TransportMissing(name) from None  # the extra "anymail" is not installed
    transport: Transport = module.ServiceTransport(name)
    return transport


def _in_folder(name: str, attribute: str) -> Any:
    package = f"{__package__}.{name}"
    module = import_module(package) if name.isidentifier() and find_spec(package) else None
    transport = getattr(module, attribute, None)
    if transport is None:
        raise TransportMissing(name)
    return transport
