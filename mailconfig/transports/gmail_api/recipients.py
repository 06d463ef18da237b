"""Recipients: Gmail sends to whom the header of a mail names, and takes ``Bcc`` out of what it sends.

So a mail may have recipients that its header does not name, but none can be left out.
"""

from __future__ import annotations

from email.parser import HeaderParser
from email.policy import compat32
from email.utils import getaddresses

from mailconfig.values import Envelope

_ENDS = (b"\r\n\r\n", b"\n\n")


def with_recipients(envelope: Envelope, octets: bytes) -> bytes | None:
    """Return the mail for just these recipients: in ``Bcc`` are those whom it does not name.

    Returns:
        The mail; ``None``: it names somebody who is not to get it, or nobody can tell whom it names.

    Raises:
        ValueError: an address that no header can hold.
    """
    named = in_header(octets)
    wanted = {_plain(address): address for address in envelope.recipients}
    if named is None or not named <= wanted.keys():
        return None
    besides = [address for plain, address in wanted.items() if plain not in named]
    if any(not address.isprintable() or set(address) & set(" ,;<>") for address in besides):
        raise ValueError("an address that no header can hold")
    if not besides:
        return octets
    return b"Bcc: " + ",\r\n ".join(besides).encode() + b"\r\n" + octets


def in_header(octets: bytes) -> frozenset[str] | None:
    """Return the addresses that a mail names as recipients, each in one spelling; ``None``: that cannot be read."""
    ends = [at for at in map(octets.find, _ENDS) if at >= 0]
    text = octets[: min(ends, default=len(octets))].decode("utf-8", "replace")
    header = HeaderParser(policy=compat32).parsestr(text + "\r\n\r\n")
    values = [str(value) for name in ("To", "Cc", "Bcc") for value in header.get_all(name, [])]
    found: set[str] = set()
    for value in values:
        addresses = [address for _name, address in getaddresses([value]) if address]
        if "@" in value and not addresses:
            return None
        found.update(map(_plain, addresses))
    return frozenset(found)


def _plain(address: str) -> str:
    name, at, domain = address.strip().casefold().rpartition("@")
    try:
        return name + at + domain.encode("idna").decode()
    except UnicodeError:
        return name + at + domain
