"""Where a message's bytes live: in a row of their own, or beyond a size in Django storage, from which they are streamed."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

from django.core.exceptions import SuspiciousOperation
from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage, storages
from django.db import transaction
from django.utils import timezone

from mailconfig.conf import Settings, get_settings
from mailconfig.delivery.mishaps import in_words
from mailconfig.delivery.queue.storage_calls import Result, StorageHangs, calls
from mailconfig.models import Attachment, Body, Message, MessageSource

logger = logging.getLogger("mailconfig.storage")

CHUNK = 64 * 1024
FOLDER = "mailconfig"
ORPHAN_AGE = timedelta(days=1)
"""Longer than any transaction that may still commit the row of a stored file."""

_OURS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}[\w-]*\.(?:eml|file)")
_LOOK_UP = 500


class StorageAway(OSError):
    """The storage cannot be reached: no message is to blame, and waiting may help."""


def keep(body: bytes, settings: Settings) -> tuple[bytes | None, str]:
    """Return the octets of a ``Body``, or ``None``, and the value of ``Message.stored_as``; large bytes are stored at once.

    The name is random: a mail's uuid stands in its Message-ID, and may be in public archives.

    The caller owes a row with that name. If there will be none, :func:`delete` it, or
    :func:`remove_orphans` does a day later.

    Raises:
        OSError: the storage cannot be written.
    """
    if len(body) <= settings.inline_bytes:
        return body, ""
    name = _storage().save(f"{FOLDER}/{uuid.uuid4()}.eml", ContentFile(body))
    return None, name


def store_file(file: File[bytes]) -> str:
    """Store a file that is to be attached, and return its name; the caller owes a row as for :func:`keep`.

    Raises:
        StorageAway: the storage cannot be written.
    """
    with _reaching_storage():
        return _within_time(lambda: _storage().save(f"{FOLDER}/{uuid.uuid4()}.file", file))


def chunks(message: Message) -> Iterator[bytes]:
    """The message's RFC 5322 bytes, in pieces of at most 64 KiB when they are stored.

    Raises:
        OSError: the stored file cannot be read, or is not as long as it was.
        ValueError: the bytes were erased.
    """
    if message.stored_as:
        return open_chunks(message.stored_as, size=message.size)
    octets = inline(message.pk)
    if octets is None:
        msg = "the message's bytes are gone"
        raise ValueError(msg)
    return iter((octets,))


def inline(message_id: int) -> bytes | None:
    """The bytes that the database has of a message; ``None``: they are stored elsewhere, or erased."""
    octets = Body.objects.filter(message_id=message_id).values_list("octets", flat=True).first()
    return None if octets is None else bytes(octets)


def forget(message_ids: Collection[int]) -> None:
    """Delete the bytes that the database has of these messages."""
    Body.objects.filter(message_id__in=message_ids).delete()


def forget_source(message_id: int) -> None:
    """Delete what a message is, or would have been, rendered from."""
    MessageSource.objects.filter(message_id=message_id).delete()


def is_there(message: Message) -> bool:
    """Return whether the message can be sent: its bytes are there, or what they are rendered from."""
    if message.stored_as:
        return True
    kept = MessageSource if message.has_tokens else Body
    return kept.objects.filter(message_id=message.pk).exists()


def open_chunks(stored_as: str, *, size: int | None = None) -> Iterator[bytes]:
    """The bytes of a stored file, in pieces of at most 64 KiB.

    The file is opened here and closed after its last piece, or when the iterator is closed or dropped.

    Args:
        size: how long the file must be; half a mail is never sent.

    Raises:
        StorageAway: the storage cannot be reached.
        OSError: the file is gone, or is not as long as it should be.
    """
    with _reaching_storage():
        file, found = _within_time(lambda: _open(stored_as), discard=_close)
    if size is not None and found != size:
        file.close()
        msg = f"the stored message has {found} bytes instead of {size}"
        raise OSError(msg)
    return _Chunks(file)


def _open(stored_as: str) -> tuple[File[bytes], int]:
    """A file and its size, which some storages have to ask for."""
    with ExitStack() as opened:
        file = opened.enter_context(_storage().open(stored_as, "rb"))
        found = file.size
        opened.pop_all()
    return file, found


def _close(opened: tuple[File[bytes], int] | None) -> None:
    if opened is not None:
        opened[0].close()


def _within_time(
    call: Callable[[], Result], *, discard: Callable[[Result | None], object] = lambda _result: None
) -> Result:
    return calls.make(call, seconds=get_settings().storage_seconds, discard=discard)


@contextmanager
def _reaching_storage() -> Iterator[None]:
    """Tell a file that is gone from a storage that is: its client may raise whatever it likes."""
    try:
        yield
    except FileNotFoundError as error:
        if _is_unmounted():
            raise StorageAway(in_words(error)) from error
        raise
    except SuspiciousOperation:
        raise
    except Exception as error:
        raise StorageAway(in_words(error)) from error


def _is_unmounted() -> bool:
    """Return whether not even the folder of all mails is there, where the storage is one of folders."""
    try:
        folder = _storage().path(FOLDER)
    except NotImplementedError:
        return False
    return not Path(folder).is_dir()


def delete(stored_as: str) -> None:
    """Remove a stored file; nothing happens where there is none."""
    if stored_as:
        _within_time(lambda: _storage().delete(stored_as))


def delete_if_there(stored_as: str) -> None:
    """Delete where nobody depends on it: what cannot be deleted now is an orphan, and goes later."""
    try:
        delete(stored_as)
    except Exception:
        logger.exception("the stored message %s cannot be deleted", stored_as)


def erase(message: Message) -> None:
    """Forget the bytes of ``message``: those in the row now, a stored file once this transaction commits."""
    name = message.stored_as
    Message.objects.filter(pk=message.pk).update(stored_as="")
    forget([message.pk])
    forget_source(message.pk)
    message.stored_as = ""
    if name:
        transaction.on_commit(lambda: delete(name), robust=True)


def remove_orphans() -> int:
    """Delete stored files of ours, older than a day, that no message has: their transactions rolled back.

    Returns:
        How many there were; ``0`` where the storage cannot list its files.
    """
    storage = _storage()
    try:
        _folders, files = storage.listdir(FOLDER)
    except (FileNotFoundError, NotImplementedError):
        return 0
    names = [f"{FOLDER}/{name}" for name in files if _OURS.fullmatch(name)]
    removed = 0
    for start in range(0, len(names), _LOOK_UP):
        some = names[start : start + _LOOK_UP]
        kept = {
            name
            for model in (Message, Attachment)
            for name in model._default_manager.filter(stored_as__in=some).values_list("stored_as", flat=True)
        }
        removed += sum(_delete_if_old(storage, name) for name in some if name not in kept)
    return removed


def _delete_if_old(storage: Storage, name: str) -> bool:
    try:
        changed_at = storage.get_modified_time(name)
    except FileNotFoundError:
        return False
    now = timezone.now() if timezone.is_aware(changed_at) else timezone.make_naive(timezone.now())
    if now - changed_at < ORPHAN_AGE:
        return False
    storage.delete(name)
    return True


def _storage() -> Storage:
    return storages[get_settings().storage]


class _Chunks(Iterator[bytes]):
    """Opened before anything is promised to a server, closed whatever happens."""

    def __init__(self, file: File[bytes]) -> None:
        self._file = file
        self._hangs = False

    def __next__(self) -> bytes:
        try:
            with _reaching_storage():
                piece = self._read()
        except BaseException:
            self.close()
            raise
        if not piece:
            self.close()
            raise StopIteration
        return piece

    def _read(self) -> bytes:
        file = self._file
        if self._hangs or file.closed:
            return b""
        try:
            piece: bytes = _within_time(lambda: file.read(CHUNK), discard=lambda _piece: file.close())
        except StorageHangs:
            self._hangs = True
            raise
        return piece

    def close(self) -> None:
        """Let go of the file. Closing one whose reading hangs would hang as well: its thread does, if it comes back."""
        if not self._hangs:
            self._file.close()

    def __del__(self) -> None:
        if "_file" in vars(self):
            self.close()
