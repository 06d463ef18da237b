"""Mistakes of the account that a server tells of when it is asked about something else.

Postfix by default judges client, HELO and MAIL only at RCPT (``smtpd_delay_reject``), and Exchange whose name a
message is sent in only after the dot. Such a refusal meets every recipient of every message alike; none is to blame.
"""

from __future__ import annotations

import enum
import re

from mailconfig.transports.words import plain_words

from .hints import wants_encryption
from .replies import Reply


class AccountFault(enum.Enum):
    """The part of the account that the server is not content with."""

    SENDER = enum.auto()
    """The address it sends from."""
    LOGIN = enum.auto()
    """It does not log in, or may not send to others without."""
    ENCRYPTION = enum.auto()
    """The connection is not encrypted."""
    CLIENT = enum.auto()
    """Where the connection comes from, or the name we introduce ourselves with."""


_BY_CODE = {
    "5.1.7": AccountFault.SENDER,
    "5.1.8": AccountFault.SENDER,
    "5.7.60": AccountFault.SENDER,
    "5.2.252": AccountFault.SENDER,
    "5.7.54": AccountFault.LOGIN,
    "5.7.57": AccountFault.LOGIN,
    "5.7.64": AccountFault.LOGIN,
    "5.7.501": AccountFault.CLIENT,
    "5.7.502": AccountFault.CLIENT,
    "5.7.503": AccountFault.CLIENT,
    "5.7.511": AccountFault.CLIENT,
    "5.7.705": AccountFault.CLIENT,
    "5.7.708": AccountFault.CLIENT,
}
"""RFC 3463 §3.2 for the sender's address; the rest is what Exchange Online documents."""
_BLOCKED = r"(?:blocked|rejected|denied|refused|banned|listed|blacklisted|blocklisted)"
_BY_WORDS = (
    (
        AccountFault.SENDER,
        re.compile(
            r"\bsender (?:address )?(?:rejected|refused|denied)\b|\bnot owned by\b|\bsend ?as ?denied\b"
            r"|\bnot (?:allowed|permitted|authori[sz]ed) to send (?:as|from|on behalf|mail from|e ?mails? from)\b"
            r"|\bsender verify failed\b|\bnot a verified sender\b|\bverified sender identity\b"
            r"|\b(?:from|sender) (?:e ?mail )?address (?:\w+ ){0,3}not (?:verified|allowed|permitted|authori[sz]ed)\b"
            r"|\be ?mail address is not verified\b"
        ),
    ),
    (
        AccountFault.LOGIN,
        re.compile(
            r"\brelay(?:ing)? (?:\w+ ){0,2}(?:denied|prohibited|not permitted|not allowed)\b"
            r"|\b(?:unable|permitted) to relay\b"
            r"|\bauth(?:entication)? (?:\w+ ){0,2}(?:required|needed|first)\b"
            r"|\b(?:must|please) (?:authenticate|log ?in)\b"
            r"|\bauth command first\b|\bauthenticate first\b"
        ),
    ),
    (
        AccountFault.CLIENT,
        re.compile(
            r"\bhelo command rejected\b|\behlo command rejected\b"
            rf"|\bclient host\b.*\b{_BLOCKED}\b"
            rf"|\b(?:your|sending|connecting) (?:ip|host|server|mail server)\b.*\b{_BLOCKED}\b"
        ),
    ),
)


_CLOSED_CODES = frozenset({"5.7.2", "5.7.124", "5.7.129", "5.7.133", "5.7.134", "5.7.136", "5.7.193"})
"""RFC 3463 §3.8 for a mailing list; the rest is what Exchange documents for recipients that take mail of some only."""
_CLOSED_WORDS = re.compile(
    r"\b(?:mailing ?lists?|distribution (?:list|group)|this (?:list|group)|(?:to|of) the (?:list|group)|for group"
    r"|(?:list|group) members?|restricted to members|subscribers?|moderated|post(?:ing)? to|resolver rst)\b"
)


def is_of_closed_recipient(reply: Reply) -> bool:
    """Tell whether a recipient, a list mostly, takes mail of some only: of others there is nothing to mend."""
    return reply.enhanced in _CLOSED_CODES or bool(_CLOSED_WORDS.search(plain_words(reply.text)))


def account_fault(reply: Reply) -> AccountFault | None:
    """The account's mistake, if a permanent refusal tells of one."""
    if not reply.is_permanent:
        return None
    if wants_encryption(reply):
        return AccountFault.ENCRYPTION
    words = plain_words(reply.text)
    by_words = next((fault for fault, pattern in _BY_WORDS if pattern.search(words)), None)
    if reply.code == 530:
        return AccountFault.LOGIN
    if by_words in {AccountFault.SENDER, AccountFault.LOGIN} and is_of_closed_recipient(reply):
        by_words = None
    return _BY_CODE.get(reply.enhanced, by_words)
