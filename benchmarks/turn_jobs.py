"""Turns of two mails, in a process of its own."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

from django.core.mail import EmailMessage
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mailconfig import delivery

from . import mails


def take(account: int, turns: int) -> dict[str, Any]:
    """Milliseconds of the first turn and of the others (their median), and how many statements one of them has."""
    took = [_turn(account) for _ in range(turns)]
    with CaptureQueriesContext(connection) as queries:
        _turn(account)
    return {"first": took[0] * 1000, "others": median(took[1:]) * 1000, "statements": len(queries) - 2}


def _turn(account: int) -> float:
    for number in range(2):
        mail = EmailMessage(mails.subject(number), mails.TEXT, mails.SENDER, [mails.recipient(number)])
        delivery.enqueue(mail, account=account)
    begun = time.perf_counter()
    delivery.drain_account(account_id=account)
    return time.perf_counter() - begun
