"""Opening sessions: the one place that makes of an account an open session with whatever sends for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from mailconfig.conf import Settings, get_settings
from mailconfig.exceptions import TransportMissing
from mailconfig.models import Account
from mailconfig.transports.contract import OnStage, Session, Surroundings, Transport
from mailconfig.transports.registry import transport_for
from mailconfig.values import ConnectionSettings

OUTBOX = "outbox"
"""Transport of a host project's tests, whatever the account's send method."""


class Credentials(Protocol):
    """Step that completes the settings with what the account proves itself by."""

    def settings_for(self, account: Account, settings: ConnectionSettings) -> ConnectionSettings:
        """Return the settings to log in with.

        Raises:
            SecretUnreadable: there is nothing that could be shown.
        """
        ...


class StoredSecret:
    """Password or token as it is stored; the transport opens it when it needs it."""

    def settings_for(self, account: Account, settings: ConnectionSettings) -> ConnectionSettings:
        """Return the settings as they are: the account's own have its secret."""
        return settings


def credentials_of(account: Account) -> Credentials:
    """Return the step for the account's way to log in."""
    return StoredSecret()


def transport_of(account: Account) -> Transport:
    """Return what sends for the account.

    Raises:
        TransportMissing: nothing does.
        ValidationError: the system's server, which the account uses, is gone.
    """
    return transport_for(OUTBOX if get_settings().outbox else account.server().send_method)


def is_send_method(name: str) -> bool:
    """Return whether accounts may send that way: there is a transport for it, and not that of tests."""
    if name == OUTBOX:
        return False
    try:
        transport_for(name)
    except TransportMissing:
        return False
    return True


def open_session(
    account: Account,
    *,
    within: float | None = None,
    on_stage: OnStage | None = None,
    on_wait: Callable[[], None] | None = None,
) -> Session:
    """Open a session for an account: credentials, gate, handshake.

    Args:
        account: with the values that count, stored or not.
        within: seconds for everything that is done with the session; ``None``: each step has its own time only.
        on_stage: told of each stage that is done.
        on_wait: called about four times a lease while the far side is waited for.

    Raises:
        TransportMissing: nothing sends in the way that the account names.
        ValidationError: the system's server, which the account uses, is gone.
        TransportError, SecretUnreadable: see :meth:`mailconfig.transports.contract.Transport.open`.
    """
    settings = get_settings()
    transport = transport_of(account)
    own = account.transport_settings(ehlo_name=settings.ehlo_name)
    surroundings = _surroundings(settings, within=within, on_stage=on_stage, on_wait=on_wait)
    return transport.open(credentials_of(account).settings_for(account, own), surroundings)


def _surroundings(
    settings: Settings,
    *,
    within: float | None,
    on_stage: OnStage | None,
    on_wait: Callable[[], None] | None,
) -> Surroundings:
    return Surroundings(
        policy=settings.network_policy(),
        timeouts=replace(settings.smtp_timeouts(), total=within),
        on_wait=on_wait,
        wait_slice=settings.lease_seconds / 4,
        on_stage=on_stage,
    )
