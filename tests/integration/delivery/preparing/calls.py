"""Queueing mail with files, and looking at what became of it."""

from __future__ import annotations

import email
import email.policy
from typing import Any

from django.core.files.storage import storages

from mailconfig import delivery
from mailconfig.delivery.queue import bodies
from mailconfig.models import Account, Message, Preparation

PDF = b"%PDF-1.7 \x00\xff"


def queue(account: Account, *urls: str, **values: Any) -> Message:
    given = {"recipient": "anna@example.net", "subject": "Hello", "text": "Two\nlines"} | values
    return delivery.queue_service_mail(account, attachments=urls, **given)


def prepared(message: Message) -> Message:
    """The message after one try."""
    delivery.prepare_message(message_id=message.pk)
    return Message.objects.get(pk=message.pk)


def make_due(message: Message) -> None:
    Preparation.objects.filter(pk=message.pk).update(due_at=delivery.database_now())


def bytes_of(message: Message) -> bytes:
    return b"".join(bodies.chunks(message))


def files_in(data: bytes) -> list[tuple[str, str, bytes]]:
    parsed = email.message_from_bytes(data, policy=email.policy.default)
    parts: list[Any] = list(parsed.iter_attachments())
    return [(part.get_filename(), part.get_content_type(), part.get_payload(decode=True)) for part in parts]


def stored_files() -> list[str]:
    try:
        return storages["default"].listdir(bodies.FOLDER)[1]
    except FileNotFoundError:
        return []
