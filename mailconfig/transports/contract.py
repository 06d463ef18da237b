"""The contract between delivery and whatever sends: what becomes of a delivery, in terms of no protocol.

A transport classifies what its server says into these terms; delivery knows nothing else of the server.
"""

from __future__ import annotations

import enum


class Result(enum.Enum):
    """Results of a delivery, for one recipient."""

    ACCEPTED = "accepted"
    RETRY = "retry"
    """Not now; the same delivery may be accepted later."""
    REFUSED = "refused"
    """Not this way, however often it is tried."""
    UNKNOWN = "unknown"
    """The point of no return was passed, and no answer came."""


class Matter(enum.Enum):
    """Parties whose matter an answer can be."""

    MESSAGE = "message"
    RECIPIENT = "recipient"
    SENDER = "sender"
    ACCOUNT = "account"
    """What the account is set to: its login, its encryption, where it connects from."""
    LIMIT = "limit"
    """How much the account may send."""
    DELIVERY = "delivery"
    """How many recipients one delivery may have."""
    SESSION = "session"
    """How much one session may carry."""
    SERVER = "server"
    """The server does not talk to us as it should."""


class Verdict(enum.Enum):
    """A result and whose matter it is: the combinations that differ in what follows from them."""

    ACCEPTED = (Result.ACCEPTED, Matter.MESSAGE)
    RETRY = (Result.RETRY, Matter.MESSAGE)
    FAIL = (Result.REFUSED, Matter.MESSAGE)
    """The message or its recipient, as far as the answer tells."""
    NEXT_TRANSACTION = (Result.RETRY, Matter.DELIVERY)
    """Too many recipients in this one: these go in the next."""
    SERVER_LIMIT = (Result.RETRY, Matter.LIMIT)
    """The server's own limit is reached: the account rests, the message is not to blame."""
    SENDER_REFUSED = (Result.REFUSED, Matter.SENDER)
    """The sender of this message, and probably the account's fault: three in a row pause it."""
    ACCOUNT_REFUSED = (Result.RETRY, Matter.ACCOUNT)
    """Surely the account's fault: three in a row pause it, and the message keeps its place."""
    NEXT_SESSION = (Result.RETRY, Matter.SESSION)
    """The server takes no more in this session: the message goes in the next one."""
    PROTOCOL = (Result.RETRY, Matter.SERVER)
    """No answer that makes sense here, or one that refuses the command itself: never the message's fault."""

    @property
    def result(self) -> Result:
        """Result for the recipient."""
        return self.value[0]

    @property
    def matter(self) -> Matter:
        """Party whose matter it is."""
        return self.value[1]
