"""The queue of django-post-office."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.core.mail import EmailMessage
from django.db import connection, models, router
from django.utils import timezone

from mailconfig.delivery.imports.elsewhere import Choice, LeftMail, WaitingMail
from mailconfig.exceptions import QueueBusy
from mailconfig.models import Message, Priority

SENT, FAILED, QUEUED, REQUEUED = range(4)
"""``post_office.models.STATUS``, which stands in its database."""
PRIORITIES = {0: Priority.LOW, 1: Priority.NORMAL, 2: Priority.HIGH, 3: Priority.HIGH}
AT_ONCE = 100


class PostOffice:
    """Mail in ``post_office.Email``: rendered, with its attachments read, by that package itself."""

    name = "django-post-office"
    app = "post_office"

    def why_not(self) -> str:
        """See :class:`~mailconfig.delivery.imports.elsewhere.OtherQueue`."""
        if router.db_for_write(_emails()) != connection.alias:
            return "its tables are in another database, so a mail could not leave the one queue as it enters the other"
        from post_office import settings as theirs

        if not hasattr(theirs, "mailers_are_configured"):
            # Rendering a mail logs in at its server in releases before.
            return "it has to be release 3.12 or later: upgrade it first"
        return ""

    def read(self, choice: Choice) -> Iterator[WaitingMail | LeftMail]:
        """See :class:`~mailconfig.delivery.imports.elsewhere.OtherQueue`."""
        wanted = [QUEUED, REQUEUED, *([FAILED] if choice.with_failed else [])]
        rows = _emails().objects.filter(status__in=wanted).order_by("-priority", "pk")
        keys = list(rows.values_list("pk", flat=True))
        for start in range(0, len(keys), AT_ONCE):
            chunk = keys[start : start + AT_ONCE]
            found = {row.pk: row for row in _readable(rows.filter(pk__in=chunk))}
            for row in (found[key] for key in chunk if key in found):
                yield _waiting(row, choice)

    def remarks(self, choice: Choice) -> Iterator[str]:
        """See :class:`~mailconfig.delivery.imports.elsewhere.OtherQueue`."""
        templates = _model("EmailTemplate").objects.count()
        if templates:
            yield f"{templates} templates stay: render them in your code, and send what they give"
        failed = _emails().objects.filter(status=FAILED).count()
        if failed and not choice.with_failed:
            yield f"{failed} mails failed there: --include-failed takes them over as well"

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Hold the lock of its ``send_queued_mail`` and its Celery task."""
        from post_office.lockfile import FileLock, FileLocked, default_lockfile

        lock = FileLock(default_lockfile)
        try:
            lock.acquire()
        except (FileLocked, FileExistsError) as error:  # the latter from a thread of this process
            msg = "django-post-office is sending just now: stop what sends, and try again"
            raise QueueBusy(msg) from error
        try:
            yield
        finally:
            lock.release()

    def claim(self, mail: WaitingMail) -> bool:
        """See :class:`~mailconfig.delivery.imports.elsewhere.OtherQueue`."""
        unchanged = _emails().objects.filter(
            pk=mail.pk, status=mail.row.status, last_updated=mail.row.last_updated
        )
        return bool(unchanged.update(status=SENT, last_updated=timezone.now()))

    def note(self, mail: WaitingMail, taken_as: Message) -> None:
        """See :class:`~mailconfig.delivery.imports.elsewhere.OtherQueue`."""
        log = _model("Log")
        log.objects.create(email_id=mail.pk, status=SENT, message=f"Queued by mailconfig as {taken_as.uuid}")


def _model(name: str) -> Any:
    return apps.get_app_config("post_office").get_model(name)


def _emails() -> Any:
    return _model("Email")


def _readable(rows: Any) -> Any:
    """The rows without what runs code when it is read: a project may keep contexts of templates in pickles."""
    field = _emails()._meta.get_field("context")
    rows = rows.select_related("template").prefetch_related("attachments")
    return rows if isinstance(field, models.JSONField) else rows.defer("context")


def _waiting(row: Any, choice: Choice) -> WaitingMail | LeftMail:
    """The mail of a row, or why it stays."""
    if why := _why_left(row, choice):
        return LeftMail(pk=row.pk, why=why)
    try:
        message = _message_of(row)
    except Exception as error:  # noqa: BLE001 - templates and storages of others raise anything
        return LeftMail(pk=row.pk, why=f"it cannot be rendered: {type(error).__name__}: {str(error)[:200]}")
    if not message.recipients():
        return LeftMail(pk=row.pk, why="it has no recipients")
    return WaitingMail(
        pk=row.pk,
        message=message,
        priority=PRIORITIES.get(row.priority, Priority.NORMAL),
        not_before=row.scheduled_time,
        mailer=_mailer(row.backend_alias),
        row=row,
    )


def _why_left(row: Any, choice: Choice) -> str:
    if row.expires_at is not None and row.expires_at <= timezone.now():
        return "it has expired"
    if row.expires_at is not None and not choice.with_expiring:
        return "it must not be sent after a certain time, which nothing here observes: --include-expiring takes it over all the same"
    if max(row.created, row.scheduled_time or row.created) < choice.newer_than:
        return "it waits for too long: --max-age-days says how old a mail may be"
    if row.template_id is not None and "context" in row.get_deferred_fields():
        return "the context of its template is kept in a way that runs code when it is read"
    return ""


def _message_of(row: Any) -> EmailMessage:
    with warnings.catch_warnings(action="ignore"):  # of what that package uses of Django's
        message: EmailMessage = row.prepare_email_message()
    return message


def _mailer(alias: str) -> str:
    """The alias in ``MAILERS``, or the dotted path of the backend, that sends what names this alias."""
    from post_office.settings import get_available_backends, get_default_mailer, mailers_are_configured

    alias = alias or get_default_mailer()
    return alias if mailers_are_configured() else str(get_available_backends().get(alias, ""))
