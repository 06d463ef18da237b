"""A mail server's own limit on what an account may send: how servers word it, and how long it lasts.

Few use the enhanced codes there are for it (RFC 3463), and they say it with 4xx as well as with 5xx. So words decide,
whole ones: something was measured, it was too much, and it is about sending. A limit on the size of a message, on a
recipient's mailbox or on a session is none of these.
"""

from __future__ import annotations

import re

from mailconfig.transports.words import plain_words

from .replies import Reply

TRANSIENT_SECONDS = 600.0
PERMANENT_SECONDS = 3600.0
"""How long an account rests if the server names no time."""
LEAST_SECONDS, MOST_SECONDS = 60.0, 86_400.0

_CODES = frozenset({"5.4.5", "5.1.90", "5.7.232", "5.7.233", "4.7.28"})
"""Limits on sending of Gmail and Exchange Online, whatever the words."""
_OTHER_CODE = re.compile(r".\.(?:1\.(?:[1-6]|10)|2\.(?:[1-4]|12\d)|3\.[14]|4\.6|6\.\d+)")
"""An address, a recipient's mailbox, storage, size, loops, content."""
_BROAD_CODE = re.compile(r".\.(?:7\.\d+|2\.0|3\.[02]|4\.5|5\.0|0\.0)")
"""Where "quota exceeded" by itself means the sender's."""

_WINDOW = r"(?:seconds?|minutes?|hours?|days?|weeks?|months?)"
_MAILS = r"(?:e ?mails?|mails?|messages?)"
_OTHER_LIMIT = re.compile(
    r"\b(?:sizes?|length|lines?|storage|space|disk|memory|full|inbox|scores?|spam (?:limit|threshold)|hops?"
    r"|headers?|attachments?|timeout|connections?|sessions?|errors|commands|receiv(?:e|ing)"
    r"|mailbox (?:quota|limit|is|has|exceed\w*)|recipient s quota|(?:user|recipient)(?: address rejected)?(?: is)? over quota)\b"
)
_OF_ONE_MESSAGE = re.compile(r"\b(?:too many|number of) (?:\w+ )?recipients\b|\brecipients? (?:limit|per)\b")
_AMOUNT = re.compile(
    r"\b(?:limits?|quotas?|rate|overlimit|frequency|max|maximum|thresholds?|credits?|allowance|number)\b"
)
_EXCEEDED = re.compile(r"\b(?:exceed(?:s|ed|ing)?|reached|hit|over|overlimit)\b")
_SENDING = re.compile(
    r"\b(?:send(?:er|ers|ing)?|sent|outgoing|outbound|submission|relay|hourly|daily|monthly|recipients?"
    rf"|{_MAILS}|per (?:\d+ )?{_WINDOW}|{_WINDOW} (?:limit|quota))\b"
)
_BY_ITSELF = re.compile(
    r"\b(?:throttl(?:e|ed|ing)|rate ?limit(?:s|ed|ing)?|frequency limited|too many recipients from"
    r"|(?:send|sending|sender|submission|unusual|e ?mail|mail|message) (?:rate|frequency)"
    rf"|too (?:many|much) {_MAILS}|too many recipients\b.*\b{_WINDOW}"
    rf"|only \d+ (?:{_MAILS}|recipients) (?:per|in)(?: \d+)? {_WINDOW})\b"
)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_UNIT = r"(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)\b"
_OVER_IN = re.compile(rf"\b(?:in|after|wait)\s+(?:about\s+)?(\d{{1,6}}(?:\.\d{{1,3}})?)\s*{_UNIT}")
"""When the server will take mail again, as it says."""
_COUNTED = re.compile(rf"(?<![\w.])(\d{{1,4}})[\s-]?{_UNIT}")
_NAMED = re.compile(rf"\b({_WINDOW}|hourly|daily|today|tomorrow|weekly|monthly)\b")
_NAMED_UNITS = {"s": 1, "m": 60, "h": 3600}
"""By the first letter of what :data:`_NAMED` finds; anything else is a day or more."""


def is_server_limit(reply: Reply) -> bool:
    """Return whether the server says that this account has sent too much for now."""
    if not (reply.is_transient or reply.is_permanent):
        return False
    if reply.enhanced in _CODES:
        return True
    words = plain_words(reply.text)
    if _OTHER_CODE.fullmatch(reply.enhanced) or _OTHER_LIMIT.search(words):
        return False
    if _BY_ITSELF.search(words):
        return True
    if reply.code == 552 or not (_AMOUNT.search(words) and _EXCEEDED.search(words)):
        return False
    if _OF_ONE_MESSAGE.search(words) and not _NAMED.search(words):
        return False
    return bool(_SENDING.search(words) or _BROAD_CODE.fullmatch(reply.enhanced))


def server_limit_seconds(reply: Reply) -> float:
    """The time that an account rests after :func:`is_server_limit`: the one, or the window, that the server names.

    When a window began is not known, so it is waited for whole; for a day at most.
    """
    text = reply.text.lower()
    over_in = _OVER_IN.search(text)
    if over_in is not None:
        seconds = float(over_in[1]) * _UNITS[over_in[2][0]]
    else:
        counted = [int(found[1]) * _UNITS[found[2][0]] for found in _COUNTED.finditer(text)]
        named = [_named_seconds(found[1]) for found in _NAMED.finditer(plain_words(text))]
        seconds = max(counted or named, default=0)
    if not seconds:
        seconds = TRANSIENT_SECONDS if reply.is_transient else PERMANENT_SECONDS
    return min(max(seconds, LEAST_SECONDS), MOST_SECONDS)


def _named_seconds(word: str) -> float:
    is_month = word.startswith("month")
    return MOST_SECONDS if is_month else _NAMED_UNITS.get(word[0], MOST_SECONDS)
