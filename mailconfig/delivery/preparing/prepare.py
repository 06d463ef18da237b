"""Preparing a mail: its files are fetched and kept, one by one, and then it is rendered and queued.

No transaction is open while anything is fetched, and each file counts once it is committed: a worker that is killed at any
moment leaves a lease that runs out, and whoever comes next fetches what is missing.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta

from django.db import DatabaseError, InterfaceError, OperationalError

from mailconfig import crash
from mailconfig.conf import get_settings
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.installation import ensure_this_installation
from mailconfig.delivery.mishaps import in_words
from mailconfig.delivery.preparing import moves
from mailconfig.delivery.preparing.fetching import Fetched, FetchFailed, fetch
from mailconfig.delivery.preparing.file_names import unlike
from mailconfig.delivery.preparing.leases import Lease, Stopped, take
from mailconfig.delivery.queue import attached
from mailconfig.delivery.queue.bodies import StorageAway, delete_if_there
from mailconfig.delivery.queue.file_urls import MOST_BYTES, MOST_BYTES_TOGETHER
from mailconfig.delivery.queue.opt_out_links import NO_WAY_OUT, NoWayOut
from mailconfig.delivery.queue.resolving import resolve
from mailconfig.delivery.queue.sources import compose_source
from mailconfig.delivery.queue.storage_calls import Calls, StorageHangs
from mailconfig.delivery.queue.tokens import is_token, tokens_among
from mailconfig.delivery.queue.unresolved import UNRESOLVED
from mailconfig.delivery.web import file_surroundings
from mailconfig.exceptions import InvalidMessage, LeaseLost, ResolverAway, TokenInvalid
from mailconfig.models import Attachment, AttachmentProblem, Message, MessageSource, WaitReason
from mailconfig.rendering.compose import Rendered
from mailconfig.transports.network.deadline import Deadline

logger = logging.getLogger("mailconfig.files")

IN_MEMORY = 1024 * 1024
"""Of a file that comes; more of it waits on disk."""
STORAGE_REST = timedelta(minutes=1)
RESOLVER_GRACE = 1.0
"""Seconds besides those that a resolver is told that it has; then nobody waits for it any more."""

_resolver_calls = Calls()
os.register_at_fork(after_in_child=_resolver_calls.renew)

_rendering = threading.Lock()
"""Files and the mail made of them are in memory for a moment: of one mail at a time in this process."""


def never() -> bool:
    """Return that nothing is to end."""
    return False


def prepare_message(
    *, message_id: int, should_stop: Callable[[], bool] = never, within_share: bool = False
) -> bool:
    """Fetch the files of a mail, as far as they come now, and queue it once all are there.

    Args:
        message_id: its key.
        should_stop: asked about twice a second.
        within_share: leave it if as many mails of its account as may be are in hand already.

    Returns:
        Whether it was this call that did so; else somebody else does, or it is not due.

    Raises:
        WrongInstallation: this database belongs to another installation; nothing was fetched.
        DatabaseError, InterfaceError: the database does not answer.
    """
    ensure_this_installation()
    lease = take(message_id, should_stop=should_stop, within_share=within_share)
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
        is_private = _has_private_urls(message_id)
        shown = type(error).__name__ if is_private else error
        text = "message %s: an error of our own while its files are fetched: %s"
        logger.error(text, message_id, shown, exc_info=None if is_private else error)
        with suppress(LeaseLost):
            moves.note_internal_error(lease, error, is_private=is_private)
    return True


def _has_private_urls(message_id: int) -> bool:
    """Return whether the URL of a file is a token, so that an error may tell what it stands for."""
    urls = Attachment.objects.filter(message_id=message_id).values_list("url", flat=True)
    return any(map(is_token, urls))


def _prepare(lease: Lease) -> None:
    message = (
        Message.objects.select_related("account", "tenant").defer("account__secret").get(pk=lease.message_id)
    )
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
    missing = [attachment for attachment in files if attachment.size is None]
    urls = _urls_of(lease, message, missing)
    if urls is None:
        return False
    deadline = Deadline(get_settings().attachment_seconds)
    for attachment in missing:
        lease.keep_up()
        try:
            _fetch_one(lease, attachment, urls[attachment.url], files, deadline)
        except FetchFailed as error:
            if error.temporary:
                moves.put_off(lease, message, attachment, error)
            else:
                moves.fail(lease, error.problem, detail=error.detail, attachment=attachment)
            return False
        crash.point("files_noted")
    return True


def _urls_of(lease: Lease, message: Message, files: Sequence[Attachment]) -> dict[str, str] | None:
    """Return the URL that each one given is: itself, or what its token stands for, which is in no row and no log.

    ``None``: nobody can say, and that was noted.
    """
    given = [attachment.url for attachment in files]
    urls = {url: url for url in given}
    tokens = tokens_among(given)
    if not tokens:
        return urls
    tenant = "" if message.tenant is None else message.tenant.slug
    seconds = get_settings().pii_resolver_seconds
    try:
        return urls | _resolver_calls.make(
            lambda: resolve(tenant, tokens, seconds=seconds), seconds=seconds + RESOLVER_GRACE
        )
    except TokenInvalid as error:
        moves.fail(lease, error.code)
    except (ResolverAway, StorageHangs):
        away = FetchFailed(UNRESOLVED, temporary=True)
        moves.put_off(lease, message, None, away, reason=WaitReason.UNRESOLVED)
    return None


def _fetch_one(
    lease: Lease, attachment: Attachment, url: str, files: list[Attachment], deadline: Deadline
) -> None:
    room = MOST_BYTES_TOGETHER - sum(other.size or 0 for other in files)
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as spool:
        found = _fetched(
            lease, url, spool, deadline, most_bytes=min(MOST_BYTES, room), is_secret=url != attachment.url
        )
        found = _named_apart(found, [other.name for other in files if other.size is not None])
        octets, name = attached.keep(spool, found.size)
    crash.point("files_kept")
    try:
        moves.note_file(lease, attachment, found, octets, name)
    except (OperationalError, InterfaceError):
        raise  # the commit may have taken place: what is an orphan goes with the purge
    except BaseException:
        delete_if_there(name)
        raise
    attachment.name, attachment.size = found.name, found.size


def _fetched(
    lease: Lease,
    url: str,
    spool: tempfile.SpooledTemporaryFile[bytes],
    deadline: Deadline,
    *,
    most_bytes: int,
    is_secret: bool,
) -> Fetched:
    settings = get_settings()
    try:
        return fetch(
            url,
            spool,
            file_surroundings(within=settings.attachment_seconds, on_wait=lease.keep_up),
            deadline=deadline,
            most_bytes=most_bytes,
            hosts=settings.attachment_hosts,
            is_secret=is_secret,
        )
    except FetchFailed as error:
        if error.problem == AttachmentProblem.TOO_LARGE and most_bytes < MOST_BYTES:
            raise FetchFailed(AttachmentProblem.TOO_LARGE_TOGETHER, detail=error.detail) from None
        if is_secret:
            raise _without_url(error) from None
        raise


def _without_url(error: FetchFailed) -> FetchFailed:
    """Return the failure without what exactly it was, which may tell of the URL that a token stands for."""
    return FetchFailed(error.problem, temporary=error.temporary, retry_after=error.retry_after)


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
    except NoWayOut as error:
        moves.fail(lease, NO_WAY_OUT, detail=str(error))
        return
    except InvalidMessage as error:
        # All else was tried when it was queued.
        moves.fail(lease, AttachmentProblem.TOO_LARGE_TOGETHER, detail=str(error))
        return
    except (OSError, ValueError) as error:
        logger.warning("message %s: its files are fetched anew, since one is damaged: %s", message.pk, error)
        moves.forget_files(lease, error)
        return
    moves.queue(lease, message, rendered)


def _rendered(message: Message) -> Rendered:
    source = MessageSource.objects.get(message_id=message.pk)
    return compose_source(
        source,
        recipient=source.recipient,
        subject=source.subject,
        text=source.text,
        files=attached.read_files(message.pk),
        envelope_from=message.envelope_from,
        created_at=message.created_at,
        number=message.uuid,
        tenant_id=message.tenant_id,
        home_id=message.failed_over_from_id or message.account_id,
    )
