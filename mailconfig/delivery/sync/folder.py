"""Reading of a folder from where it was read to before: batch by batch, each committed, so that it goes on after any end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mailconfig import crash
from mailconfig.conf import Settings
from mailconfig.delivery.sync import storing
from mailconfig.delivery.sync.batch import HEADER_BYTES, Batch, Exclusion, batches_of, read_texts, whole_batch
from mailconfig.delivery.sync.numbering import NumberingSession
from mailconfig.delivery.sync.recognising import Recogniser
from mailconfig.delivery.sync.taking import Taken
from mailconfig.delivery.sync.ties import find_ties
from mailconfig.models import SyncedFolder
from mailconfig.transports.reading import FolderState, KeyedSession, ReadingSession

MOST_READ = 1024 * 1024
"""Octets of a message that are read at most, whatever the setting: a session has a cap on each literal."""


class FolderSync:
    """One sync of one folder, and what it came to so far."""

    def __init__(
        self, taken: Taken, settings: Settings, *, is_over: Callable[[], bool], on_batch: Callable[[], object]
    ) -> None:
        """Make one that has not begun.

        Args:
            taken: the mailbox.
            settings: of the deployment.
            is_over: asked after each batch; true ends it.
            on_batch: called after each batch.
        """
        self.stored = self.moved = self.excluded = self.bounces = 0
        self._taken, self._is_over, self._on_batch = taken, is_over, on_batch
        keeps_text = settings.synced_content_days > 0
        self._most = min(settings.sync_message_bytes, MOST_READ) if keeps_text else 0

    def run(self, session: ReadingSession | KeyedSession) -> bool:
        """Read what is new.

        Returns:
            Whether that was all.

        Raises:
            FolderRefused, SessionLost, ProtocolError: of the server's; what was read before is stored.
            LeaseLost: somebody else owns the lane by now.
            Edited: the mailbox was edited since it was read.
        """
        name = self._taken.mailbox.sync_folder
        if isinstance(session, KeyedSession):
            session = NumberingSession(session, self._taken.mailbox, self._taken.folder)
        state = session.examine(name)
        crash.point("after_examine")
        folder = storing.open_folder(self._taken, name, state)
        if _is_unchanged(folder, state):
            return True
        for batch in self._batches(session, folder):
            self._store(folder, batch)
            if self._is_over():
                return False
        crash.point("before_end")
        storing.note_end(self._taken, folder, highest_modseq=state.highest_modseq)
        return True

    def _batches(self, session: ReadingSession, folder: SyncedFolder) -> Iterator[Batch]:
        """Yield what is new, read.

        Where texts are stored, and none is of a message that may have to be left out, header and text come at once.
        """
        exclusion, recogniser = Exclusion(self._taken.mailbox), Recogniser(folder)
        if self._most and exclusion.is_empty and not recogniser.has_some:
            for last_uid, messages in session.messages_after(folder.highest_uid, most=self._most):
                batch = whole_batch(last_uid, messages, most=self._most)
                batch.position = _position_of(session)
                yield batch
            return
        for last_uid, heads in session.heads_after(folder.highest_uid, header_bytes=HEADER_BYTES):
            for batch in batches_of(last_uid, heads, exclusion, most=self._most):
                if batch.last_uid == last_uid:
                    batch.position = _position_of(session)
                batch.recognised = recogniser.recognise(batch.found)
                read_texts(session, batch.new, most=self._most)
                yield batch

    def _store(self, folder: SyncedFolder, batch: Batch) -> None:
        ties = find_ties(self._taken.mailbox.pk, batch.new)
        crash.point("before_batch")
        stored = storing.store(self._taken, folder, batch, ties)
        crash.point("after_batch")
        self.stored += stored.messages
        self.moved += stored.moved
        self.bounces += stored.bounces
        self.excluded += batch.excluded
        self._on_batch()


def _position_of(session: ReadingSession) -> str | None:
    return session.position if isinstance(session, NumberingSession) else None


def _is_unchanged(folder: SyncedFolder, state: FolderState) -> bool:
    """Return whether nothing can have come in since the folder was read to its end."""
    if state.exists == 0:
        return True
    if state.uid_next is not None and state.uid_next <= folder.highest_uid + 1:
        return True
    return state.highest_modseq is not None and state.highest_modseq == folder.highest_modseq
