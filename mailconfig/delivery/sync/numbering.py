"""Numbers for messages that have keys instead: so the rest of a sync counts UIDs, whatever the far side has.

A number is given when a message is first seen, and stored with its key. What the far side tells again is known by its key. Where
it does not know any more how far it was read, the folder gets another UID validity, and what is stored is recognised.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from mailconfig.incoming.reports import MOST_OCTETS
from mailconfig.models import Mailbox, SyncedFolder, SyncedMessage
from mailconfig.transports.reading import KeyedMessage, KeyedSession

FIRST_VALIDITY = 2**40
"""UID validities of IMAP have 32 bits: none is taken for one of ours when a mailbox changes its way to be read."""
_LONGEST_KEY = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedState:
    """See :class:`mailconfig.transports.reading.FolderState`."""

    exists: int
    uid_validity: int
    uid_next: int | None = None
    highest_modseq: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """A message with its number. See :class:`mailconfig.transports.reading.MessageHead` and :class:`.MessageStart`."""

    uid: int
    key: str
    size: int
    received_at: dt.datetime | None
    octets: bytes
    header: bytes = b""
    is_whole: bool = True


class NumberingSession:
    """A keyed session as a :class:`mailconfig.transports.reading.ReadingSession`.

    Attributes:
        position: behind the messages that were yielded last; to be stored with the last of them.
    """

    def __init__(self, session: KeyedSession, mailbox: Mailbox, folder: SyncedFolder | None) -> None:
        self.position = ""
        self._session, self._mailbox, self._folder = session, mailbox, folder
        self._validity = 0
        self._held: dict[int, bytes] = {}

    @property
    def closed(self) -> bool:
        """Return whether it is over."""
        return self._session.closed

    def examine(self, folder: str) -> NumberedState:
        """Open a folder where it was read to, or from its beginning."""
        known = self._folder
        state = self._session.examine(folder, position=known.position if known else "")
        before = known.uid_validity if known else 0
        goes_on = state.goes_on and before >= FIRST_VALIDITY
        self._validity = before if goes_on else max(before + 1, FIRST_VALIDITY)
        return NumberedState(exists=state.exists, uid_validity=self._validity)

    def heads_after(self, uid: int, *, header_bytes: int) -> Iterator[tuple[int, tuple[Numbered, ...]]]:
        """Yield heads, and hold what is behind them until the next batch: the far side tells all at once."""
        for last_uid, messages in self.messages_after(uid, most=MOST_OCTETS):
            self._held = {message.uid: message.octets for message in messages}
            yield last_uid, tuple(_head_of(message, header_bytes) for message in messages)
        self._held = {}

    def messages_after(self, uid: int, *, most: int) -> Iterator[tuple[int, tuple[Numbered, ...]]]:
        """Yield messages that were never came before, each with the next number behind ``uid``."""
        # Of a report more is read than is kept of any text, whatever this one turns out to be.
        for position, came in self._session.messages_after(
            most=MOST_OCTETS, which_are_stored=self._which_are_stored
        ):
            if not came and self._folder is not None and position == self._folder.position:
                continue
            self.position = position
            new = self._new(came)
            messages = tuple(
                Numbered(
                    uid=number,
                    key=key,
                    size=message.size,
                    received_at=message.received_at,
                    octets=message.octets[:most],
                )
                for number, (key, message) in enumerate(new.items(), uid + 1)
            )
            uid += len(messages)
            yield uid, messages

    def texts(self, sizes: Mapping[int, int], *, most: int) -> Iterator[tuple[int, bytes]]:
        """Yield octets of messages whose heads were yielded last."""
        for uid in sizes:
            if uid in self._held:
                yield uid, self._held[uid][:most]

    def quit(self) -> None:
        """Say goodbye and close."""
        self._session.quit()

    def close(self) -> None:
        """Drop the connection."""
        self._session.close()

    def _new(self, came: tuple[KeyedMessage, ...]) -> dict[str, KeyedMessage]:
        """Return those that are not stored, by the keys that are."""
        by_key = {short(message.key): message for message in came}
        for key in self._stored(by_key):
            by_key.pop(key, None)
        return by_key

    def _which_are_stored(self, keys: Collection[str]) -> Collection[str]:
        stored = self._stored({short(key) for key in keys})
        return {key for key in keys if short(key) in stored}

    def _stored(self, keys: Collection[str]) -> Collection[str]:
        """Return those of some keys, as they are stored, that are."""
        if not keys:
            return ()
        stored = SyncedMessage.objects.filter(
            mailbox_id=self._mailbox.pk,
            key__in=list(keys),
            folder__name=self._mailbox.sync_folder,
            uid_validity=self._validity,
        )
        return set(stored.values_list("key", flat=True))


def short(key: str) -> str:
    """Return a key as it is stored."""
    return key if len(key) <= _LONGEST_KEY else hashlib.sha256(key.encode()).hexdigest()


def _head_of(message: Numbered, header_bytes: int) -> Numbered:
    octets = message.octets
    ends = [at for at in (octets.find(b"\r\n\r\n"), octets.find(b"\n\n")) if at >= 0]
    header = octets[: min(ends, default=len(octets))][:header_bytes]
    return Numbered(
        uid=message.uid,
        key=message.key,
        size=message.size,
        received_at=message.received_at,
        octets=b"",
        header=header,
        is_whole=len(header) < header_bytes,
    )
