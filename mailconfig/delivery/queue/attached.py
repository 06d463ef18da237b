"""Bytes of fetched files: kept as those of mails are, read when their mail is rendered, erased when they are not needed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import IO

from django.core.files.base import File
from django.db import transaction
from django.db.models import Q

from mailconfig import crash, signals
from mailconfig.conf import get_settings
from mailconfig.delivery.queue import bodies
from mailconfig.models import (
    Attachment,
    AttachmentBody,
    Body,
    Message,
    MessageSource,
    MessageState,
    Preparation,
)

STEP = 500

NamedFile = tuple[str, bytes, str]
"""Name, content and type of an attachment, as Django's ``attach`` takes them."""

_SETTLED = (MessageState.SENT, MessageState.PARTIAL, MessageState.CANCELLED)


def keep(file: IO[bytes], size: int) -> tuple[bytes | None, str]:
    """Return the octets of an ``AttachmentBody``, or ``None``, and the value of ``stored_as``; a large file is stored at once.

    The caller owes a row with that name, or deletes the file; else it is an orphan, which the purge finds.

    Raises:
        StorageAway, OSError: the storage cannot be written.
    """
    file.seek(0)
    if size <= get_settings().inline_bytes:
        return file.read(), ""
    return None, bodies.store_file(File(file))


def read_files(message_id: int) -> list[NamedFile]:
    """Return the files of a message in their order, all of them in memory.

    Raises:
        StorageAway: the storage cannot be reached.
        OSError: a stored file is gone, or is not as long as it was.
        ValueError: the bytes of one are not here (any more).
    """
    rows = list(Attachment.objects.filter(message_id=message_id).order_by("position"))
    inline = dict(
        AttachmentBody.objects.filter(attachment__message_id=message_id).values_list(
            "attachment_id", "octets"
        )
    )
    files: list[NamedFile] = []
    for row in rows:
        if row.stored_as:
            content = b"".join(bodies.open_chunks(row.stored_as, size=row.size))
        elif row.pk in inline:
            content = bytes(inline[row.pk])
        else:
            msg = "the bytes of an attached file are gone"
            raise ValueError(msg)
        files.append((row.name, content, row.content_type))
    return files


def erase(message_ids: Collection[int]) -> None:
    """Forget the bytes of all files of these messages: those in the database now, stored ones once this transaction commits."""
    kept = Attachment.objects.filter(message_id__in=message_ids, has_bytes=True)
    names = [name for name in kept.values_list("stored_as", flat=True) if name]
    AttachmentBody.objects.filter(attachment__message_id__in=message_ids).delete()
    kept.update(has_bytes=False, stored_as="")
    if names:
        transaction.on_commit(lambda: delete(names), robust=True)


def stop_preparing(message_ids: Collection[int]) -> None:
    """Note that nobody prepares these messages any more. Within a transaction that has changed their state."""
    Preparation.objects.filter(message_id__in=message_ids).delete()


def needs_files(message: Message) -> bool:
    """Return whether a message has to be prepared before it may go: files are missing, or it was not rendered with them."""
    files = Attachment.objects.filter(message_id=message.pk)
    if message.has_tokens:
        return files.filter(has_bytes=False).exists()
    is_rendered = message.stored_as or Body.objects.filter(message_id=message.pk).exists()
    is_source_kept = MessageSource.objects.filter(message_id=message.pk).exists()
    return not is_rendered and is_source_kept and files.exists()


def prepare_anew(message_id: int) -> None:
    """Have a message prepared that is ``preparing`` again: what is there of its files is kept."""
    files = Attachment.objects.filter(message_id=message_id)
    files.update(problem="", detail="")
    files.filter(has_bytes=False).update(size=None)
    Preparation.objects.create(message_id=message_id)
    call_for_files(message_id)


def call_for_files(message_id: int) -> None:
    """Call a worker to fetch the files of a mail, once this transaction commits. One that looks for such mail finds it as well."""

    def call() -> None:
        crash.point("before_files")
        signals.files_due.send_robust(sender=Message, message_id=message_id)

    transaction.on_commit(call, robust=True)


def names_of(message_ids: Collection[int]) -> list[str]:
    """Return the names of the stored files of these messages, which are about to be deleted."""
    kept = Attachment.objects.filter(message_id__in=message_ids, has_bytes=True)
    return [name for name in kept.values_list("stored_as", flat=True) if name]


def delete(names: Iterable[str]) -> None:
    """Remove stored files that nobody depends on any more."""
    for name in names:
        bodies.delete_if_there(name)


def erase_of_settled() -> int:
    """Forget the bytes of files whose mail is settled, unless what was sent is kept. Those of failed mail may be needed again.

    Returns:
        How many mails there were.
    """
    if get_settings().keep_sent_bytes:
        return 0
    kept = Attachment.objects.filter(Q(message__state__in=_SETTLED), has_bytes=True)
    ids = list(kept.order_by("message_id").values_list("message_id", flat=True).distinct()[:STEP])
    with transaction.atomic():
        erase(ids)
    return len(ids)
