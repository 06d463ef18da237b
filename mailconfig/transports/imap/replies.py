"""Status responses: what became of a command, and why (RFC 3501 §7.1, RFC 5530)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from mailconfig.transports.scrubber import Scrubber
from mailconfig.values import Answer

from .wire import BadAnswerError

_STATUS = re.compile(
    rb"(?P<status>OK|NO|BAD|BYE|PREAUTH)(?:[ ]+(?:\[(?P<code>[A-Z0-9.\-]+)(?:[ ]+(?P<arguments>[^\]]*+))?\])?.*)?",
    re.IGNORECASE | re.DOTALL,
)
STATUSES = frozenset({b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"})
_FOR_NOW = frozenset({"UNAVAILABLE", "INUSE", "LIMIT", "OVERQUOTA", "SERVERBUG", "THROTTLED"})
"""Codes of RFC 5530 that say nothing about what is stored here, and one of Exchange's and Yahoo's."""
_LATER = re.compile(
    r"\b(?:temporar(?:y|ily)|try (?:it )?(?:again|later)|later|too many|throttled|unavailable|rate limit)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reply(Answer):
    """A server's verdict on a command, or on the connection. ``text`` is all of it, cleaned."""

    status: str = ""
    """``OK``, ``NO``, ``BAD``, ``BYE`` or ``PREAUTH``."""
    response_code: str = ""
    """The word in brackets, such as ``AUTHENTICATIONFAILED``, in upper case; empty if a secret is in it."""
    arguments: bytes = field(default=b"", repr=False)
    """What stands behind it, as it came, and so perhaps with a secret in it."""

    @property
    def is_ok(self) -> bool:
        """Return whether the command was carried out."""
        return self.status == "OK"

    @property
    def is_for_now(self) -> bool:
        """Return whether a refusal may pass by itself."""
        return self.response_code in _FOR_NOW or (self.status != "BAD" and bool(_LATER.search(self.text)))


def parse_status(text: bytes, scrubber: Scrubber | None) -> Reply:
    """Return the status response, whose tag was taken off; without its text where nothing cleans that.

    Raises:
        BadAnswerError: it is none.
    """
    found = _STATUS.fullmatch(text.strip())
    if found is None:
        raise BadAnswerError("the server's answer says neither yes nor no")
    code = (found["code"] or b"").decode().upper()
    return Reply(
        0,
        scrubber.clean(text.decode("utf-8", "replace").strip()) if scrubber else "",
        status=found["status"].decode().upper(),
        response_code=code if scrubber is None or scrubber.clean(code) == code else "",
        arguments=(found["arguments"] or b"").strip(),
    )
