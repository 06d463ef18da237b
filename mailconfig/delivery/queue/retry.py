"""What a reply means for the message, the recipient or the account, and how long to wait.

Pure functions over replies (RFC 5321 §4.2, RFC 3463): the class digit decides, enhanced codes refine it.
"""

from __future__ import annotations

import enum
import random
import re

from mailconfig.conf import Settings
from mailconfig.delivery.queue.faults import AccountFault, account_fault
from mailconfig.delivery.queue.quotas import is_server_limit
from mailconfig.values import EnvelopeOutcome, Reply

GREYLIST_SECONDS = 300.0
"""A refused recipient is not tried again sooner: greylisting servers want to see patience."""

_PER_SESSION = re.compile(
    r"\bper (?:smtp )?(?:session|connection)\b"
    r"|\b(?:in|on|over) (?:this|one|a single|the same) (?:session|connection)\b",
    re.IGNORECASE,
)


class Verdict(enum.Enum):
    """What becomes of it."""

    ACCEPTED = enum.auto()
    RETRY = enum.auto()
    FAIL = enum.auto()
    NEXT_TRANSACTION = enum.auto()
    """Too many recipients in this one (RFC 5321 §4.5.3.1.10)."""
    SERVER_LIMIT = enum.auto()
    """The server's own limit is reached: the account rests, the message is not to blame."""
    SENDER_REFUSED = enum.auto()
    """The reply to MAIL, permanent, and probably the account's fault: three in a row pause it."""
    ACCOUNT_REFUSED = enum.auto()
    """Surely the account's fault, wherever it is told: three in a row pause it, and the message keeps its place."""
    NEXT_SESSION = enum.auto()
    """The server takes no more in this session: the message goes in the next one."""
    PROTOCOL = enum.auto()
    """No reply that makes sense here, or one that refuses the command itself: never the message's fault."""


def judge_sender(reply: Reply) -> Verdict:
    """The reply to MAIL."""
    if reply.is_success:
        return Verdict.ACCEPTED
    if ends_session(reply):
        return Verdict.NEXT_SESSION
    if is_server_limit(reply):
        return Verdict.SERVER_LIMIT
    # Whose address it is may be the message's affair.
    if account_fault(reply) not in {None, AccountFault.SENDER}:
        return Verdict.ACCOUNT_REFUSED
    if refuses_command(reply):
        return Verdict.PROTOCOL
    if reply.is_transient:
        return Verdict.RETRY
    if reply.code == 552 or reply.enhanced == "5.3.4":
        return Verdict.FAIL
    return Verdict.SENDER_REFUSED if reply.is_permanent else Verdict.PROTOCOL


def judge_recipient(reply: Reply) -> Verdict:
    """The reply to one RCPT."""
    if reply.is_success:
        return Verdict.ACCEPTED
    if ends_session(reply):
        return Verdict.NEXT_SESSION
    if is_server_limit(reply):
        return Verdict.SERVER_LIMIT
    if account_fault(reply):
        return Verdict.ACCOUNT_REFUSED
    if refuses_command(reply):
        return Verdict.PROTOCOL
    if reply.code in {452, 552} and reply.enhanced in {"4.5.3", "5.5.3", ""}:
        return Verdict.NEXT_TRANSACTION
    if reply.is_transient:
        return Verdict.RETRY
    return Verdict.FAIL if reply.is_permanent else Verdict.PROTOCOL


def judge_data(reply: Reply) -> Verdict:
    """A reply to DATA that is no 354."""
    if refuses_command(reply) and not account_fault(reply):
        return Verdict.PROTOCOL
    return judge_message(reply)


def judge_message(reply: Reply) -> Verdict:
    """The reply to the dot."""
    if reply.is_success:
        return Verdict.ACCEPTED
    if ends_session(reply):
        return Verdict.NEXT_SESSION
    if is_server_limit(reply):
        return Verdict.SERVER_LIMIT
    if account_fault(reply):
        return Verdict.ACCOUNT_REFUSED
    if reply.is_transient:
        return Verdict.RETRY
    return Verdict.FAIL if reply.is_permanent else Verdict.PROTOCOL


def refuses_command(reply: Reply) -> bool:
    """Tell whether a reply to MAIL, RCPT or DATA is about the command (500 to 504, RFC 5321 §4.2.3), not its argument.

    An enhanced code about addresses (RFC 3463 §3.2) says that it is the address after all: Postfix answers a
    malformed one by ``501 5.1.3``.
    """
    return 500 <= reply.code <= 504 and not reply.enhanced.startswith("5.1.")


def goes_down(reply: Reply) -> bool:
    """Tell whether a 421 is about the system (RFC 3463 §3.4, X.3.2: a shutdown, say), and not about this session."""
    return reply.code == 421 and reply.enhanced == "4.3.2"


def refuses_proposal(outcome: EnvelopeOutcome) -> bool:
    """Tell whether one of the replies to a proposal refuses the command itself."""
    return (
        judge_sender(outcome.sender) is Verdict.PROTOCOL
        or any(judge_recipient(reply) is Verdict.PROTOCOL for reply in outcome.recipients if reply.code)
        or (outcome.data is not None and judge_data(outcome.data) is Verdict.PROTOCOL)
    )


def ends_session_at_mail(outcome: EnvelopeOutcome) -> bool:
    """Tell whether a session that had gone on until now ends at MAIL, for which this message is not to blame."""
    verdict = judge_sender(outcome.sender)
    return verdict is Verdict.NEXT_SESSION or (outcome.sender.code == 421 and verdict is Verdict.RETRY)


def ends_session(reply: Reply) -> bool:
    """Tell whether the server says that a session may carry so many mails and no more."""
    return reply.is_transient and bool(_PER_SESSION.search(reply.text))


def retry_seconds(attempts: int, settings: Settings, *, first_at_least: float = 0.0) -> float:
    """Seconds to wait after the ``attempts``-th counted attempt: doubled each time, capped, ±20 %.

    Jitter spreads what failed together; ``first_at_least`` is a floor that jitter does not cross.
    """
    doublings = min(max(0, attempts - 1), 60)  # beyond that the cap holds, and far beyond it no float does
    plain = min(settings.retry_seconds * 2.0**doublings, settings.retry_cap_seconds)
    jittered = plain * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, guards nothing
    return max(min(first_at_least, settings.retry_seconds), jittered)


def backoff_seconds(failures: int, settings: Settings) -> float:
    """Seconds an account rests after the ``failures``-th failed connection in a row."""
    ladder = settings.backoff_seconds
    return ladder[min(max(failures, 1), len(ladder)) - 1]
