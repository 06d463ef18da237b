"""Mail that is answered and mail that comes back: sent, synced, and tied to what was sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from django.core.mail import EmailMessage

from mailconfig import delivery
from mailconfig.models import Bounce, Mailbox, Message, SyncedContent, SyncedMessage
from project.inbox.correspondents import ANSWERING, BOUNCING

from .mails import sender


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Mail that something comes of."""

    answered: Message
    bounced: Message


def ask(support: Mailbox, news: Mailbox) -> Asked:
    """Queue a mail to somebody who answers, and another one to somebody who is not there."""
    return Asked(
        answered=_queue(support, ANSWERING, "May we ask you something?"),
        bounced=_queue(news, BOUNCING, "You have not heard of us for a while"),
    )


def _queue(mailbox: Mailbox, recipient: str, subject: str) -> Message:
    text = "Hello,\n\nplease write back.\n"
    mail = EmailMessage(subject, text, from_email=sender(mailbox), to=[recipient])
    return delivery.enqueue(mail, account=mailbox)


def wait_for_answers(asked: Asked, *, seconds: float, look_after: Callable[[], None]) -> list[str]:
    """Wait until the worker has synced both.

    Returns:
        What is wrong after ``seconds``; nothing, if the reply and the report are there and tied to their mail.
    """
    until = time.monotonic() + seconds
    while (problems := judge_answers(asked)) and time.monotonic() < until:
        look_after()
        time.sleep(0.2)
    return problems


def judge_answers(asked: Asked) -> list[str]:
    """Say what is missing of the reply, of its text and of the report."""
    problems = []
    reply = SyncedMessage.objects.filter(answers=asked.answered, from_address=ANSWERING).first()
    if reply is None:
        problems.append(f"the reply of {ANSWERING} was not synced and tied to its mail")
    elif not SyncedContent.objects.filter(message=reply, text__contains="has arrived").exists():
        problems.append(f"the text of the reply of {ANSWERING} was not kept")
    bounces = Bounce.objects.filter(message=asked.bounced, address=BOUNCING, is_permanent=True)
    if not bounces.exists():
        problems.append(f"the report that mail to {BOUNCING} came back was not synced and tied to its mail")
    return problems
