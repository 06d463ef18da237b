"""Storing of a batch: all of it and the folder's progress in one transaction, as long as the lane is ours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from mailconfig.delivery.sync.batch import Batch, Found
from mailconfig.delivery.sync.bounces import store_returns
from mailconfig.delivery.sync.inserting import insert
from mailconfig.delivery.sync.recognising import received_at
from mailconfig.delivery.sync.taking import Taken
from mailconfig.delivery.sync.ties import Ties
from mailconfig.exceptions import LeaseLost
from mailconfig.models import Lane, SyncedFolder, SyncedMessage
from mailconfig.transports.reading import FolderState

_MOST_TEXT = 65_535
"""Characters of addresses and ids that are kept of one field; nobody reads more."""


class Edited(Exception):
    """The mailbox was edited since it was read: nothing was stored."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Numbers of what was stored of a batch.

    Attributes:
        messages: how many are new.
        moved: how many have another number now.
        bounces: how many recipients were newly reported.
    """

    messages: int
    moved: int
    bounces: int


def open_folder(taken: Taken, name: str, state: FolderState) -> SyncedFolder:
    """Return the folder as it is to be read from now on: anew, if its numbers mean other messages than before.

    They do as well where the next message is to have a number that was read already: a server that was restored from a backup gives
    numbers once more, and may tell no other UIDVALIDITY.

    Raises:
        LeaseLost: somebody else owns the lane by now.
        Edited: the mailbox was edited.
    """
    uid_validity = state.uid_validity or 0

    def goes_on(folder: SyncedFolder) -> bool:
        is_set_back = state.uid_next is not None and state.uid_next <= folder.highest_uid
        return folder.uid_validity == uid_validity and not is_set_back

    folder = taken.folder
    if folder is not None and goes_on(folder):
        return folder
    with transaction.atomic():
        _keep_lane(taken)
        folder, _is_new = SyncedFolder.objects.select_for_update().get_or_create(
            mailbox_id=taken.mailbox.pk, name=name, defaults={"uid_validity": uid_validity}
        )
        if not goes_on(folder):
            # The validity may have been this one before, and none of its numbers mean what they did.
            stale = SyncedMessage.objects.filter(folder=folder, uid_validity=uid_validity)
            stale.update(uid_validity=-F("pk"))
            folder.uid_validity, folder.highest_uid, folder.highest_modseq = uid_validity, 0, None
            folder.position = ""
            folder.save()
    return folder


def store(taken: Taken, folder: SyncedFolder, batch: Batch, ties: Ties) -> Stored:
    """Store a batch, and that the folder was read so far.

    Raises:
        LeaseLost: somebody else owns the lane by now, or read on in the folder.
        Edited: the mailbox was edited.
    """
    new = batch.new
    with transaction.atomic():
        _keep_lane(taken)
        progress = {} if batch.position is None else {"position": batch.position}
        _advance(folder, highest_uid=batch.last_uid, **progress)
        _move(folder, batch)
        rows = [_values(folder, found, ties.answers.get(found.raw.uid)) for found in new]
        private = {each.uid for each in ties.returns if each.is_private}
        for row in rows:
            if row["uid"] in private:
                row["subject"] = ""  # some mail systems name there whom they could not reach
        numbers = insert(
            rows,
            [None if found.raw.uid in private else found.content for found in new],
        )
        bounces = store_returns(taken.mailbox, ties.returns, numbers)
    folder.highest_uid = batch.last_uid
    return Stored(len(new), len(batch.recognised), bounces)


def note_end(taken: Taken, folder: SyncedFolder, *, highest_modseq: int | None) -> None:
    """Note that the folder was read to its end.

    Raises:
        LeaseLost: somebody else owns the lane by now, or read on in the folder.
        Edited: the mailbox was edited.
    """
    if folder.highest_modseq == highest_modseq:
        return
    with transaction.atomic():
        _keep_lane(taken)
        _advance(folder, highest_modseq=highest_modseq)
    folder.highest_modseq = highest_modseq


def _keep_lane(taken: Taken) -> None:
    """Renew the lease, by which nobody else may take the lane until the transaction is over."""
    ownership, mailbox = taken.ownership, taken.mailbox
    mine = Lane.objects.filter(pk=ownership.lane_id, lease_token=ownership.token)
    unedited = mine.filter(account__revision=mailbox.revision)
    if not unedited.update(lease_until=Now() + timedelta(seconds=ownership.lease)):
        if mine.exists():
            raise Edited
        ownership.is_lost = True
        raise LeaseLost("the lane was taken by another worker")


def _advance(folder: SyncedFolder, **values: int | str | None) -> None:
    """Change the folder's progress if it is still what we know: what was read of it was read while the lane was taken."""
    as_known = SyncedFolder.objects.filter(
        pk=folder.pk, uid_validity=folder.uid_validity, highest_uid=folder.highest_uid
    )
    if not as_known.update(**values):
        raise LeaseLost("the folder was read by another worker")


def _move(folder: SyncedFolder, batch: Batch) -> None:
    recognised = batch.recognised
    if recognised:
        keys = {found.raw.uid: found.raw.key for found in batch.found}
        moved = [
            SyncedMessage(
                pk=pk, folder=folder, uid_validity=folder.uid_validity, uid=uid, key=keys.get(uid, "")
            )
            for uid, pk in recognised.items()
        ]
        SyncedMessage.objects.bulk_update(moved, ["folder", "uid_validity", "uid", "key"])


def _values(folder: SyncedFolder, found: Found, answers: int | None) -> dict[str, Any]:
    """Return the columns of a new :class:`SyncedMessage` but its number: of thousands, making each a model takes longer than writing it."""
    head, raw = found.head, found.raw
    return {
        "mailbox_id": folder.mailbox_id,
        "folder_id": folder.pk,
        "uid_validity": folder.uid_validity,
        "uid": raw.uid,
        "key": raw.key,
        "kind": found.kind,
        "message_id": head.message_id,
        "in_reply_to": head.in_reply_to,
        "references": _joined(" ", head.references),
        "thread_id": head.thread_id,
        "answers_id": answers,
        "from_address": head.from_address,
        "from_name": head.from_name,
        "to": _joined(", ", head.to),
        "cc": _joined(", ", head.cc),
        "subject": head.subject,
        "dated_at": head.dated_at,
        "received_at": received_at(found),
        "size": raw.size,
        "is_cut": found.is_cut,
    }


def _joined(separator: str, words: tuple[str, ...]) -> str:
    """Return as many of them as there is room for."""
    text = separator.join(words)
    return text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT].rpartition(separator)[0]
