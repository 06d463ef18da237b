"""Addresses as callers write them: taken apart, checked, and put into a header (RFC 5322 §3.4)."""

from __future__ import annotations

import re
from typing import NamedTuple

from django.core.exceptions import ValidationError

from mailconfig.delivery.rendering.header_lines import CONTROLS, encoded_words
from mailconfig.exceptions import InvalidMessage
from mailconfig.models.validators import validate_address

LONG_NAME = 60
"""A display name beyond this is written as encoded words, since only those can be folded anywhere."""

LONGEST = 2000
"""Characters of a mailbox with its name; the patterns below take time that grows with their square."""

_PLAIN = re.compile(
    r"[A-Za-z0-9_]+(?:[.+-][A-Za-z0-9_]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
)
# A bare display name may hold what people write there, but nothing that would begin another address or a group.
_NAMED = re.compile(r'(?:"((?:[^"\\]|\\.)*)"|([^"\\<>@,;:]*))\s*<([^<>]*)>')
_LIST_ITEM = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^",])+')
_ESCAPED = re.compile(r"\\(.)")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_NOBODY = re.compile(r"[A-Za-z][A-Za-z -]*:\s*;")


class Address(NamedTuple):
    """A mailbox (RFC 5322 §3.4): display name and addr-spec, the domain in lower-case A-labels."""

    name: str
    spec: str

    @property
    def domain(self) -> str:
        """What stands behind the @."""
        return self.spec.rpartition("@")[2]

    def __str__(self) -> str:
        """As it stands in a header; encoded words are folded."""
        name = self.name
        if not name:
            return self.spec
        if not name.isascii() or len(name) > LONG_NAME:
            return "\r\n ".join([*encoded_words(name), f"<{self.spec}>"])
        if not _ATOMS.fullmatch(name):
            name = '"{}"'.format(name.replace("\\", "\\\\").replace('"', '\\"'))
        return f"{name} <{self.spec}>"


def parse_address(text: object, *, what: str = "address") -> Address:
    """One mailbox out of ``a@example.com`` or ``Name <a@example.com>``.

    Raises:
        InvalidMessage: it is not exactly one (lists and groups are none), or one we cannot send to.
    """
    text = str(text)
    if len(text) <= 254 and _PLAIN.fullmatch(text) and text.index("@") <= 64:
        return Address("", text)
    if len(text) > LONGEST:
        msg = f"{what}: {_short(text)} is too long for one e-mail address"
        raise InvalidMessage(msg)
    refuse_controls(text, what)
    text = text.strip()
    name, spec = "", text
    if text.endswith(">"):
        found = _NAMED.fullmatch(text)
        if found is None:
            msg = f"{what}: {_short(text)} is not one e-mail address"
            raise InvalidMessage(msg)
        quoted, bare, spec = found.groups()
        name = _ESCAPED.sub(r"\1", quoted) if quoted is not None else bare
    return Address(name.strip(), checked_spec(spec.strip(), what=what))


def parse_addresses(text: object, *, what: str) -> list[Address]:
    """The mailboxes of a header's value, between commas.

    Raises:
        InvalidMessage: one of them is none, or there is none.
    """
    text = str(text)
    refuse_controls(text, what)
    items: list[str] = []
    at = 0
    while at <= len(text):
        # One after another and not by findall, which would look on behind a quote that is never closed, and on.
        found = _LIST_ITEM.match(text, at)
        if found is None or text[found.end() : found.end() + 1] not in {"", ","}:
            msg = f"{what}: {_short(text)} is not a list of e-mail addresses"
            raise InvalidMessage(msg)
        items.append(found[0])
        at = found.end() + 1
    return [parse_address(item, what=what) for item in items]


def is_nobody(text: str) -> bool:
    """Whether it is an empty group such as ``undisclosed-recipients:;`` (RFC 5322 §3.4)."""
    return _NOBODY.fullmatch(text.strip()) is not None


def checked_spec(spec: str, *, what: str) -> str:
    """The addr-spec with its domain in lower-case A-labels (RFC 5891).

    Raises:
        InvalidMessage: it is no address, or needs SMTPUTF8 (RFC 6531).
    """
    refuse_controls(spec, what)
    local, at, domain = spec.rpartition("@")
    if not local.isascii():
        msg = f"{what}: {_short(spec)} has letters outside ASCII before the @, which is not supported"
        raise InvalidMessage(msg)
    try:
        ascii_domain = domain if domain.isascii() else domain.encode("idna").decode("ascii")
        spec = f"{local}{at}{ascii_domain.lower()}"
        validate_address(spec)
    except (UnicodeError, ValidationError) as error:
        msg = f"{what}: {_short(spec)} is not one e-mail address"
        raise InvalidMessage(msg) from error
    return spec


def refuse_controls(text: str, what: str) -> None:
    """Nothing that ends a line, or is no character, may come near a header.

    Raises:
        InvalidMessage: a control character, a line separator or a lone surrogate is in ``text``.
    """
    if CONTROLS.search(text):
        msg = f"{what}: {_short(text)} has a control character or a lone surrogate in it"
        raise InvalidMessage(msg)


def _short(text: str) -> str:
    return ascii(text if len(text) <= 80 else f"{text[:77]}...")
