"""A plain loop around smtplib: one session, no database, nothing remembered."""

from __future__ import annotations

import smtplib
import time
from email.message import EmailMessage

from . import mails


def drain(port: int, count: int) -> float:
    """Build and send every mail: mails per second."""
    begun = time.perf_counter()
    with smtplib.SMTP("127.0.0.1", port) as session:
        for number in range(count):
            session.send_message(_mail(number))
    return count / (time.perf_counter() - begun)


def drain_ready(port: int, count: int) -> float:
    """Send bytes that are ready: mails per second."""
    ready = _mail(0).as_bytes()
    begun = time.perf_counter()
    with smtplib.SMTP("127.0.0.1", port) as session:
        for number in range(count):
            session.sendmail(mails.SENDER, [mails.recipient(number)], ready)
    return count / (time.perf_counter() - begun)


def latency(port: int, count: int) -> list[float]:
    """Connect, send one mail and leave, again and again: milliseconds until its 250."""
    found = []
    for number in range(count):
        begun = time.perf_counter()
        with smtplib.SMTP("127.0.0.1", port) as session:
            session.send_message(_mail(number))
            found.append((time.perf_counter() - begun) * 1000)
    return found


def _mail(number: int) -> EmailMessage:
    message = EmailMessage()
    message["From"] = mails.SENDER
    message["To"] = mails.recipient(number)
    message["Subject"] = mails.subject(number)
    message.set_content(mails.TEXT)
    return message
