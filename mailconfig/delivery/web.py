"""Our place in the web: surroundings of requests by :mod:`mailconfig.transports.http`, and the address of this site."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mailconfig.conf import Settings, get_settings
from mailconfig.exceptions import HostNotAllowed
from mailconfig.http_urls import InvalidUrl, check_url
from mailconfig.transports.contract import Surroundings
from mailconfig.transports.network import gate
from mailconfig.values import NetworkPolicy


def why_not_reached(url: str) -> str:
    """Return why the settings let nobody connect to a URL of the deployment's, as far as its text tells; ``""``: they do.

    No name is looked up.
    """
    policy = get_settings().web_policy()
    try:
        parts = check_url(url, plain_http=policy.allow_plain_http, listed=policy.allowed_hosts)
        gate.vet_host(parts.host, parts.port, policy)
    except (InvalidUrl, HostNotAllowed) as error:
        return str(error)
    return ""


def web_surroundings(*, within: float, on_wait: Callable[[], None] | None = None) -> Surroundings:
    """Return the surroundings for URLs that the deployment or its administrators name, not its users.

    Args:
        within: seconds for everything, from the look-up of the name to the last byte.
        on_wait: called about four times a lease while the server is waited for.
    """
    settings = get_settings()
    return _surroundings(settings, settings.web_policy(), settings.lease_seconds / 4, within, on_wait)


def file_surroundings(*, within: float, on_wait: Callable[[], None]) -> Surroundings:
    """Return the surroundings for URLs of files, which come from those who send mail.

    Args:
        within: seconds for everything.
        on_wait: called about twice a second while a server is waited for.
    """
    settings = get_settings()
    return _surroundings(settings, settings.attachment_policy(), 0.5, within, on_wait)


def public_url(path: str) -> str:
    """Return the address at which the world reaches a path of this site; ``""``: the deployment does not say where that is.

    The host of a request may be anybody's word, and such an address is stored elsewhere for long.
    """
    base = get_settings().public_base_url
    return base.rstrip("/") + path if base else ""


def webhook_surroundings(*, within: float) -> Surroundings:
    """Return the surroundings for the webhooks of tenants.

    Args:
        within: seconds for everything.
    """
    settings = get_settings()
    return _surroundings(settings, settings.webhook_policy(), 0.5, within, None)


def _surroundings(
    settings: Settings,
    policy: NetworkPolicy,
    wait_slice: float,
    within: float,
    on_wait: Callable[[], None] | None,
) -> Surroundings:
    return Surroundings(
        policy=policy,
        timeouts=replace(settings.smtp_timeouts(), total=within),
        on_wait=on_wait,
        wait_slice=wait_slice,
    )
