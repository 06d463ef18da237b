"""Mail that waits in another queue, whichever it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from django.core.mail import EmailMessage

from mailconfig.models import Message, Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Choice among the mail of another queue."""

    newer_than: datetime
    """What waits for longer is left: nobody expects it any more."""
    with_failed: bool = False
    """Also what the other queue has given up."""
    with_expiring: bool = False
    """Also what must not be sent after a certain time, of which nothing here takes note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingMail:
    """One mail of another queue."""

    pk: int
    message: EmailMessage
    priority: Priority
    not_before: datetime | None = None
    mailer: str = ""
    """What it would be sent by: a name in ``MAILERS``, or the dotted path of a mail backend."""
    row: Any = field(default=None, repr=False)
    """The row as it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftMail:
    """One mail that stays in the other queue, and why."""

    pk: int
    why: str


class OtherQueue(Protocol):
    """A queue of another package, in this database."""

    name: str
    """As its package is called."""
    app: str
    """Its label among the installed apps."""

    def why_not(self) -> str:
        """The reason why nothing can be taken from it; ``""``: it can."""

    def read(self, choice: Choice) -> Iterator[WaitingMail | LeftMail]:
        """Yield all that waits, as it would be sent. No transaction is needed."""

    def remarks(self, choice: Choice) -> Iterator[str]:
        """Yield what else it holds that is not taken over by this choice."""

    def stopped(self) -> AbstractContextManager[None]:
        """Hold its lock within the block, so that no process that looks at the same lock sends from it.

        Raises:
            QueueBusy: one does just now.
        """

    def claim(self, mail: WaitingMail) -> bool:
        """Take it from the queue, in the caller's transaction, as if it had been sent; ``False``: it changed since it was read."""

    def note(self, mail: WaitingMail, taken_as: Message) -> None:
        """Write into its log, in the same transaction, what became of it."""
