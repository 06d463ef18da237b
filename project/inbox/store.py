"""Store of the mails that the demo's mail server received, in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMail:
    """One mail as the server got it."""

    received_at: datetime
    """When its last byte was there, before the 250."""
    mail_from: str
    recipients: tuple[str, ...]
    headers: dict[str, str]
    """Decoded; the values of a header that stands there several times are joined by line ends."""
    text: str

    def header(self, name: str) -> str:
        """A header's value, whatever its case; ``""`` if it is not there."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), "")

    @property
    def subject(self) -> str:
        """The decoded subject."""
        return self.header("Subject")


class Inbox:
    """All mails, oldest first. Safe to use from several threads."""

    def __init__(self) -> None:
        self._mails: list[ReceivedMail] = []
        self._changed = threading.Condition()

    def add(self, mail: ReceivedMail) -> int:
        """Keep a mail.

        Returns:
            How many there are now.
        """
        with self._changed:
            self._mails.append(mail)
            self._changed.notify_all()
            return len(self._mails)

    def mails(self) -> list[ReceivedMail]:
        """Return the mails received so far."""
        with self._changed:
            return list(self._mails)

    def wait_until(self, enough: Callable[[list[ReceivedMail]], bool], *, seconds: float) -> bool:
        """Wait until what is there is ``enough``, looking anew whenever a mail comes in.

        Returns:
            Whether it is.
        """
        until = time.monotonic() + seconds
        with self._changed:
            while not enough(list(self._mails)):
                left = until - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True


inbox = Inbox()
"""That of this process: filled by the mail server, shown by the pages."""
