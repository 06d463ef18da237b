"""Replies of servers: parsing (RFC 5321 §4.2) and cleaning."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mailconfig.transports.scrubber import Scrubber
from mailconfig.values import Capabilities, Reply

_MECHANISM = re.compile(r"[A-Z0-9_-]{1,20}")
"""A SASL mechanism's name (RFC 4422 §3.1)."""
_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?:[ \t]+|$)")


class BadReplyError(Exception):
    """Something came that is no SMTP reply, or is larger than a reply may be.

    Attributes:
        code, lines: of a reply that is whole, but whose lines have different codes: the last one's, and all texts.
    """

    def __init__(self, message: str, *, code: int = 0, lines: Sequence[bytes] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.lines = lines


def parse_line(line: bytes) -> tuple[int, bool, bytes]:
    """Code, whether more lines follow, and the text of one line without its end.

    Raises:
        BadReplyError: no three digits from 200 to 599, or something else than a space or hyphen after them.
    """
    digits, mark = line[:3], line[3:4]
    if len(digits) != 3 or not digits.isdigit() or not b"200" <= digits <= b"599":
        raise BadReplyError("the server's answer does not begin with a reply code")
    if mark not in (b" ", b"-", b""):
        raise BadReplyError("the server's answer has no reply code of three digits")
    return int(digits), mark == b"-", line[4:]


def to_reply(code: int, lines: Sequence[bytes], scrubber: Scrubber) -> Reply:
    """The cleaned reply. The enhanced status (RFC 2034) is taken out of the text.

    It refines the code: one of another class than the code's is ignored.
    """
    enhanced = ""
    texts = []
    for line in lines:
        text = line.decode("utf-8", "replace").strip()
        found = _ENHANCED.match(text)
        if found and int(found[1]) == code // 100:
            enhanced = enhanced or f"{found[1]}.{int(found[2])}.{int(found[3])}"
            text = text[found.end() :]
        texts.append(text)
    joined = texts[0] if len(texts) == 1 else " ".join(filter(None, texts))
    return Reply(code, scrubber.clean(joined), enhanced)


def parse_capabilities(lines: Sequence[bytes]) -> Capabilities:
    """Return what the lines of an EHLO reply after the first one offer (RFC 5321 §4.1.1.1)."""
    pipelining = eight_bit_mime = smtputf8 = starttls = False
    size_limit: int | None = None
    auth: set[str] = set()
    for line in lines[1:]:
        words = line.decode("ascii", "replace").upper().replace("AUTH=", "AUTH ").split()
        if not words:
            continue
        keyword, arguments = words[0], words[1:]
        if keyword == "PIPELINING":
            pipelining = True
        elif keyword == "8BITMIME":
            eight_bit_mime = True
        elif keyword == "SMTPUTF8":
            smtputf8 = True
        elif keyword == "STARTTLS":
            starttls = True
        elif keyword == "AUTH":
            auth.update(name for name in arguments if _MECHANISM.fullmatch(name))
        elif keyword == "SIZE" and arguments and re.fullmatch(r"[0-9]{1,20}", arguments[0]):
            size_limit = int(arguments[0]) or None  # RFC 1870 §4: 0 means no fixed limit
    return Capabilities(
        pipelining=pipelining,
        size_limit=size_limit,
        eight_bit_mime=eight_bit_mime,
        smtputf8=smtputf8,
        starttls=starttls,
        auth=frozenset(auth),
    )
