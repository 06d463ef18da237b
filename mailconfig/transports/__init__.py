"""Sockets: everything that leaves this process does so from here. Knows no Django."""

from .base import Session, open_transport
from .network.gate import Resolver, vet_host
from .smtp.opening import OnStage

__all__ = ["OnStage", "Resolver", "Session", "open_transport", "vet_host"]
