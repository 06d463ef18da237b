"""Mail as django-mailer keeps it: a pickled ``EmailMessage``, in base64. Read as data and made anew."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from email import policy
from email.message import Message as OldPart
from email.message import MIMEPart
from typing import Any

from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.utils import translation

from mailconfig.delivery.imports.pickles import Made, Named, Unreadable, read_pickle

__all__ = ["read_mail"]

MAIL_CLASSES = frozenset(
    {
        "django.core.mail.message.EmailMessage",
        "django.core.mail.message.EmailMultiAlternatives",
        "django.core.mail.EmailMessage",
        "django.core.mail.EmailMultiAlternatives",
    }
)
TRIPLES = frozenset({"django.core.mail.message.EmailAttachment", "django.core.mail.message.EmailAlternative"})
TEXTS = frozenset({"django.utils.safestring.SafeString", "django.utils.safestring.SafeText", "builtins.str"})
LAZY = "django.utils.functional._lazy_proxy_unpickle"
TRANSLATED: Mapping[str, Callable[..., str]] = {
    "django.utils.translation.gettext": translation.gettext,
    "django.utils.translation.pgettext": translation.pgettext,
}
PART_CLASSES = ("email.mime.", "email.message.", "django.core.mail.message.SafeMIME")
MODERN = frozenset({"email.message.MIMEPart", "email.message.EmailMessage"})
"""Parts whose header fields are objects, and are written by other rules than those of the older classes."""
HEADER = "email.headerregistry._reconstruct_header"
MOST_PARTS = 1000
MOST_DEPTH = 20


def read_mail(text: str, *, most_bytes: int) -> EmailMessage:
    """Return the mail that a row of django-mailer holds, as a new one of Django's classes.

    Args:
        most_bytes: how large its texts and attachments may be together.

    Raises:
        Unreadable: it is none of Django's classes, too large, or damaged; the text says why.
    """
    if len(text) > 2 * most_bytes:
        raise Unreadable("it is larger than MAX_MESSAGE_BYTES")
    try:
        data = base64.b64decode(text.encode("ascii"))
    except (binascii.Error, UnicodeError) as error:
        raise Unreadable("it is not written in base64") from error
    made = read_pickle(data)
    if not isinstance(made, Made) or made.name not in MAIL_CLASSES:
        what = made.name if isinstance(made, Made) else type(made).__name__
        raise Unreadable(
            f"it is a {what}, not an EmailMessage of Django: only the program that made it can read it"
        )
    if not isinstance(made.state, Mapping):
        raise Unreadable("the pickle is damaged")
    return _Reader(made.state, most_bytes).message(is_plain=made.name.endswith("EmailMessage"))


class _Reader:
    """Takes the attributes of a pickled mail apart."""

    def __init__(self, state: Mapping[Any, Any], most_bytes: int) -> None:
        self._state = state
        self._room = most_bytes
        self._parts = 0

    def message(self, *, is_plain: bool) -> EmailMessage:
        """Make the mail."""
        kind = EmailMessage if is_plain else EmailMultiAlternatives
        headers = self._state.get("extra_headers") or {}
        if not isinstance(headers, dict):
            raise Unreadable("its headers are no dictionary")
        message = kind(
            self._text(self._state.get("subject")),
            self._text(self._state.get("body")),
            self._text(self._state.get("from_email")) or None,
            to=self._texts("to"),
            cc=self._texts("cc"),
            bcc=self._texts("bcc"),
            reply_to=self._texts("reply_to"),
            headers={self._text(name): self._text(value) for name, value in headers.items()},
        )
        for name in ("content_subtype", "mixed_subtype", "alternative_subtype", "encoding"):
            if isinstance(given := self._state.get(name), str):
                setattr(message, name, given)
        for entry in self._list("attachments"):
            message.attachments.append(self._attachment(entry))
        if isinstance(message, EmailMultiAlternatives):
            for entry in self._list("alternatives"):
                content, kind_of_it = self._entry(entry, 2)
                message.attach_alternative(self._text(content), self._text(kind_of_it))
        return message

    def _list(self, name: str) -> list[Any]:
        values = self._state.get(name) or []
        if not isinstance(values, (list, tuple)):
            raise Unreadable(f"its {name} are no list")
        return list(values)

    def _texts(self, name: str) -> list[str]:
        return [self._text(value) for value in self._list(name)]

    def _text(self, value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, Made):
            value = _text_made(value)
        if not isinstance(value, str):
            raise Unreadable(f"a {type(value).__name__} stands where a text belongs")
        self._take(len(value))
        return value

    def _take(self, octets: int) -> None:
        """Count what was read: a small pickle may name one large attachment a thousand times."""
        self._room -= octets
        if self._room < 0:
            raise Unreadable("it is larger than MAX_MESSAGE_BYTES")

    def _entry(self, entry: Any, count: int) -> tuple[Any, ...]:
        if isinstance(entry, Made) and entry.name in TRIPLES:
            entry = entry.arguments
        if not isinstance(entry, (tuple, list)) or len(entry) != count:
            raise Unreadable("an attachment is not as Django makes it")
        return tuple(entry)

    def _attachment(self, entry: Any) -> Any:
        if isinstance(entry, Made) and entry.name.startswith(PART_CLASSES):
            return self._part(entry, MOST_DEPTH)
        name, content, kind = self._entry(entry, 3)
        kind = None if kind is None else self._text(kind)
        if isinstance(content, Made) and content.name.startswith(PART_CLASSES):
            content = self._part(content, MOST_DEPTH)
        elif isinstance(content, (bytes, bytearray)):
            content = bytes(content)
            self._take(len(content))
        else:
            content = self._text(content)
        return (None if name is None else self._text(name), content, kind)

    def _part(self, made: Any, depth: int) -> OldPart:
        """A part of the standard library's classes, made anew from its header fields and content."""
        self._parts += 1
        if not isinstance(made, Made) or not isinstance(made.state, Mapping):
            raise Unreadable("an enclosed part is damaged")
        if depth == 0 or self._parts > MOST_PARTS:
            raise Unreadable("its parts are nested too deeply")
        part = MIMEPart(policy=policy.default) if made.name in MODERN else OldPart()
        for pair in made.state.get("_headers") or ():
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise Unreadable("an enclosed part is damaged")
            name, value = self._text(pair[0]), self._text(pair[1])
            try:
                part[name] = value
            except ValueError as error:  # a field that stands there once only, or more than a line
                raise Unreadable("an enclosed part is damaged") from error
        payload = made.state.get("_payload")
        if isinstance(payload, list):
            part.set_payload([self._part(inner, depth - 1) for inner in payload])
        else:
            part.set_payload(self._text(payload))
        return part


def _text_made(made: Made) -> str:
    """A text that is an object: one marked as safe for HTML, a header field, or one to be translated when it is read.

    Raises:
        Unreadable: it is something else.
    """
    if made.name in TEXTS and len(made.arguments) == 1 and isinstance(made.arguments[0], str):
        return made.arguments[0]
    if made.name == HEADER and len(made.arguments) == 3 and isinstance(made.arguments[2], str):
        return made.arguments[2]
    if made.name == LAZY and len(made.arguments) >= 2:
        called, arguments = made.arguments[:2]
        translate = TRANSLATED.get(called.name) if isinstance(called, Named) else None
        if translate and isinstance(arguments, tuple) and all(isinstance(each, str) for each in arguments):
            return str(translate(*arguments))
    raise Unreadable(f"a {made.name} stands where a text belongs")
