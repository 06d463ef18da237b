"""The same of django-post-office, as its users do it; each function runs in a process of its own."""

from __future__ import annotations

import time
from typing import Any

from django.core.files.base import ContentFile
from django.core.management import call_command
from post_office import mail
from post_office.models import STATUS, Email

from . import mails


def fill(port: int, one_by_one: int, at_once: int) -> dict[str, float]:
    """Fill the queue as :func:`benchmarks.mailconfig_jobs.fill` does."""
    mail.send(**_mail(-1)).delete()
    begun = time.perf_counter()
    for number in range(one_by_one):
        mail.send(**_mail(number))
    between = time.perf_counter()
    if at_once:
        mail.send_many([_mail(number) for number in range(one_by_one, one_by_one + at_once)])
    ended = time.perf_counter()
    return {"one": one_by_one / (between - begun), "many": at_once / (ended - between)}


def fill_attachments(port: int, count: int) -> None:
    """Queue mails with a large attachment."""
    for number in range(count):
        mail.send(**_mail(number), attachments={"large.bin": ContentFile(mails.attachment(number))})


def drain(count: int) -> float:
    """Send everything with its own command, in one process: mails per second."""
    Email.objects.count()
    begun = time.perf_counter()
    call_command("send_queued_mail")
    took = time.perf_counter() - begun
    sent = Email.objects.filter(status=STATUS.sent).count()
    if sent != count:
        raise RuntimeError(f"{sent} of {count} mails were sent")
    return count / took


def _mail(number: int) -> dict[str, Any]:
    return {
        "recipients": [mails.recipient(number)],
        "sender": mails.SENDER,
        "subject": mails.subject(number),
        "message": mails.TEXT,
    }
