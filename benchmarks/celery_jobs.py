"""One mail at a time for a worker of Celery that has nothing else to do, in a process of its own.

Its record at the server says when the dot came, for every subject alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from django.core.mail import EmailMessage

from . import mails
from .celery_app import app

WARM_UP = 4
"""Mails that open connections and import what is needed, and are not counted."""
PAUSE_SECONDS = 0.25
LONGEST = 60.0


def measure_mailconfig(port: int, record: str, count: int) -> list[float]:
    """Queue so many mails by ``enqueue``: milliseconds from each call to its dot."""
    from mailconfig.delivery import enqueue
    from mailconfig.models import Account

    from .mailconfig_jobs import make_account

    account = Account.objects.get(pk=make_account(port))

    def send(number: int) -> None:
        to = [mails.recipient(number)]
        enqueue(EmailMessage(mails.subject(number), mails.TEXT, mails.SENDER, to), account=account)

    return _measure(send, Path(record), count)


def measure_post_office(record: str, count: int) -> list[float]:
    """Queue so many mails by post_office's ``send``: milliseconds from each call to its dot."""
    from post_office import mail

    def send(number: int) -> None:
        mail.send(
            recipients=[mails.recipient(number)],
            sender=mails.SENDER,
            subject=mails.subject(number),
            message=mails.TEXT,
        )

    return _measure(send, Path(record), count)


def _measure(send: Callable[[int], None], record: Path, count: int) -> list[float]:
    app.set_default()
    found = []
    for number in range(-WARM_UP, count):
        time.sleep(PAUSE_SECONDS)
        size = record.stat().st_size
        begun = time.monotonic()
        send(number)
        found.append((_arrival(record, size) - begun) * 1000)
    return found[WARM_UP:]


def _arrival(record: Path, size: int) -> float:
    """Return when the mail came that the record has behind its first ``size`` bytes.

    Raises:
        RuntimeError: none came within a minute.
    """
    give_up_at = time.monotonic() + LONGEST
    while record.stat().st_size == size:
        if time.monotonic() > give_up_at:
            raise RuntimeError("the mail did not come")
        time.sleep(0.002)
    with record.open("rb") as lines:
        lines.seek(size)
        return float(lines.readline().split()[0])
