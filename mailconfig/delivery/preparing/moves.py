"""Ends of a preparation: queued, failed or put off. Each is one transaction, fenced by the lease."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, transaction

from mailconfig import crash
from mailconfig.conf import get_settings
from mailconfig.delivery import trail
from mailconfig.delivery.clock import database_now
from mailconfig.delivery.lanes import MOST_COUNTED
from mailconfig.delivery.mishaps import in_words
from mailconfig.delivery.preparing.fetching import Fetched, FetchFailed
from mailconfig.delivery.preparing.leases import Lease
from mailconfig.delivery.queue import attached, bodies
from mailconfig.delivery.queue.ends import announce, final_values
from mailconfig.delivery.queue.retry import retry_seconds
from mailconfig.delivery.wake import wake_lane
from mailconfig.models import (
    Attachment,
    AttachmentBody,
    AttachmentProblem,
    Body,
    Message,
    MessageSource,
    MessageState,
    Preparation,
    WaitReason,
)
from mailconfig.rendering.compose import Rendered

INTERNAL_ERRORS = 3
INTERNAL_PAUSE = timedelta(minutes=1)


def note_file(lease: Lease, attachment: Attachment, found: Fetched, octets: bytes | None, name: str) -> None:
    """Note that a file is there."""
    with lease.writing():
        if octets is not None:
            AttachmentBody.objects.create(attachment=attachment, octets=octets)
        row = Attachment.objects.filter(pk=attachment.pk)
        row.update(
            name=found.name,
            content_type=found.content_type,
            size=found.size,
            has_bytes=True,
            stored_as=name,
            problem="",
            detail="",
        )
        Preparation.objects.filter(pk=lease.message_id).update(failures=0)


def forget_files(lease: Lease, error: Exception) -> None:
    """Have all files of a mail fetched anew, since what was stored of one is gone or damaged; the third time it fails."""
    with lease.writing():
        attached.erase([lease.message_id])
        files = Attachment.objects.filter(message_id=lease.message_id)
        files.update(size=None, name="", content_type="")
        if not _fails_for_internal_error(lease, in_words(error)):
            lease.put_off(database_now(), failures=0)


def queue(lease: Lease, message: Message, rendered: Rendered | None) -> None:
    """Queue a mail whose files are there.

    Args:
        lease: on it.
        message: as it was read.
        rendered: its bytes; ``None``: it is rendered at each attempt, and keeps its source and its files.

    Raises:
        LeaseLost: it is another's, or cancelled; nothing is left of the bytes.
        OSError: the storage cannot be written.
    """
    octets, name = bodies.keep(rendered.body, get_settings()) if rendered else (None, "")
    crash.point("files_composed")
    try:
        with lease.writing():
            values: dict[str, object] = {"state": MessageState.QUEUED, "wait_reason": "", "error_code": ""}
            if rendered:
                values |= {"size": rendered.size, "eight_bit": rendered.eight_bit, "stored_as": name}
                MessageSource.objects.filter(message_id=message.pk).delete()
                attached.erase([message.pk])
            if octets is not None:
                Body.objects.create(message=message, octets=octets)
            Message.objects.filter(pk=message.pk).update(error_text="", **values)
            lease.end()
            trail.moved("prepare", message.pk, MessageState.QUEUED)
            transaction.on_commit(lambda: _wake(message.account_id), robust=True)
    except (OperationalError, InterfaceError):
        raise  # the commit may have taken place: what is an orphan goes with the purge
    except BaseException:
        bodies.delete_if_there(name)
        raise


def _wake(account_id: int) -> None:
    crash.point("files_queued")
    wake_lane(account_id)


def fail(lease: Lease, code: str, *, detail: str = "", attachment: Attachment | None = None) -> None:
    """Let a mail fail that cannot have its files."""
    with lease.writing():
        _note_problem(attachment, code, detail)
        _end(lease, code, detail)


def put_off(
    lease: Lease,
    message: Message,
    attachment: Attachment | None,
    error: FetchFailed,
    *,
    reason: WaitReason = WaitReason.FILES_AWAY,
) -> None:
    """Let a mail wait whose file does not come for now; longer each time, and not for ever."""
    settings = get_settings()
    retries = message.account.max_retries
    most = settings.max_retries if retries is None else retries
    now = database_now()
    with lease.writing():
        _note_problem(attachment, error.problem, error.detail)
        before = Preparation.objects.values_list("failures", flat=True).get(pk=lease.message_id)
        failures = min(before + 1, MOST_COUNTED)
        if failures > most or is_too_old(message, now):
            _end(lease, error.problem, error.detail)
            return
        asked = min(error.retry_after or 0.0, settings.retry_cap_seconds)
        until = now + timedelta(seconds=max(asked, retry_seconds(failures, settings)))
        _wait(lease, until, failures, reason, code=error.problem, detail=error.detail)


def go_on_later(lease: Lease, until: datetime, reason: WaitReason, *, detail: str = "") -> None:
    """Let a mail wait for something of ours: the storage is away, or an error of our own."""
    with lease.writing():
        failures = Preparation.objects.values_list("failures", flat=True).get(pk=lease.message_id)
        _wait(lease, until, failures, reason, code=reason if detail else "", detail=detail)


def note_internal_error(lease: Lease, error: Exception, *, is_private: bool) -> None:
    """Put a mail that we stumbled over back for a minute, or let it fail the third time.

    Args:
        is_private: what it says may be what a token stands for, so nothing but its type is kept.
    """
    with lease.writing():
        detail = type(error).__name__ if is_private else in_words(error)
        if not _fails_for_internal_error(lease, detail):
            until = database_now() + INTERNAL_PAUSE
            _wait(lease, until, 0, WaitReason.INTERNAL_ERROR, code=WaitReason.INTERNAL_ERROR, detail=detail)


def _fails_for_internal_error(lease: Lease, detail: str) -> bool:
    """Count one more, and return whether it was one too many: then the mail has failed."""
    row = Message.objects.filter(pk=lease.message_id)
    stumbled = row.values_list("internal_errors", flat=True).get() + 1
    row.update(internal_errors=stumbled)
    if stumbled >= INTERNAL_ERRORS:
        _end(lease, WaitReason.INTERNAL_ERROR, detail)
    return stumbled >= INTERNAL_ERRORS


def is_too_old(message: Message, now: datetime) -> bool:
    """Return whether a mail has waited for as long as one may."""
    return now - message.created_at > timedelta(seconds=get_settings().max_age_seconds)


def _note_problem(attachment: Attachment | None, code: str, detail: str) -> None:
    if attachment is not None and code in AttachmentProblem.values:
        Attachment.objects.filter(pk=attachment.pk).update(problem=code, detail=detail)


def _wait(
    lease: Lease, until: datetime, failures: int, reason: WaitReason, *, code: str, detail: str
) -> None:
    row = Message.objects.filter(pk=lease.message_id)
    row.update(wait_reason=reason, error_code=code, error_text=detail)
    lease.put_off(until, failures=failures)
    trail.moved("prepare", lease.message_id, MessageState.PREPARING, error_code=code, reason=reason)


def _end(lease: Lease, code: str, detail: str) -> None:
    values = final_values(MessageState.FAILED, database_now())
    row = Message.objects.filter(pk=lease.message_id)
    row.update(state=MessageState.FAILED, error_code=code, error_text=detail, **values)
    lease.end()
    trail.moved("prepare", lease.message_id, MessageState.FAILED, error_code=code)
    announce(lease.message_id, MessageState.FAILED)
