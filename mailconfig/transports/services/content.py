"""Stored mail as anymail wants it; what that form has no place for is refused by name, and never left out.

The form is one text, one HTML, further alternatives, attachments and images inside the HTML, and header fields that each
stand once. Services write some fields themselves (:attr:`MailService.writes_itself`): those are left out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from typing import Any

import idna
from django.core.mail import EmailMultiAlternatives

from mailconfig.mail_services import MailService
from mailconfig.values import CARRIED_ID, Envelope

LONGEST_ID = 200

_SHAPING = frozenset({"from", "to", "cc", "bcc", "reply-to", "subject", "mime-version"})
"""Fields that have a place of their own in the form."""
_REFUSED = frozenset({"sender", "received", "return-path", "dkim-signature", "arc-seal"})
_SEALED = frozenset({"multipart/signed", "multipart/encrypted", "multipart/report"})


class NotCarried(Exception):
    """The service cannot be told what the mail says.

    Attributes:
        what: the part of the mail, in a few words of ours.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def message_id_of(data: bytes) -> str:
    """Return the mail's own id, which is the same at each try, as a header field of a request may carry it; ``""``: none."""
    found = str(BytesHeaderParser(policy=policy.compat32).parsebytes(data).get("Message-ID", "")).strip()
    return found if found.isascii() and found.isprintable() and len(found) <= LONGEST_ID else ""


def key_of(address: str) -> str:
    """Return an address as it is compared: services write domains in ASCII or not, and in lower case."""
    local, at, domain = address.rpartition("@")
    with contextlib.suppress(ValueError):
        domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")
    return (local + at + domain).lower()


def as_form(
    data: bytes, envelope: Envelope, service: MailService
) -> tuple[EmailMultiAlternatives, frozenset[str]]:
    """Return the stored bytes of a mail in anymail's form, and whom of its envelope one request takes.

    Who gets it is what the envelope says: of the addresses in To and Cc those that are in it, and all others of it
    unseen. No service takes a mail that has nobody in To. Where nobody of To is left, the first of Cc stands there, who is
    seen by the others anyway; without one, each unseen recipient stands there alone.

    Returns:
        The form, and its recipients by :func:`key_of`: the others of the envelope want another request.

    Raises:
        NotCarried: something in it has no place there.
    """
    try:
        return _as_form(data, envelope, service)
    except (AttributeError, LookupError, NameError, RecursionError, TypeError, ValueError) as error:
        # The library's parser raises these over odd fields, and the mail would come first again for ever.
        raise NotCarried(f"a mail that cannot be read ({type(error).__name__})") from None


def _as_form(
    data: bytes, envelope: Envelope, service: MailService
) -> tuple[EmailMultiAlternatives, frozenset[str]]:
    mail: Any = message_from_bytes(data, policy=policy.default)
    form = EmailMultiAlternatives(subject=_text(mail, "subject"), body="")
    form.from_email = _from(mail, envelope)
    taken = _address(form, mail, envelope, most=service.most_recipients)
    form.reply_to = [str(address) for address in _addresses(mail, "reply-to")]
    if service.only_one_reply_to and len(form.reply_to) > 1:
        raise NotCarried("several Reply-To addresses")
    form.extra_headers = {**_further(mail, service), **service.headers}
    _fill_body(form, mail)
    if service.repeats_id and (name := message_id_of(data)):
        # Some write a Message-ID of their own, and then their reports say nothing of the mail's.
        form.metadata = {CARRIED_ID: name}  # type: ignore[attr-defined]
    return form, taken


def _text(mail: EmailMessage, name: str, value: object = "") -> str:
    """Return a field's text. Encoded words may hide ends of lines, of which a service may make fields of their own.

    Raises:
        NotCarried: it has characters that belong in no field.
    """
    text = str(value or mail.get(name, ""))
    if any(character < " " and character != "\t" for character in text) or "\x7f" in text:
        raise NotCarried(f"control characters in the field {name}")
    return text


def _from(mail: EmailMessage, envelope: Envelope) -> str:
    found = _addresses(mail, "from")
    if len(found) > 1:
        raise NotCarried("several From addresses")
    sender = str(found[0]) if found else envelope.sender
    if not sender:
        raise NotCarried("a mail without a From address")
    return sender


def _address(
    form: EmailMultiAlternatives, mail: EmailMessage, envelope: Envelope, *, most: int
) -> frozenset[str]:
    left = {key_of(address): address for address in envelope.recipients}
    named: dict[str, dict[str, str]] = {"to": {}, "cc": {}}
    for field, kept in named.items():
        for address in _addresses(mail, field):
            key = key_of(address.addr_spec)
            if left.pop(key, None) is not None:
                kept[key] = str(address)
    to, cc = list(named["to"].items()), list(named["cc"].items())
    bcc = list(left.items())
    if not to and cc:
        to, cc = cc[:1], cc[1:]
    elif not to:
        to, bcc = bcc[:1], []
    to, cc = to[:most], cc[: max(most - len(to), 0)]
    bcc = bcc[: max(most - len(to) - len(cc), 0)]
    form.to, form.cc, form.bcc = ([text for _key, text in each] for each in (to, cc, bcc))
    return frozenset(key for key, _text in (*to, *cc, *bcc))


def _addresses(mail: EmailMessage, field: str) -> list[Address]:
    try:
        return [
            address for header in mail.get_all(field, []) for address in header.addresses if address.domain
        ]
    except (AttributeError, ValueError, IndexError):
        raise NotCarried(f"a {field.title()} field that cannot be read") from None


def _further(mail: EmailMessage, service: MailService) -> dict[str, str]:
    found: dict[str, str] = {}
    seen: set[str] = set()
    for name, value in mail.items():
        key = name.lower()
        if key in _SHAPING or key.startswith("content-") or key in service.writes_itself:
            continue
        if key in _REFUSED or key.startswith("resent-"):
            raise NotCarried(f"the field {name}")
        if key in seen:
            raise NotCarried(f"the field {name} twice")
        seen.add(key)
        found[name] = _text(mail, name, value)
    return found


def _fill_body(form: EmailMultiAlternatives, mail: Any) -> None:
    body, attached = mail, []
    if mail.get_content_type() == "multipart/mixed":
        body, *attached = list(mail.iter_parts()) or [EmailMessage()]
        if body.is_attachment() or not _is_body(body):
            body, attached = None, [body, *attached]
    texts = list(_texts(form, body)) if body is not None else []
    plain = next((content for content, kind in texts if kind == "text/plain"), "")
    form.body = plain
    rest = [text for text in texts if text != (plain, "text/plain")]
    kinds = [kind for _content, kind in texts]
    if len(set(kinds)) != len(kinds):
        raise NotCarried("several texts of one kind")
    for content, kind in rest:
        form.attach_alternative(content, kind)
    for part in attached:
        _attach(form, part)


def _is_body(part: Any) -> bool:
    kind: str = part.get_content_type()
    return kind in {"text/plain", "text/html", "multipart/alternative", "multipart/related"}


def _texts(form: EmailMultiAlternatives, part: Any) -> Iterator[tuple[str, str]]:
    """Yield the texts of a body, and attach the images inside its HTML."""
    kind: str = part.get_content_type()
    if kind in _SEALED:
        raise NotCarried(f"{kind}, which would not stay as it was signed")
    if kind == "multipart/alternative":
        for one in part.iter_parts():
            yield from _texts(form, one)
    elif kind == "multipart/related":
        root, *others = list(part.iter_parts()) or [None]
        if root is None:
            raise NotCarried("an empty multipart/related")
        yield from _texts(form, root)
        for one in others:
            _attach(form, one, inside=True)
    elif part.get_content_maintype() == "text":
        yield _decoded(part), kind
    else:
        raise NotCarried(f"{kind} as a text")


def _decoded(part: Any) -> str:
    charset = part.get_content_charset() or "utf-8"
    try:
        text: str = part.get_payload(decode=True).decode("utf-8" if charset == "us-ascii" else charset)
    except (LookupError, UnicodeError):
        raise NotCarried("a text that is not in the character set it names") from None
    return text.replace("\r\n", "\n")


def _attach(form: EmailMultiAlternatives, part: Any, *, inside: bool = False) -> None:
    kind: str = part.get_content_type()
    inline = inside or part.get_content_disposition() == "inline"
    if kind in _SEALED:
        raise NotCarried(f"{kind}, which would not stay as it was signed")
    if part.is_multipart() and kind != "message/rfc822":
        raise NotCarried(f"{kind} among the attachments")
    if inline and not part["content-id"]:
        if inside or part.get_content_maintype() == "text":
            raise NotCarried("a part inside the text that has no Content-ID")
        del part["content-disposition"]
        part.add_header("Content-Disposition", "attachment", filename=part.get_filename() or "")
    if part.get_content_maintype() == "text":
        if part.get_content_disposition() is None:
            raise NotCarried("several texts one behind the other")
        _decoded(part)
    if kind == "message/rfc822":
        [message] = part.iter_parts()
        form.attachments.append((part.get_filename() or "message.eml", message.as_bytes(), kind))
        return
    form.attachments.append(part)
