"""Surroundings of requests by HTTP: what follows from the settings."""

from ipaddress import ip_network
from typing import Any

from mailconfig.delivery.web import web_surroundings


def test_ports_and_schemes_are_the_webs_own_and_hosts_the_deployments(settings: Any) -> None:
    settings.MAILCONFIG = {
        "ALLOWED_NETWORKS": ["10.0.0.0/8"],
        "ALLOWED_HOSTS": ["token_server"],
        "ALLOWED_PORTS": [25],
        "CA_FILE": "/ca.pem",
        "LEASE_SECONDS": 80,
    }

    around = web_surroundings(within=7)

    assert around.policy.allowed_ports == frozenset({443})
    assert around.policy.allowed_networks == (ip_network("10.0.0.0/8"),)
    assert (around.policy.allowed_hosts, around.policy.ca_file) == (frozenset({"token_server"}), "/ca.pem")
    assert not around.policy.allow_plain_http
    assert (around.timeouts.total, around.wait_slice) == (7, 20)


def test_a_deployment_may_allow_any_port_and_plain_http(settings: Any) -> None:
    settings.MAILCONFIG = {"WEB_PORTS": None, "ALLOW_PLAIN_HTTP": True}

    policy = web_surroundings(within=7).policy

    assert policy.allowed_ports is None
    assert policy.allow_plain_http
