"""Mails whose class renders in a way of its own: what their ``message()`` returns is sent."""

from __future__ import annotations

import email.message
import re
from email.errors import MessageError
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.core.mail.utils import DNS_NAME

from mailconfig.exceptions import InvalidMessage
from mailconfig.rendering.addressing import Address
from mailconfig.rendering.fields import Fields, Identity, choose_sender, new_message_id
from mailconfig.rendering.mailboxes import decoded_words
from mailconfig.rendering.numbering import new_number
from mailconfig.rendering.standard_library import flattened

_STEPS = (
    "message",
    "_create_message",
    "_create_alternatives",
    "_create_attachments",
    "_create_attachment",
    "_create_mime_attachment",
    "_set_list_header_if_not_empty",
    "_add_bodies",
    "_add_attachments",
    "_add_attachment",
)
_FOLD = re.compile(r"\r?\n(?=[ \t])")


def is_overridden(message: EmailMessage) -> bool:
    """Return whether the message, or its class, renders in a way of its own."""
    kind: Any = type(message)  # its stub's __hash__ confuses mypy
    return _class_overrides(kind) or not vars(message).keys().isdisjoint(_STEPS)


@lru_cache(maxsize=256)
def _class_overrides(kind: type[Any]) -> bool:
    django = EmailMultiAlternatives if issubclass(kind, EmailMultiAlternatives) else EmailMessage
    return any(getattr(kind, step, None) is not getattr(django, step, None) for step in _STEPS)


def own_rendering(message: EmailMessage, identity: Identity) -> tuple[Fields, bytes]:
    """Render with the message's own ``message()``, with the account's identity where it names none.

    Raises:
        InvalidMessage: it makes nothing that could be sent.
    """
    try:
        made: object = message.message()
    except (ValueError, MessageError) as error:  # what Django's own raise for what they cannot render
        msg = f"the message cannot be rendered: {ascii(str(error))[:200]}"
        raise InvalidMessage(msg) from error
    if not isinstance(made, email.message.Message):
        msg = f"message() made no message but {type(made).__name__}"
        raise InvalidMessage(msg)
    del made["Bcc"], made["Resent-Bcc"]
    sender = choose_sender(_unfolded(made["From"]) or message.from_email, identity)
    _set(made, "From", sender, replace=sender == identity.sender)
    if identity.reply_to:
        _set(made, "Reply-To", identity.reply_to, replace=False)
    _set(made, "Date", formatdate(localtime=settings.EMAIL_USE_LOCALTIME), replace=False)
    number = new_number()
    _set(made, "Message-ID", new_message_id(number, sender.domain), replace=_names_machine(made, message))
    message_id = _unfolded(made["Message-ID"])
    if len(message_id) > 255 or not message_id.isascii():
        msg = f"{ascii(message_id)[:80]} is not a Message-ID"
        raise InvalidMessage(msg)
    data = flattened(made, keep=True)
    fields = Fields(sender=sender, subject=_subject(made), uuid=number, message_id=message_id, lines=[])
    return fields, data


def _set(made: email.message.Message, name: str, value: Address | str, *, replace: bool) -> None:
    if made[name] is not None and not replace:
        return
    del made[name]
    made[name] = str(value).replace("\r\n", "")


def _names_machine(made: email.message.Message, message: EmailMessage) -> bool:
    """Return whether Django made up the Message-ID, with the name of this machine."""
    if any(name.lower() == "message-id" for name in message.extra_headers) or "DKIM-Signature" in made:
        return False
    # str(DNS_NAME) may ask the network; Django has asked if it needed it.
    machine = getattr(DNS_NAME, "_fqdn", None)
    return bool(machine) and str(made["Message-ID"]).endswith(f"@{machine}>")


def _subject(made: email.message.Message) -> str:
    return decoded_words(_unfolded(made["Subject"]))


def _unfolded(value: object) -> str:
    return "" if value is None else _FOLD.sub("", str(value)).strip()
