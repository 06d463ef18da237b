"""The mail servers of a domain, found by what its owner publishes. All of it is a proposal, and as untrusted as the network."""

from .autoconfig import find_by_autoconfig
from .autodiscover import Autodiscovered, Ending, Login, find_exchange_service, is_within
from .found import FoundServer, FoundServers
from .services import find_by_services

__all__ = [
    "Autodiscovered",
    "Ending",
    "FoundServer",
    "FoundServers",
    "Login",
    "find_by_autoconfig",
    "find_by_services",
    "find_exchange_service",
    "is_within",
]
