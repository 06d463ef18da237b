"""Recipients: Exchange sends to whom the header of a mail names, and to those it is told of besides.

So a mail may have recipients that its header does not name, but none can be left out.
"""

from __future__ import annotations

from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import getaddresses

from mailconfig.values import Envelope

_END = (b"\r\n\r\n", b"\n\n")


def in_header(octets: bytes) -> frozenset[str]:
    """Return the addresses that a mail names as recipients, each in one spelling."""
    ends = [at for at in map(octets.find, _END) if at >= 0]
    header = BytesHeaderParser(policy=compat32).parsebytes(
        octets[: min(ends, default=len(octets))] + b"\r\n\r\n"
    )
    values = [str(value) for name in ("To", "Cc", "Bcc") for value in header.get_all(name, [])]
    return frozenset(_plain(address) for _name, address in getaddresses(values) if address)


def besides(envelope: Envelope, octets: bytes) -> tuple[str, ...] | None:
    """Return those of the envelope that the header does not name; ``None``: it names somebody who is not to get it."""
    named = in_header(octets)
    wanted = {_plain(address): address for address in envelope.recipients}
    if not named <= wanted.keys():
        return None
    return tuple(address for plain, address in wanted.items() if plain not in named)


def _plain(address: str) -> str:
    return address.strip().casefold()
