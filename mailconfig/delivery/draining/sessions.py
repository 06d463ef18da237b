"""Keeps one session for a drain: opened when needed, renewed after so many messages or seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

from mailconfig.conf import Settings
from mailconfig.delivery.outbox import OutboxSession
from mailconfig.exceptions import TransportError
from mailconfig.models import Account
from mailconfig.transports.base import Session, open_transport


class SessionKeeper:
    """Never hands a session out to another account, or after the account was edited."""

    def __init__(self, settings: Settings, *, on_wait: Callable[[], None]) -> None:
        self._settings = settings
        self._on_wait = on_wait
        self._session: Session | None = None
        self._key: tuple[int, int] | None = None
        self._used_at = 0.0

    @property
    def current(self) -> Session | None:
        """The session that is open, if any."""
        return self._session if self._session and not self._session.closed else None

    def get(self, account: Account) -> Session:
        """A session that is open and good for another message.

        One with a proposal under way is left as it is, however long the reply before it took and however worn it
        is: its next reply belongs to that proposal.

        Raises:
            TransportError, SecretUnreadable: none could be opened.
        """
        session = self.current
        if session and session.proposed:
            return session
        if session and (self._key != (account.pk, account.revision) or self.is_worn()):
            self.quit()
            session = None
        if session and time.monotonic() - self._used_at > self._settings.session_idle_seconds:
            try:
                session.noop()
            except TransportError:
                session.close()
                session = None
        if session is None:
            session = self._open(account)
            self._session, self._key = session, (account.pk, account.revision)
        self._used_at = time.monotonic()
        return session

    def reset(self) -> None:
        """Make the session good for the next message; one that is lost over it is simply gone."""
        if self._session:
            try:
                self._session.reset()
            except TransportError:
                self._session.close()

    def is_worn(self) -> bool:
        """Whether the session has had its messages or its time."""
        session = self.current
        return session is not None and (
            session.handed_over >= self._settings.session_messages
            or time.monotonic() - session.opened_at >= self._settings.session_seconds
        )

    def _open(self, account: Account) -> Session:
        if self._settings.outbox:
            return OutboxSession()
        return open_transport(
            account.transport_settings(ehlo_name=self._settings.ehlo_name),
            policy=self._settings.network_policy(),
            timeouts=self._settings.smtp_timeouts(),
            on_wait=self._on_wait,
            wait_slice=self._settings.lease_seconds / 4,
        )

    def quit(self) -> None:
        """Say goodbye, if there is anybody to say it to."""
        if self._session:
            self._session.quit()
        self._session = None

    def close(self) -> None:
        """Drop the connection."""
        if self._session:
            self._session.close()
        self._session = None
