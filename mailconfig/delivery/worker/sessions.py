"""Keeps one session for a drain: opened when needed, renewed after so many messages or seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

from mailconfig.conf import Settings
from mailconfig.delivery.accounts.opening import open_session
from mailconfig.delivery.worker.reading import Mark
from mailconfig.delivery.worker.standing import Standing
from mailconfig.exceptions import TransportError
from mailconfig.transports.contract import Session


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
        """The session that is open, if any. Other threads ask as well, while it ends."""
        session = self._session
        return session if session and not session.closed else None

    def get(self, standing: Standing) -> Session:
        """Return a session that is open and good for another message.

        Raises:
            TransportError, SecretUnreadable: none could be opened.
            ValidationError: the system's server, which the account uses, is gone.
        """
        session, key = self.current, (standing.account.pk, standing.mark)
        self._most_mails = standing.mails_per_session()
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
            session = open_session(standing.account, on_wait=self._on_wait)
            self._session, self._key = session, key
        self.was_used()
        return session

    def was_used(self) -> None:
        """Count from now on for how long the session is idle."""
        self._used_at = time.monotonic()

    def is_worn(self, *, with_another: int = 0) -> bool:
        """Return whether the session has had its messages, or has with so many more, or has had its time."""
        session = self.current
        return session is not None and (
            session.handed_over + with_another >= self._most_mails
            or time.monotonic() - session.opened_at >= self._settings.session_seconds
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
