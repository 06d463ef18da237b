"""Host names, and what only looks like one to a resolver (RFC 952, RFC 1123 §2.1, RFC 5891)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from contextlib import suppress
from ipaddress import AddressValueError, IPv4Address, IPv6Address

MAX_NAME = 253
MAX_LABEL = 63
LONGEST_TEXT = 4 * MAX_NAME
"""Before decomposed letters are put together. Encoding takes time that grows with the square of the length."""

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_SERVICE_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")
"""With the underscores of names that resolvers know and hosts do not have: those of containers (RFC 2181 §11)."""
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_QUAD = re.compile(r"(?:0|[1-9][0-9]{0,2})(?:\.(?:0|[1-9][0-9]{0,2})){3}")


def check_host(text: str, *, listed: Collection[str] = ()) -> str:
    """The host in the one form we store and connect to: lower case, A-labels, or a canonical literal.

    Resolvers turn ``2130706433``, ``127.1``, ``0x7f000001`` and digits of other scripts into addresses;
    here a name whose last label is a number is no name (RFC 1123 §2.1), and a literal is dotted-quad IPv4 or
    IPv6 without a zone.

    Args:
        listed: what the deployment allows by name, each as :func:`check_listed_host` has it. These names alone may
            have underscores and be written with the final dot of an absolute name.

    Raises:
        ValueError: it is neither a host name nor such a literal; the text says why, without the host in it.
    """
    if listed:
        with suppress(ValueError):
            name = check_listed_host(text)
            if name in listed:
                return name
    return _checked(text, _LABEL)


def check_listed_host(text: str) -> str:
    """Check as :func:`check_host` does names that whoever deploys writes into a list: also those of containers.

    ``mail_server`` is a name here. ``mailpit.`` is one too and the same as ``mailpit``: the dot keeps resolvers from
    adding domains and belongs to no name.

    Raises:
        ValueError: as for :func:`check_host`.
    """
    name = _checked(text.removesuffix("."), _SERVICE_LABEL)
    if text.endswith(".") and (":" in name or _NUMBER.fullmatch(name.rpartition(".")[2])):
        raise ValueError("an address has no dot at its end")
    return name


def _checked(text: str, label: re.Pattern[str]) -> str:
    if not text:
        raise ValueError("a host name is needed")
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"a host name has at most {MAX_NAME} characters")
    if ":" in text:
        return _ipv6(text)
    labels = [_to_a_label(part, label) for part in text.split(".")]
    name = ".".join(labels)
    if len(name) > MAX_NAME:
        raise ValueError(f"a host name has at most {MAX_NAME} characters")
    if _NUMBER.fullmatch(labels[-1]):
        return _ipv4(name)
    return name


def _to_a_label(label: str, pattern: re.Pattern[str]) -> str:
    given = label
    if not label.isascii():
        label = _encode(label)
    label = label.lower()
    if not pattern.fullmatch(label) or len(label) > MAX_LABEL:
        raise ValueError("each part of a host name is 1 to 63 letters, digits and inner hyphens")
    if given.isascii() and label.startswith("xn--"):
        _check_a_label(label)
    elif given[2:4] == "--":
        # RFC 5891 §4.2.3.1, for U-labels too.
        raise ValueError("a host name has no hyphens at the third and fourth place")
    return label


def _encode(label: str) -> str:
    """The A-label of a U-label, without IDNA 2003's mappings: what they would change is refused.

    They turn full-width digits and letters into ASCII, and so into something else than was read.
    """
    lowered = unicodedata.normalize("NFC", label.lower())
    if unicodedata.normalize("NFKC", lowered) != lowered:
        raise ValueError("a host name has to be written in plain letters")
    if unicodedata.category(lowered[0])[0] == "M":
        # RFC 5891 §4.2.3.2: it would be drawn over what stands before the label.
        raise ValueError("no part of a host name begins with a combining mark")
    if not all(_is_allowed(character) for character in lowered):
        raise ValueError("a host name has letters, digits and hyphens only")
    try:
        return "xn--" + lowered.encode("punycode").decode("ascii")
    except UnicodeError as error:
        raise ValueError("a host name has letters, digits and hyphens only") from error


def _check_a_label(label: str) -> None:
    """Refuse an A-label that is not the one that its U-label has (RFC 5891 §5.4)."""
    try:
        decoded = label[4:].encode("ascii").decode("punycode")
        again = "" if decoded.isascii() or decoded[2:4] == "--" else _encode(decoded)
    except (ValueError, OverflowError):
        again = ""
    if again != label:
        raise ValueError("a part of the host name starts with xn-- and is no international name")


def _is_allowed(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character == "-"
    return unicodedata.category(character)[0] in "LM"


def _ipv4(text: str) -> str:
    if not _QUAD.fullmatch(text):
        raise ValueError("an IPv4 address is four decimal numbers")
    try:
        return str(IPv4Address(text))
    except AddressValueError as error:
        raise ValueError("an IPv4 address is four decimal numbers up to 255") from error


def _ipv6(text: str) -> str:
    try:
        address = IPv6Address(text)
    except AddressValueError as error:
        raise ValueError("a host name has no colon, and this is no IPv6 address") from error
    if address.scope_id is not None:
        raise ValueError("an IPv6 address has no zone here")
    return str(address)
