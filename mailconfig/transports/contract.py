"""The contract between delivery and whatever sends: verdicts on what a server answers, in terms of no protocol."""

from __future__ import annotations

import enum


class Verdict(enum.Enum):
    """Verdicts that differ in what follows from them: for a recipient, the message, the account or the session."""

    ACCEPTED = enum.auto()
    RETRY = enum.auto()
    """Not now; the same delivery may be accepted later."""
    FAIL = enum.auto()
    """The message or its recipient, as far as the answer tells, however often it is tried."""
    NEXT_TRANSACTION = enum.auto()
    """Too many recipients in this one: these go in the next."""
    SERVER_LIMIT = enum.auto()
    """The server's own limit is reached: the account rests, the message is not to blame."""
    SENDER_REFUSED = enum.auto()
    """The sender of this message, and probably the account's fault: three in a row pause it."""
    ACCOUNT_REFUSED = enum.auto()
    """Surely the account's fault: three in a row pause it, and the message keeps its place."""
    NEXT_SESSION = enum.auto()
    """The server takes no more in this session: the message goes in the next one."""
    PROTOCOL = enum.auto()
    """No answer that makes sense here, or one that refuses the command itself: never the message's fault."""
