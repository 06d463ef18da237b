"""The queue of django-mailer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection, router
from django.db.models import Q

from mailconfig.conf import get_settings
from mailconfig.delivery.imports.elsewhere import Choice, LeftMail, WaitingMail
from mailconfig.delivery.imports.pickled_mail import read_mail
from mailconfig.delivery.imports.pickles import Unreadable
from mailconfig.exceptions import QueueBusy
from mailconfig.models import Message, Priority

DEFERRED = 4
"""``mailer.models.PRIORITY_DEFERRED``: it failed, and waits until somebody runs ``retry_deferred``."""
PRIORITIES = {1: Priority.HIGH, 2: Priority.NORMAL, 3: Priority.LOW, DEFERRED: Priority.NORMAL}
SUCCESS = "1"
SMTP_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
AT_ONCE = 10
"""Rows in memory: each holds its attachments."""


class DjangoMailer:
    """Mail in ``mailer.Message``. Nothing here loads its pickles."""

    name = "django-mailer"
    app = "mailer"

    def why_not(self) -> str:
        """See :class:`~mailconfig.delivery.imports.elsewhere.OtherQueue`."""
        if router.db_for_write(_messages()) != connection.alias:
            return "its tables are in another database, so a mail could not leave the one queue as it enters the other"
        return ""

    def read(self, choice: Choice) -> Iterator[WaitingMail | LeftMail]:
        """See :class:`~mailconfig.delivery.imports.elsewhere.OtherQueue`."""
        rows = _messages().objects.order_by("priority", "when_added", "pk")
        if not choice.with_failed:
            rows = rows.exclude(_given_up())
        keys = list(rows.values_list("pk", flat=True))
        for start in range(0, len(keys), AT_ONCE):
            chunk = keys[start : start + AT_ONCE]
            found = {row.pk: row for row in rows.filter(pk__in=chunk)}
            for row in (found[key] for key in chunk if key in found):
                yield _waiting(row, choice)

    def remarks(self, choice: Choice) -> Iterator[str]:
        """See :class:`~mailconfig.delivery.imports.elsewhere.OtherQueue`."""
        unwanted = _model("DontSendEntry").objects.count()
        if unwanted:
            yield f"{unwanted} entries of its don't-send list stay: nothing here keeps mail from those addresses"
        given_up = _messages().objects.filter(_given_up()).count()
        if given_up and not choice.with_failed:
            yield f"{given_up} mails were given up there: --include-failed takes them over as well"

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Hold the lock of its ``send_mail`` and ``runmailer``, unless the project does without."""
        from mailer import engine

        if not getattr(settings, "MAILER_USE_FILE_LOCK", True):
            yield
            return
        acquired, lock = engine.acquire_lock()
        if not acquired:
            msg = "django-mailer is sending just now: stop what sends, and try again"
            raise QueueBusy(msg)
        try:
            yield
        finally:
            engine.release_lock(lock)

    def claim(self, mail: WaitingMail) -> bool:
        """See :class:`~mailconfig.delivery.imports.elsewhere.OtherQueue`.

        Its workers lock the row they send, also on other machines: such a row is passed over.
        """
        rows = _messages().objects.filter(pk=mail.pk)
        if connection.features.has_select_for_update_skip_locked and not rows.select_for_update(
            skip_locked=True
        ):
            return False
        deleted, _by_model = rows.delete()
        return bool(deleted)

    def note(self, mail: WaitingMail, taken_as: Message) -> None:
        """See :class:`~mailconfig.delivery.imports.elsewhere.OtherQueue`."""
        keeps_data = getattr(settings, "MAILER_EMAIL_LOG_MESSAGE_DATA", True)
        _model("MessageLog").objects.create(
            message_data=mail.row.message_data if keeps_data else None,
            message_id=taken_as.message_id,
            when_added=mail.row.when_added,
            priority=mail.row.priority,
            result=SUCCESS,
            log_message=f"Queued by mailconfig as {taken_as.uuid}",
        )


def _model(name: str) -> Any:
    return apps.get_app_config("mailer").get_model(name)


def _messages() -> Any:
    return _model("Message")


def _given_up() -> Q:
    """Return what is true of mail that it tries no more."""
    most = getattr(settings, "MAILER_EMAIL_MAX_RETRIES", None)
    return Q(pk=None) if most is None else Q(priority=DEFERRED, retry_count__gte=most)


def _waiting(row: Any, choice: Choice) -> WaitingMail | LeftMail:
    """The mail of a row, or why it stays."""
    if row.when_added < choice.newer_than:
        return LeftMail(pk=row.pk, why="it waits for too long: --max-age-days says how old a mail may be")
    try:
        message = read_mail(row.message_data, most_bytes=get_settings().max_message_bytes)
    except Unreadable as error:
        return LeftMail(pk=row.pk, why=str(error))
    if not message.recipients():
        return LeftMail(pk=row.pk, why="it has no recipients")
    return WaitingMail(
        pk=row.pk,
        message=message,
        priority=PRIORITIES.get(row.priority, Priority.NORMAL),
        mailer=getattr(settings, "MAILER_EMAIL_BACKEND", SMTP_BACKEND),
        row=row,
    )
