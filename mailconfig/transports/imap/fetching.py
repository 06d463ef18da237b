"""Fetching: many messages by one command, of which one that a server cannot read costs no other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mailconfig.exceptions import FolderRefused

from .dialogue import Data, OnData
from .replies import Reply
from .talk import Ahead, Talk
from .uids import UIDSet

logger = logging.getLogger("mailconfig.sync")


@dataclass(slots=True, kw_only=True)
class Wanted:
    """Messages that a command asks for."""

    uids: UIDSet
    items: str
    """To fetch of each."""
    take: Callable[[Data], None]
    """Gets what comes."""
    found: Mapping[int, object]
    """What ``take`` keeps, by UID."""
    size: int
    """Bytes that are expected."""
    ahead: Ahead | None = None
    """What asked for them, if something did."""


class Fetching(Talk):
    """FETCH commands over an open connection, in a folder that is open."""

    def _fetch(self, uids: UIDSet, items: str, take: Callable[[Data], None], *, size: int = 0) -> None:
        self._run(self._command(f"UID FETCH {uids} {items}"), on_data=_of_messages(take), size=size)

    def _begin(self, wanted: Wanted) -> Ahead:
        """Ask for messages; :meth:`_fetch_each` reads what comes."""
        command = self._command(f"UID FETCH {wanted.uids} {wanted.items}")
        wanted.ahead = self._ask(command, on_data=_of_messages(wanted.take), size=wanted.size)
        return wanted.ahead

    def _fetch_each(self, wanted: Wanted) -> None:
        """Fetch what can be had of messages, if they were asked for already or not: one that a server cannot read is left out, and costs no other.

        Exchange says NO to all of a command for the sake of one message that it cannot convert.

        Raises:
            FolderRefused: nothing can be read in the folder, or not now.
        """
        try:
            self._verdict(wanted.ahead or self._begin(wanted))
        except FolderRefused as refused:
            if not _is_about_messages(refused):
                raise
            self._fetch(wanted.uids, "(UID FLAGS)", _ignore)  # if these are told, it is not the folder
            for uid in wanted.uids:
                if uid not in wanted.found:
                    self._fetch_or_leave(uid, wanted)

    def _fetch_or_leave(self, uid: int, wanted: Wanted) -> None:
        try:
            self._fetch(UIDSet.of([uid]), wanted.items, wanted.take, size=wanted.size)
        except FolderRefused as refused:
            if not _is_about_messages(refused):
                raise
            words = refused.reply.words if refused.reply else ""
            logger.warning("the server cannot tell of message %s, which is left out: %s", uid, words)


def _of_messages(take: Callable[[Data], None]) -> OnData:
    def on_data(data: Data | Reply) -> None:
        if isinstance(data, Data) and data.name == "FETCH":
            take(data)

    return on_data


def _ignore(data: Data) -> None:
    """Nobody wants what comes."""


def _is_about_messages(refused: FolderRefused) -> bool:
    """Return whether a refusal to fetch may be about one of the messages: the server does not say that it may pass."""
    return isinstance(refused.reply, Reply) and not refused.reply.is_for_now
