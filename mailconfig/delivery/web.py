"""Surroundings of requests by HTTP: what :mod:`mailconfig.transports.http` has to know of the deployment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mailconfig.conf import get_settings
from mailconfig.transports.contract import Surroundings


def web_surroundings(*, within: float, on_wait: Callable[[], None] | None = None) -> Surroundings:
    """Return the surroundings for URLs that the deployment or its administrators name, not its users.

    Args:
        within: seconds for everything, from the look-up of the name to the last byte.
        on_wait: called about four times a lease while the server is waited for.
    """
    settings = get_settings()
    return Surroundings(
        policy=settings.web_policy(),
        timeouts=replace(settings.smtp_timeouts(), total=within),
        on_wait=on_wait,
        wait_slice=settings.lease_seconds / 4,
    )
