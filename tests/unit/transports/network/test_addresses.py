"""Which addresses a connection may go to."""

from ipaddress import ip_address, ip_network

import pytest

from mailconfig.transports.network.addresses import is_allowed, is_public
from tests.servers.hostile_hosts import FORBIDDEN_LITERALS, PUBLIC_LITERALS


@pytest.mark.parametrize("text", FORBIDDEN_LITERALS)
def test_an_address_that_is_not_of_the_public_internet_is_not_allowed(text: str) -> None:
    assert not is_public(ip_address(text))
    assert not is_allowed(ip_address(text), ())


@pytest.mark.parametrize("text", PUBLIC_LITERALS)
def test_a_public_address_is_allowed(text: str) -> None:
    assert is_allowed(ip_address(text), ())


def test_a_network_of_the_deployment_is_allowed_and_its_neighbour_is_not() -> None:
    networks = (ip_network("10.1.0.0/16"),)
    assert is_allowed(ip_address("10.1.2.3"), networks)
    assert not is_allowed(ip_address("10.2.0.1"), networks)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("64:ff9b::7f00:1", "64:ff9b::/96"),
        ("2002:7f00:1::", "2002::/16"),
        ("::ffff:7f00:1", "::ffff:0:0/96"),
        ("2001:0:4136:e378:8000:63bf:80ff:fffe", "2001::/32"),
    ],
)
def test_a_translated_address_needs_its_inner_address_to_be_allowed_too(text: str, network: str) -> None:
    assert not is_allowed(ip_address(text), (ip_network(network),))


def test_a_deployment_behind_nat64_reaches_public_servers_through_it() -> None:
    assert is_allowed(ip_address("64:ff9b::808:808"), (ip_network("64:ff9b::/96"),))


def test_an_isatap_address_of_a_private_host_is_not_allowed() -> None:
    assert not is_allowed(ip_address("2a00:1450::5efe:10.0.0.1"), ())


def test_a_link_local_address_with_a_zone_is_not_allowed_even_in_an_allowed_network() -> None:
    assert not is_allowed(ip_address("fe80::1%1"), (ip_network("fe80::/10"),))
