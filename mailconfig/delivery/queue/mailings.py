"""Mailings: mail that a person's program sends from a mailbox, in parts rather than as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.core.mail import EmailMultiAlternatives
from django.db import transaction

from mailconfig.delivery.clock import database_now
from mailconfig.delivery.queue.enqueue import enqueue
from mailconfig.models import MailAlias, Mailbox, Mailing, Message
from mailconfig.rendering.addressing import Address

__all__ = ["may_send_from", "queue_mailing"]


def queue_mailing(
    *,
    mailbox: Mailbox,
    recipients: Sequence[str],
    subject: str = "",
    text: str = "",
    html: str = "",
    address: str = "",
    scheduled_at: datetime | None = None,
    idempotency_key: str | None = None,
    unsubscribe: bool = False,
) -> Message:
    """Queue a mail of a mailbox as bulk mail, as :func:`mailconfig.delivery.enqueue` does.

    Args:
        text, html: one of them, or the mail in two forms.
        address: where it comes from; empty: the mailbox's own address.
        scheduled_at: when it may go at the earliest; ``None``, or a time that has passed: now.
        unsubscribe: its one recipient is told how to opt out.

    Raises:
        InvalidMessage, KeyReused, NoAccount, OSError: see there.
    """
    message = EmailMultiAlternatives(subject, text or html, to=list(recipients))
    # Django fills in a default; none at all means the mailbox's own.
    named = address and address.lower() != mailbox.sender.lower()
    message.from_email = _one_line(Address(mailbox.from_name, address)) if named else ""
    if not text:
        message.content_subtype = "html"
    elif html:
        message.attach_alternative(html, "text/html")
    with transaction.atomic():
        queued = enqueue(
            message,
            account=mailbox,
            not_before=scheduled_at,
            idempotency_key=idempotency_key,
            unsubscribe=unsubscribe,
            bulk=True,
        )
        now = database_now()
        scheduled_at = max(scheduled_at, now) if scheduled_at else now
        Mailing.objects.get_or_create(
            message=queued,
            defaults={"address": address or mailbox.sender, "scheduled_at": scheduled_at},
        )
    return queued


def may_send_from(mailbox: Mailbox, address: str) -> bool:
    """Return whether the address is the mailbox's own, or that of an alias which may send."""
    if address.lower() == mailbox.sender.lower():
        return True
    return MailAlias.objects.filter(
        mailbox_id=mailbox.pk, email__small_letters=address.lower(), can_send=True
    ).exists()


def _one_line(address: Address) -> str:
    return str(address).replace("\r\n", "")
