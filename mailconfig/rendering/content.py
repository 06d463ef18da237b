"""Body, alternatives and attachments of an ``EmailMessage``, in every form Django takes, as one part."""

from __future__ import annotations

import email.message
from email.charset import Charset

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives

from mailconfig.exceptions import InvalidMessage
from mailconfig.rendering.addressing import parse_address
from mailconfig.rendering.fields import Fields, Identity, header_fields
from mailconfig.rendering.opting_out import Closing
from mailconfig.rendering.overrides import is_overridden
from mailconfig.rendering.parts import (
    Part,
    attachment_part,
    enclosed_part,
    guessed_type,
    multipart,
    split_type,
    text_part,
)
from mailconfig.rendering.signature import Signature
from mailconfig.rendering.standard_library import flattened, original


def content_part(
    message: EmailMessage, signature: Signature | Closing | None = None, *, seed: bytes | None = None
) -> Part:
    """Everything below the header, nested as Django nests it.

    Args:
        message: the mail.
        signature: stands below the text and below its alternatives in HTML, perhaps with the way out of such mail.
        seed: boundaries are always the same for this and the same parts.

    Raises:
        InvalidMessage: something in it cannot be written.
    """
    encoding: str | Charset = message.encoding or settings.DEFAULT_CHARSET
    alternatives = message.alternatives if isinstance(message, EmailMultiAlternatives) else ()
    body: object = message.body or ""
    if body or not alternatives:
        body = _signed(_text(body, encoding), message.content_subtype, signature)
    part = text_part(str(body), message.content_subtype, encoding)
    if alternatives:
        parts = [part] if body else []
        parts += [
            _alternative(content, str(mimetype), encoding, signature) for content, mimetype in alternatives
        ]
        part = multipart(getattr(message, "alternative_subtype", "alternative"), parts, seed=seed)
    if message.attachments:
        parts = [part] if body or alternatives else []
        parts += [_attachment(attachment, encoding) for attachment in message.attachments]
        part = multipart(getattr(message, "mixed_subtype", "mixed"), parts, seed=seed)
    return part


def written(fields: Fields, part: Part) -> bytes:
    """The whole mail; here the pieces are copied, once."""
    head = "\r\n".join([*fields.lines, "MIME-Version: 1.0", *part.head, "", ""])
    return b"".join([head.encode("ascii"), *part.content])


def _text(content: object, encoding: str | Charset) -> str:
    if isinstance(content, (bytes, bytearray)):
        try:
            return content.decode(str(encoding))
        except (ValueError, LookupError) as error:
            msg = f"the text is not in {ascii(str(encoding))[:40]}"
            raise InvalidMessage(msg) from error
    return str(content)


def _signed(text: str, subtype: str, signature: Signature | Closing | None) -> str:
    """The text with the signature in its form; what is neither plain text nor HTML has none."""
    kind = subtype.partition(";")[0].strip().lower()
    if signature is None or kind not in {"plain", "html"}:
        return text
    return signature.below_text(text) if kind == "plain" else signature.below_html(text)


def _alternative(
    content: object, mimetype: str, encoding: str | Charset, signature: Signature | Closing | None
) -> Part:
    main, sub, parameters = split_type(mimetype)
    if main == "text":
        text = _signed(_text(content, "utf-8"), sub, signature)
        return text_part(text, sub + parameters, encoding)
    return attachment_part(content, mimetype, "", encoding)


def _attachment(attachment: object, encoding: str | Charset) -> Part:
    if isinstance(attachment, email.message.Message):
        data = flattened(attachment, keep=False)
        return Part([], [data], eight_bit=not data.isascii())
    if not isinstance(attachment, (tuple, list)) or not 2 <= len(attachment) <= 3:
        msg = f"an attachment is a part or (name, content, type), not {type(attachment).__name__}"
        raise InvalidMessage(msg)
    filename, content, mimetype = (*attachment, None)[:3]
    filename = str(filename or "")
    mimetype = str(mimetype or guessed_type(filename))
    if "".join(split_type(mimetype)[:2]).lower() == "messagerfc822":
        return enclosed_part(_enclosed(content), filename)
    return attachment_part(content, mimetype, filename, encoding)


def _enclosed(content: object) -> bytes:
    """A mail within a mail: what is there already stays as it is."""
    if not isinstance(content, EmailMessage):
        return original(content)
    if is_overridden(content):
        return flattened(content.message(), keep=True)
    sender = parse_address(content.extra_headers.get("From") or content.from_email, what="from")
    return written(header_fields(content, Identity(sender=sender)), content_part(content))
