"""Sending a mail once more that was sent: a new message with the same content, which names the old one."""

from __future__ import annotations

import hashlib
import re

from django.db import transaction
from django.utils.translation import gettext as _

from mailconfig.delivery import trail
from mailconfig.delivery.queue import bodies
from mailconfig.delivery.queue.enqueue import checked_key, insert_or_find, new_message, stored_bytes
from mailconfig.delivery.queue.transitions import states_allowing
from mailconfig.delivery.wake import ring_on_commit
from mailconfig.exceptions import InvalidTransition
from mailconfig.models import Message, MessageKind, MessageState, Priority, Recipient, RecipientState
from mailconfig.rendering.compose import Rendered
from mailconfig.rendering.numbering import new_number

_ID = re.compile(rb"^Message-ID:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*", re.IGNORECASE | re.MULTILINE)
_REFERENCES = re.compile(rb"^References:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*", re.IGNORECASE | re.MULTILINE)


def resend(*, message_id: int, once: str = "") -> Message:
    """Queue the content of a sent message as a new one, for the account that the old one was queued for.

    Its Message-ID is new, as servers drop a second mail with the same one, and ``References`` names the old one (RFC 5322
    §3.6.4); all else is as it was. It goes to all recipients; of a mail that was sent to some, to those that failed.

    Args:
        message_id: of the old one.
        once: what names this wish: the same wish, told again, queues nothing more.

    Returns:
        The new message.

    Raises:
        InvalidTransition: the old one was not sent, its bytes are gone, or its account was deleted.
        OSError: the bytes cannot be read or stored.
    """
    old = Message.objects.select_related("account", "failed_over_from").filter(pk=message_id)
    message = old.defer("account__secret", "failed_over_from__secret").first()
    if message is None:
        raise InvalidTransition(_("The message does not exist any more."))
    if message.state not in states_allowing("resend"):
        raise InvalidTransition(_("The message was not sent."))
    if message.home.deleted_at is not None:
        raise InvalidTransition(_("The message's account was deleted."))
    if message.has_tokens or not bodies.is_there(message):
        raise InvalidTransition(_("The message's bytes are gone."))
    rendered = _rendered(message)
    new = new_message(
        rendered,
        message.home,
        Priority(message.priority),
        None,
        is_test=message.is_test,
        kind=MessageKind(message.kind),
    )
    if once:
        new.idempotency_key = checked_key(f"resend {message.pk} {once}")
        new.content_digest = hashlib.sha256(f"resend {message.uuid}".encode()).hexdigest()
    with transaction.atomic(), stored_bytes([(new, rendered)]) as (row,):
        written = insert_or_find(row)
        if written is not new:
            bodies.delete_if_there(new.stored_as)
            return written
        # Apart from the insertion, whose statement every mail goes through.
        Message.objects.filter(pk=new.pk).update(resent_of=message.uuid)
        new.resent_of = message.uuid
        ring_on_commit([(message.home.pk, None)])
        trail.moved("resend", new.pk, MessageState.QUEUED, reason=str(message.pk))
    return written


def _rendered(message: Message) -> Rendered:
    rows = Recipient.objects.filter(message_id=message.pk).order_by("pk")
    if message.state == MessageState.PARTIAL:
        rows = rows.filter(state=RecipientState.FAILED)
    number = new_number()
    domain = message.message_id.rpartition("@")[2].rstrip(">")
    message_id = f"<{number.hex}@{message.envelope_from.rpartition('@')[2] or domain}>"
    return Rendered(
        sender=message.envelope_from,
        recipients=tuple(rows.values_list("address", flat=True)),
        subject=message.subject,
        uuid=number,
        message_id=message_id,
        body=_renamed(b"".join(bodies.chunks(message)), message_id, message.message_id),
        eight_bit=message.eight_bit,
    )


def _renamed(data: bytes, message_id: str, old_id: str) -> bytes:
    """Return the mail under another Message-ID, and with the old one among those that it refers to."""
    head, end, rest = data.partition(b"\r\n\r\n")
    named, old = b"Message-ID: " + message_id.encode(), old_id.encode("ascii", "ignore")
    head, replaced = _ID.subn(lambda _found: named, head, count=1)
    if not replaced:
        head = named + b"\r\n" + head
    head, added = _REFERENCES.subn(lambda found: found[0] + b"\r\n " + old, head, count=1)
    if not added:
        head += b"\r\nReferences: " + old
    return head + end + rest
