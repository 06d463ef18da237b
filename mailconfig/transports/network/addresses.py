"""Public IP addresses, by a list of our own.

``ipaddress.is_global`` calls ``::127.0.0.1``, NAT64, 6to4, ``fec0::1`` and multicast global.
The lists follow the IANA special-purpose address registries (RFC 6890).
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NOT_PUBLIC_4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's host agent answers here inside every virtual machine
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)

_GLOBAL_UNICAST_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, benchmarking, ORCHID …
        "2001:db8::/32",
        "2002::/16",
        "2620:4f:8000::/48",
        "3ffe::/16",
        "3fff::/20",
    )
)

_EMBEDDED_AT_THE_END = tuple(
    IPv6Network(text) for text in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")
)
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
_ISATAP = (0x00005EFE, 0x02005EFE)


def is_public(address: Address) -> bool:
    """Return whether the address belongs to a host on the public internet."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    return address in _GLOBAL_UNICAST_6 and not any(address in network for network in _NOT_PUBLIC_6)


def is_allowed(address: Address, networks: Iterable[Network]) -> bool:
    """Return whether a connection may go there: public, or in one of ``networks``.

    An IPv4 address inside an IPv6 one has to be allowed as well, or a translator of the deployment would
    be a way round the list.
    """
    networks = tuple(networks)
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        if not all(is_allowed(inner, networks) for inner in _embedded(address)):
            return False
    return is_public(address) or any(address in network for network in networks)


def _embedded(address: IPv6Address) -> list[IPv4Address]:
    number = int(address)
    low = IPv4Address(number & 0xFFFFFFFF)
    if number <= 1:  # the unspecified and the loopback address are no IPv4-compatible ones
        return []
    if any(address in network for network in _EMBEDDED_AT_THE_END) or address in _NAT64_LOCAL:
        return [low]
    found: list[IPv4Address] = []
    if address.sixtofour is not None:
        found.append(address.sixtofour)
    if address.teredo is not None:
        found.extend(address.teredo)
    if (number >> 32) & 0xFFFFFFFF in _ISATAP:
        found.append(low)
    return found
