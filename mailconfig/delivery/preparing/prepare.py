"""Preparing a mail: its files are fetched and kept, one by one, and then it is rendered and queued.

No transaction is open while anything is fetched, and each file counts once it is committed: a worker that is killed at any
moment leaves a lease that runs out, and whoever comes next fetches what is missing.
"""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from email.utils import format_datetime

from django.core.mail import EmailMessage
from django.db import DatabaseError, InterfaceError

from mailconfig import crash
from mailconfig.conf import get_settings
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.installation import ensure_this_installation
from mailconfig.delivery.mishaps import in_words
from mailconfig.delivery.preparing import moves
from mailconfig.delivery.preparing.fetching import Fetched, FetchFailed, fetch
from mailconfig.delivery.preparing.file_names import unlike
from mailconfig.delivery.preparing.leases import Lease, Stopped, take
from mailconfig.delivery.preparing.private_urls import fetch_from
from mailconfig.delivery.queue import attached
from mailconfig.delivery.queue.bodies import StorageAway, delete_if_there
from mailconfig.delivery.queue.file_urls import MOST_BYTES, MOST_BYTES_TOGETHER
from mailconfig.delivery.web import file_surroundings
from mailconfig.exceptions import InvalidMessage, LeaseLost
from mailconfig.models import Attachment, AttachmentProblem, Message, MessageSource, WaitReason
from mailconfig.rendering.compose import Rendered, compose
from mailconfig.transports.network.deadline import Deadline

logger = logging.getLogger("mailconfig.files")

IN_MEMORY = 1024 * 1024
"""Of a file that comes; more of it waits on disk."""
STORAGE_REST = timedelta(minutes=1)

_rendering = threading.Lock()
"""Files and the mail made of them are in memory for a moment: of one mail at a time in this process."""


def never() -> bool:
    """Return that nothing is to end."""
    return False


def prepare_message(*, message_id: int, should_stop: Callable[[], bool] = never) -> bool:
    """Fetch the files of a mail, as far as they come now, and queue it once all are there.

    Args:
        message_id: its key.
        should_stop: asked about twice a second.

    Returns:
        Whether it was this call that did so; else somebody else does, or it is not due.

    Raises:
        WrongInstallation: this database belongs to another installation; nothing was fetched.
        DatabaseError, InterfaceError: the database does not answer.
    """
    ensure_this_installation()
    lease = take(message_id, should_stop=should_stop)
    if lease is None:
        return False
    crash.point("files_taken")
    try:
        _prepare(lease)
    except LeaseLost as error:
        logger.info("message %s: %s", message_id, error)
    except Stopped:
        lease.give_back()
    except (DatabaseError, InterfaceError):
        raise
    except Exception as error:
        logger.exception("message %s: an error of our own while its files are fetched", message_id)
        with suppress(LeaseLost):
            moves.note_internal_error(lease, error)
    return True


def _prepare(lease: Lease) -> None:
    message = Message.objects.select_related("account").defer("account__secret").get(pk=lease.message_id)
    try:
        if _fetch_missing(lease, message):
            _finish(lease, message)
    except OSError as error:  # of the storage, or of this machine's disk: no mail is to blame
        logger.warning("message %s: its files cannot be kept now: %s", message.pk, in_words(error))
        until = database_now() + STORAGE_REST
        moves.go_on_later(lease, until, WaitReason.STORAGE_AWAY, detail=in_words(error))


def _fetch_missing(lease: Lease, message: Message) -> bool:
    """Fetch what is not there yet. Returns whether all is; if not, that was noted."""
    files = list(Attachment.objects.filter(message_id=message.pk).order_by("position"))
    deadline = Deadline(get_settings().attachment_seconds)
    for attachment in files:
        if attachment.size is not None:
            continue
        lease.keep_up()
        try:
            _fetch_one(lease, attachment, files, deadline)
        except FetchFailed as error:
            if error.temporary:
                moves.put_off(lease, message, attachment, error)
            else:
                moves.fail(lease, error.problem, detail=error.detail, attachment=attachment)
            return False
        crash.point("files_noted")
    return True


def _fetch_one(lease: Lease, attachment: Attachment, files: list[Attachment], deadline: Deadline) -> None:
    room = MOST_BYTES_TOGETHER - sum(other.size or 0 for other in files)
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as spool:
        found = _fetched(lease, attachment, spool, deadline, most_bytes=min(MOST_BYTES, room))
        found = _named_apart(found, [other.name for other in files if other.size is not None])
        octets, name = attached.keep(spool, found.size)
    crash.point("files_kept")
    try:
        moves.note_file(lease, attachment, found, octets, name)
    except BaseException:
        delete_if_there(name)
        raise
    attachment.name, attachment.size = found.name, found.size


def _fetched(
    lease: Lease,
    attachment: Attachment,
    spool: tempfile.SpooledTemporaryFile[bytes],
    deadline: Deadline,
    *,
    most_bytes: int,
) -> Fetched:
    settings = get_settings()

    def fetched(url: str) -> Fetched:
        return fetch(
            url,
            spool,
            file_surroundings(within=settings.attachment_seconds, on_wait=lease.keep_up),
            deadline=deadline,
            most_bytes=most_bytes,
            hosts=settings.attachment_hosts,
        )

    try:
        return fetch_from(attachment, fetched)
    except FetchFailed as error:
        if error.problem == AttachmentProblem.TOO_LARGE and most_bytes < MOST_BYTES:
            raise FetchFailed(AttachmentProblem.TOO_LARGE_TOGETHER, detail=error.detail) from None
        raise


def _named_apart(found: Fetched, others: list[str]) -> Fetched:
    return Fetched(unlike(found.name, others), found.content_type, found.size)


def _finish(lease: Lease, message: Message) -> None:
    """Render a mail whose files are all there, and queue it."""
    lease.keep_up()
    if message.has_tokens:
        moves.queue(lease, message, None)
        return
    try:
        with _rendering:
            rendered = _rendered(message)
    except StorageAway:
        raise
    except InvalidMessage as error:
        # All else was tried when it was queued.
        moves.fail(lease, AttachmentProblem.TOO_LARGE_TOGETHER, detail=str(error))
        return
    except (OSError, ValueError) as error:
        logger.warning("message %s: its files are fetched anew, since one is damaged: %s", message.pk, error)
        moves.forget_files(lease)
        return
    moves.queue(lease, message, rendered)


def _rendered(message: Message) -> Rendered:
    source = MessageSource.objects.get(message_id=message.pk)
    mail = EmailMessage(
        source.subject,
        source.text,
        from_email="",
        to=[source.recipient],
        headers={"Date": format_datetime(message.created_at)},
    )
    mail.from_email = ""
    for name, content, kind in attached.read_files(message.pk):
        mail.attach(name, content, kind)
    return compose(
        mail,
        from_email=source.from_email,
        from_name=source.from_name,
        reply_to_email=source.reply_to_email,
        reply_to_name=source.reply_to_name,
        envelope_from=message.envelope_from,
        number=message.uuid,
    )
