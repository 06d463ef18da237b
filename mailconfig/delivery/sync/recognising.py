"""Recognising messages that were stored before, when a folder's numbers mean other messages, or its messages come from another folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from mailconfig.delivery.sync.batch import Found
from mailconfig.models import SyncedFolder, SyncedMessage

Key = tuple[object, ...]


class Recogniser:
    """Knows the messages of a mailbox that are not where they were stored: each is recognised once."""

    def __init__(self, folder: SyncedFolder) -> None:
        self._folder = folder
        self._elsewhere = SyncedMessage.objects.filter(mailbox_id=folder.mailbox_id).exclude(
            folder=folder, uid_validity=folder.uid_validity
        )
        self._has_some: bool | None = None

    @property
    def has_some(self) -> bool:
        """Return whether there are any: a folder's numbers changed, or another one was synced before."""
        if self._has_some is None:
            self._has_some = self._has_any()
        return self._has_some

    def _has_any(self) -> bool:
        """Ask folder by folder: an index tells of each at once, however many messages the mailbox has."""
        folder = self._folder
        inside = SyncedMessage.objects.filter(folder=OuterRef("pk"))
        renumbered = Exists(inside.filter(uid_validity__lt=folder.uid_validity)) | Exists(
            inside.filter(uid_validity__gt=folder.uid_validity)
        )
        is_this_one = Q(pk=folder.pk)
        folders = SyncedFolder.objects.filter(mailbox_id=folder.mailbox_id)
        return folders.filter((is_this_one & renumbered) | (~is_this_one & Exists(inside))).exists()

    def recognise(self, found: Iterable[Found]) -> dict[int, int]:
        """Return the primary keys of stored messages by the UIDs that they have now."""
        found = list(found)
        if not found or not self.has_some:
            return {}
        known = self._stored(found)
        recognised: dict[int, int] = {}
        taken: set[int] = set()
        for message in found:
            candidates = [*known.get(("key", message.raw.key), ()), *known.get(_key_of(message), ())]
            for pk in candidates:
                if pk not in taken:
                    recognised[message.raw.uid] = pk
                    taken.add(pk)
                    break
        return recognised

    def _stored(self, found: list[Found]) -> dict[Key, list[int]]:
        names = {message.head.message_id for message in found if message.head.message_id}
        times = {received_at(message) for message in found if not message.head.message_id}
        keys = {message.raw.key for message in found if message.raw.key}
        alike = Q(message_id__in=names) | Q(message_id="", received_at__in=times)
        rows = self._elsewhere.filter(alike | Q(key__in=keys) if keys else alike)
        known: dict[Key, list[int]] = defaultdict(list)
        for row in rows.order_by("pk").values_list(
            "pk", "key", "message_id", "received_at", "size", "from_address", "subject", "dated_at"
        ):
            pk, key, message_id, at, size, *rest = row
            if key:
                known["key", key].append(pk)
            known[(message_id, at, size) if message_id else ("", at, size, *rest)].append(pk)
        return known


def received_at(message: Found) -> datetime:
    """Return when a message came in: by the server, else by its own date, else long ago, so that it is always the same."""
    return message.raw.received_at or message.head.dated_at or datetime.fromisoformat("1970-01-01T00:00:00Z")


def _key_of(message: Found) -> Key:
    head, at, size = message.head, received_at(message), message.raw.size
    if head.message_id:
        return (head.message_id, at, size)
    return ("", at, size, head.from_address, head.subject, head.dated_at)
