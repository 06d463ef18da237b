"""Addresses as callers write them: checked, and put into a header (RFC 5322 §3.4, RFC 5321 §4.1.2)."""

from __future__ import annotations

import re
import unicodedata
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

import idna

from mailconfig.exceptions import InvalidMessage
from mailconfig.rendering.header_lines import (
    FORBIDDEN,
    InvalidHeader,
    encoded_words,
    is_printable,
    shortened,
)
from mailconfig.rendering.mailboxes import Group, Mailbox, read_list

LONG_NAME = 60
"""A display name beyond this is written as encoded words, since only those can be folded anywhere."""

LONGEST = 2000
"""Characters of a mailbox with its name."""
LONGEST_SPEC = 254
LONGEST_LOCAL = 64

_PLAIN = re.compile(
    r"[A-Za-z0-9_]+(?:[.+-][A-Za-z0-9_]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
)
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_ATOMS = re.compile(rf"{_ATEXT}+(?: {_ATEXT}+)*")
_DOT_ATOM = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
# Dots anywhere: some mobile carriers gave such addresses away, and only their servers can say that they are none.
_LOCAL = re.compile(rf"\.*{_ATEXT}(?:{_ATEXT}|\.)*")
# No < and > even in quotes: what reads a path up to the first > would find another command behind it.
_QUOTED_LOCAL = re.compile(r'"((?:[ !#-;=?-\[\]-~]|\\[ -;=?-~])+)"')
_ESCAPED = re.compile(r"\\(.)")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_DOTS = re.compile("[.\u3002\uff0e\uff61]")
_IPV6_TAG = "ipv6:"


class Address(NamedTuple):
    """A mailbox: display name and addr-spec, the domain in lower-case A-labels."""

    name: str
    spec: str

    @property
    def domain(self) -> str:
        """The part behind the @; ``""`` for a local part alone."""
        return self.spec.rpartition("@")[2] if "@" in self.spec else ""

    def __str__(self) -> str:
        """Return the address as it stands in a header; encoded words are folded."""
        if not self.name:
            return self.spec
        words = [*_phrase(self.name), f"<{self.spec}>"]
        return (" " if len(words) == 2 else "\r\n ").join(words)


class AddressGroup(NamedTuple):
    """Mailboxes under one name (RFC 5322 §3.4); without any, ``undisclosed-recipients:;``."""

    name: str
    members: tuple[Address, ...]

    def __str__(self) -> str:
        """The form in a header, folded between its members."""
        name = "\r\n ".join(_phrase(self.name))
        if not self.members:
            return f"{name}:;"
        return f"{name}: " + ",\r\n ".join(map(str, self.members)) + ";"


def parse_address(text: object, *, what: str = "address") -> Address:
    """One mailbox out of ``a@example.com``, ``Name <a@example.com>``, ``a@example.com (Name)`` or ``root``.

    Raises:
        InvalidMessage: it is not exactly one (lists and groups are none), or one we cannot send to.
    """
    text = str(text)
    if len(text) <= LONGEST_SPEC and _PLAIN.fullmatch(text) and text.index("@") <= LONGEST_LOCAL:
        return Address("", text)
    if len(text) > LONGEST:
        raise _invalid(text, what, "is too long for one e-mail address")
    found = _read(text, what)
    if len(found) != 1 or not isinstance(found[0], Mailbox):
        raise _invalid(text, what)
    return _checked(found[0], what)


def parse_addresses(text: object, *, what: str) -> list[Address | AddressGroup]:
    """The mailboxes and groups of a header's value, between commas.

    Raises:
        InvalidMessage: one of them is none, or there is none.
    """
    return [
        AddressGroup(item.name, tuple(_checked(member, what) for member in item.members))
        if isinstance(item, Group)
        else _checked(item, what)
        for item in _read(str(text), what)
    ]


def checked_spec(spec: str, *, what: str) -> str:
    """The addr-spec with its domain in lower-case A-labels (RFC 5891); a local part alone is left to the relay.

    Raises:
        InvalidMessage: it is no address, or needs SMTPUTF8 (RFC 6531).
    """
    local, at, domain = spec.rpartition("@") if "@" in spec else (spec, "", "")
    if not local.isascii():
        raise _invalid(spec, what, "has letters outside ASCII before the @, which is not supported")
    try:
        checked = f"{_checked_local(local)}@{checked_domain(domain)}" if at else _checked_local(local)
    except ValueError as error:
        raise _invalid(spec, what) from error
    if len(checked) > LONGEST_SPEC:
        raise _invalid(spec, what, "is too long for an e-mail address")
    return checked


def checked_domain(domain: str) -> str:
    """A domain in lower-case A-labels, or an address literal (RFC 5321 §4.1.3).

    The A-labels are those of IDNA 2008: by the rules of 2003, which Python's own codec follows, ``straße.de`` is
    somebody else's ``strasse.de``.

    Raises:
        ValueError: it is neither.
    """
    if domain.startswith("["):
        return _checked_literal(domain)
    if not domain.isascii():
        labels = _DOTS.split(unicodedata.normalize("NFC", domain.lower()))
        # IDNAError is a UnicodeError, and so a ValueError.
        domain = ".".join(
            label if label.isascii() else idna.encode(label).decode("ascii") for label in labels
        )
    domain = domain.lower()
    if not _DOMAIN.fullmatch(domain):
        raise ValueError(domain)
    return domain


def _checked_literal(literal: str) -> str:
    inner = literal[1:].removesuffix("]")
    if not literal.endswith("]") or "%" in inner:
        raise ValueError(literal)
    if inner.lower().startswith(_IPV6_TAG):
        IPv6Address(inner[len(_IPV6_TAG) :])
        return f"[IPv6:{inner[len(_IPV6_TAG) :].lower()}]"
    return f"[{IPv4Address(inner)}]"


def _checked_local(local: str) -> str:
    quoted = _QUOTED_LOCAL.fullmatch(local)
    plain = _ESCAPED.sub(r"\1", quoted[1]) if quoted else local
    if len(local) > LONGEST_LOCAL or not (quoted or _LOCAL.fullmatch(local)):
        raise ValueError(local)
    return plain if _DOT_ATOM.fullmatch(plain) else local


def _read(text: str, what: str) -> list[Mailbox | Group]:
    if FORBIDDEN.search(text):
        msg = (
            f"Invalid address in {what}: {shortened(text)} has a line break, a NUL or a lone surrogate in it"
        )
        raise InvalidHeader(msg)
    try:
        return read_list(text)
    except ValueError as error:
        raise _invalid(text, what) from error


def _checked(mailbox: Mailbox, what: str) -> Address:
    spec = mailbox.spec
    if len(spec) > LONGEST_SPEC * 4:  # encoding a domain takes time that grows with the square of its length
        raise _invalid(spec, what, "is too long for an e-mail address")
    return Address(mailbox.name, checked_spec(spec, what=what))


def _phrase(name: str) -> list[str]:
    """A display name as the words of a header line; more than one have to be folded between."""
    if not is_printable(name) or len(name) > LONG_NAME:
        return encoded_words(name)
    # What looks like an encoded word, and is none, has to stay in quotes.
    if not _ATOMS.fullmatch(name) or "=?" in name:
        return ['"{}"'.format(name.replace("\\", "\\\\").replace('"', '\\"'))]
    return [name]


def _invalid(text: str, what: str, why: str = "is not one e-mail address") -> InvalidMessage:
    return InvalidMessage(f"Invalid address in {what}: {shortened(text)} {why}")
