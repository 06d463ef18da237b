"""Replies of servers: parsing (RFC 5321 §4.2) and cleaning."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mailconfig.transports.scrubber import Scrubber
from mailconfig.values import Answer

_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?:[ \t]+|$)")


@dataclass(frozen=True, slots=True)
class Reply(Answer):
    """A mail server's reply (RFC 5321 §4.2)."""

    @property
    def is_success(self) -> bool:
        return 200 <= self.code < 300

    @property
    def is_transient(self) -> bool:
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        return 500 <= self.code < 600


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
