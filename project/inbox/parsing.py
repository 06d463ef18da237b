"""The bytes of a mail, made readable. Whatever a client sent, something comes out."""

from __future__ import annotations

import email
import email.policy
from datetime import datetime
from email.message import EmailMessage

from .store import ReceivedMail

BROKEN = (ValueError, LookupError, TypeError, AttributeError)
"""What the standard library raises about malformed headers, unknown charsets and damaged bodies."""


def read_mail(
    content: bytes, *, mail_from: str, recipients: tuple[str, ...], received_at: datetime
) -> ReceivedMail:
    """A received mail out of its envelope and its RFC 5322 bytes."""
    message = email.message_from_bytes(content, policy=email.policy.default)
    return ReceivedMail(
        received_at=received_at,
        mail_from=mail_from,
        recipients=recipients,
        headers=_headers(message),
        text=_text(message),
    )


def _headers(message: EmailMessage) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, raw in message.raw_items():
        try:
            value = str(message.policy.header_fetch_parse(name, raw))
        except BROKEN:
            value = str(raw)
        value = value.encode("utf-8", "replace").decode("utf-8")
        headers[name] = f"{headers[name]}\n{value}" if name in headers else value
    return headers


def _text(message: EmailMessage) -> str:
    """The plain text; if there is none, the HTML as it was written."""
    try:
        part = message.get_body(("plain", "html"))
    except BROKEN:
        part = None
    if part is None:
        return ""
    try:
        text = str(part.get_content())
    except BROKEN:
        payload = part.get_payload(decode=True)
        text = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else str(part.get_payload())
    return text.encode("utf-8", "replace").decode("utf-8").replace("\r\n", "\n")
