"""One mail at a time for a worker that has nothing else to do, in a process of its own."""

from __future__ import annotations

import os
import time
from pathlib import Path

from django.core.mail import EmailMessage

from mailconfig.delivery import enqueue, run
from mailconfig.models import Account, Attempt, AttemptOutcome

from . import mails
from .mailconfig_jobs import make_account

STARTED, OVER = "latency-started", "latency-over"
"""Files by which the two processes know of each other."""


def work() -> None:
    """Drain as a worker without Celery does, until the measurement is over."""
    _file(STARTED).touch()
    run(should_stop=_file(OVER).exists)


def _file(name: str) -> Path:
    return Path(os.environ["BENCH_FOLDER"]) / name


def measure(port: int, count: int) -> list[float]:
    """Queue ``count`` mails, a quarter of a second apart: milliseconds from each call to the server's 250."""
    account = Account.objects.get(pk=make_account(port))
    while not _file(STARTED).exists():
        time.sleep(0.1)
    found = []
    try:
        for number in range(-2, count):  # the first ones open connections, and are not counted
            time.sleep(0.25)
            found.append(_send(account, number))
    finally:
        _file(OVER).touch()
    return found[2:]


def _send(account: Account, number: int) -> float:
    mail = EmailMessage(mails.subject(number), mails.TEXT, mails.SENDER, [mails.recipient(number)])
    begun = time.time()  # the database's clock is this machine's
    message = enqueue(mail, account=account)
    attempts = Attempt.objects.filter(message_id=message.pk, outcome=AttemptOutcome.SENT)
    while (ended_at := attempts.values_list("ended_at", flat=True).first()) is None:
        time.sleep(0.01)
    return (ended_at.timestamp() - begun) * 1000
