"""What is a host name, and what only looks like one to a resolver (RFC 952, RFC 1123 §2.1, RFC 5891)."""

from __future__ import annotations

import ipaddress
import re

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def check_host(text: str) -> str:
    """The host in the one form we store and connect to: lower case, A-labels, or a canonical literal.

    Resolvers turn ``2130706433``, ``127.1``, ``0x7f000001`` and digits of other scripts into addresses;
    here a name whose last label is a number is no name (RFC 1123 §2.1), and a literal is dotted-quad IPv4 or
    IPv6 without a zone.

    Raises:
        ValueError: it is neither a host name nor such a literal.
    """
    if not text or len(text) > 253 or text != text.strip():
        msg = "not a host name"
        raise ValueError(msg)
    try:
        return str(ipaddress.ip_address(_canonical(text)))
    except ValueError:
        pass
    name = _to_ascii(text)
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]) or not all(_LABEL.fullmatch(label) for label in labels):
        msg = "not a host name"
        raise ValueError(msg)
    return name


def _canonical(text: str) -> str:
    if "%" in text or not text.isascii():
        msg = "a zone is no part of a host"
        raise ValueError(msg)
    return text


def _to_ascii(text: str) -> str:
    if text.isascii():
        name = text.lower()
    else:
        name = text.encode("idna").decode("ascii").lower()
        if any(not char.isalpha() and not char.isascii() for char in text):
            msg = "not a host name"
            raise ValueError(msg)
    for label in name.split("."):
        if label.startswith("xn--"):
            label.encode("ascii").decode("idna")
    return name
