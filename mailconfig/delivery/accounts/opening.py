"""Opening sessions: the one place that makes of an account an open session with whatever sends, or reads, for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from mailconfig.conf import Settings, get_settings
from mailconfig.delivery.accounts.logging_in import credentials_of, log_in
from mailconfig.exceptions import TransportMissing
from mailconfig.models import Account, Mailbox
from mailconfig.transports.contract import OnStage, Session, Surroundings, Transport
from mailconfig.transports.reading import KeyedSession, ReadingSession, ReadingTransport
from mailconfig.transports.registry import reading_transport_for, transport_for

WEB_PORTS = frozenset({443})
OUTBOX = "outbox"
"""Transport of a host project's tests, whatever the account's send method."""


def transport_of(account: Account) -> Transport:
    """Return what sends for the account.

    Raises:
        TransportMissing: nothing does.
        ValidationError: the system's server, which the account uses, is gone.
    """
    return transport_for(OUTBOX if get_settings().outbox else account.server().send_method)


def reading_transport_of(mailbox: Mailbox) -> ReadingTransport:
    """Return what reads for the mailbox.

    Raises:
        TransportMissing: nothing does; where tests of a host project have an outbox, nothing is read either.
    """
    if get_settings().outbox:
        raise TransportMissing(mailbox.sync_method)
    return reading_transport_for(mailbox.sync_method)


def is_send_method(name: str) -> bool:
    """Return whether accounts may send that way: there is a transport for it, and not that of tests."""
    if name == OUTBOX:
        return False
    try:
        transport_for(name)
    except TransportMissing:
        return False
    return True


def is_sync_method(name: str) -> bool:
    """Return whether mailboxes may be synced that way: there is a transport for it."""
    try:
        reading_transport_for(name)
    except TransportMissing:
        return False
    return not get_settings().outbox


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
    if account.sends_by_ews:  # the port is that of an address that the account was given as a whole
        surroundings = _with_ports(surroundings, WEB_PORTS)
    return log_in(credentials_of(account, own), surroundings, transport.open)


def open_sync_session(
    mailbox: Mailbox,
    *,
    within: float | None = None,
    on_stage: OnStage | None = None,
    on_wait: Callable[[], None] | None = None,
) -> ReadingSession | KeyedSession:
    """Open a session that reads in a mailbox: credentials, gate, handshake, login.

    Args:
        mailbox: with the values that count, stored or not.
        within, on_stage, on_wait: as for :func:`open_session`.

    Raises:
        TransportMissing: nothing reads in the way that the mailbox names.
        TransportError, SecretUnreadable: see :meth:`mailconfig.transports.reading.ReadingTransport.open`.
    """
    transport = reading_transport_of(mailbox)
    surroundings = _reading_surroundings(transport, within=within, on_stage=on_stage, on_wait=on_wait)
    return log_in(credentials_of(mailbox, mailbox.sync_settings()), surroundings, transport.open)


def check_sync(mailbox: Mailbox, *, within: float | None = None, on_stage: OnStage | None = None) -> None:
    """Log in where a mailbox is read, open the folder that is synced, and leave.

    Raises:
        TransportMissing: nothing reads in the way that the mailbox names.
        TransportError, SecretUnreadable: see :meth:`mailconfig.transports.reading.ReadingTransport.check`.
    """
    transport = reading_transport_of(mailbox)
    surroundings = _reading_surroundings(transport, within=within, on_stage=on_stage, on_wait=None)
    check = partial(transport.check, folder=mailbox.sync_folder)
    log_in(credentials_of(mailbox, mailbox.sync_settings()), surroundings, check)


def _reading_surroundings(
    transport: ReadingTransport,
    *,
    within: float | None,
    on_stage: OnStage | None,
    on_wait: Callable[[], None] | None,
) -> Surroundings:
    """Surroundings in which the ports of the transport's protocol are allowed, for it alone."""
    found = _surroundings(get_settings(), within=within, on_stage=on_stage, on_wait=on_wait)
    return _with_ports(found, transport.ports)


def _with_ports(found: Surroundings, ports: frozenset[int]) -> Surroundings:
    if found.policy.allowed_ports is None:
        return found
    return replace(found, policy=replace(found.policy, allowed_ports=found.policy.allowed_ports | ports))


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
        web_policy=settings.web_policy(),
        service_urls=settings.send_api_urls,
    )
