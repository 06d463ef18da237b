"""The mail servers of a domain, found by what its owner publishes. All of it is a proposal, and as untrusted as the network."""

from .autoconfig import find_by_autoconfig
from .found import FoundServer, FoundServers
from .services import find_by_services

__all__ = ["FoundServer", "FoundServers", "find_by_autoconfig", "find_by_services"]
