"""Keeps one session for a drain: opened when needed, renewed after so many messages or seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

from mailconfig.conf import Settings
from mailconfig.delivery.outbox import OutboxSession
from mailconfig.delivery.worker.standing import Mark, Standing
from mailconfig.exceptions import TransportError
from mailconfig.models import Account
from mailconfig.transports.base import Session, open_transport


class SessionKeeper:
    """Never hands a session out to another account, or after the account was edited."""

    def __init__(self, settings: Settings, *, on_wait: Callable[[], None]) -> None:
        self._settings = settings
        self._on_wait = on_wait
        self._session: Session | None = None
        self._key: tuple[int, Mark | None] | None = None
        self._used_at = 0.0
        self._most_mails = settings.session_messages

    @property
    def current(self) -> Session | None:
        """The session that is open, if any."""
        return self._session if self._session and not self._session.closed else None

    def get(self, standing: Standing) -> Session:
        """A session that is open and good for another message.

        One with a proposal under way is left as it is, however long the reply before it took and however worn it
        is: its next reply belongs to that proposal.

        Raises:
            TransportError, SecretUnreadable: none could be opened.
            ValidationError: the system's server, which the account uses, is gone.
        """
        session, key = self.current, (standing.account.pk, standing.mark)
        self._most_mails = standing.mails_per_session()
        if session and session.proposed:
            return session
        if session and (self._key != key or self.is_worn()):
            self.quit()
            session = None
        if session and time.monotonic() - self._used_at > self._settings.session_idle_seconds:
            try:
                session.noop()
            except TransportError:
                session.close()
                session = None
        if session is None:
            session = self._open(standing.account)
            self._session, self._key = session, key
        self._used_at = time.monotonic()
        return session

    def reset(self) -> None:
        """Make the session good for the next message; one that is lost over it is simply gone."""
        if self._session:
            try:
                self._session.reset()
            except TransportError:
                self._session.close()

    def is_worn(self, *, with_another: int = 0) -> bool:
        """Return whether the session has had its messages, or has with so many more, or has had its time."""
        session = self.current
        return session is not None and (
            session.handed_over + with_another >= self._most_mails
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

    def close(self) -> int:
        """Drop the connection, and say how many mails had gone over it."""
        session, self._session = self._session, None
        if session is None:
            return 0
        session.close()
        return session.handed_over
