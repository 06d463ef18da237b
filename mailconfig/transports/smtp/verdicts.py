"""Meanings of replies for the message, the recipient or the account.

Pure functions over replies (RFC 5321 §4.2, RFC 3463): the class digit decides, enhanced codes refine it.
"""

from __future__ import annotations

import re

from mailconfig.transports.contract import Judgement, Matter, Verdict
from mailconfig.transports.words import plain_words
from mailconfig.values import Answer

from .envelopes import EnvelopeOutcome
from .faults import AccountFault, account_fault, is_of_closed_recipient
from .hints import for_sender
from .quotas import is_server_limit, server_limit_seconds
from .replies import Reply

_PER_SESSION = re.compile(
    r"\bper (?:smtp )?(?:session|connection)\b"
    r"|\b(?:in|on|over) (?:this|one|a single|the same) (?:session|connection)\b",
    re.IGNORECASE,
)
_OF_RECIPIENT = re.compile(r"5\.(?:1\.(?:[0-6]|10)|2\.\d+|4\.1)")
"""An address or a mailbox (RFC 3463 §3.2 and §3.3); 5.4.1 is what Exchange Online says of one that it does not have."""
_RECIPIENT_WORDS = re.compile(
    r"\b(?:user|users|mailbox(?:es)?|inbox|alias|nobody|unrout(?:e)?able|undeliverable|no such|(?:un|not )known"
    r"|does not exist|(?:invalid|unknown|bad|no) (?:recipient|address|account|person)"
    r"|recipient (?:\w+ )?(?:unknown|invalid|not found)"
    r"|address (?:\w+ )?(?:unknown|invalid|not found)|account (?:\w+ ){0,3}(?:disabled|inactive|suspended|closed))\b"
)


def _of_any_command(reply: Reply) -> Verdict | None:
    """Return the verdict that does not depend on the command; ``None``: it does."""
    if reply.is_success:
        return Verdict.ACCEPTED
    if ends_session(reply):
        return Verdict.NEXT_SESSION
    return Verdict.SERVER_LIMIT if is_server_limit(reply) else None


def judge_sender(reply: Reply) -> Verdict:
    """Return what a reply to MAIL means."""
    if verdict := _of_any_command(reply):
        return verdict
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
    """Return what the reply to one RCPT means."""
    if verdict := _of_any_command(reply):
        return verdict
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
    """Return what a reply to DATA means that is no 354."""
    if refuses_command(reply) and not account_fault(reply):
        return Verdict.PROTOCOL
    return judge_message(reply)


def judge_message(reply: Reply) -> Verdict:
    """Return what the reply to the dot means."""
    if verdict := _of_any_command(reply):
        return verdict
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


def goes_down(reply: Answer) -> bool:
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


def is_about_recipient(reply: Reply) -> bool:
    """Return whether a refusal of RCPT is about that recipient, by its code or its words."""
    return (
        bool(_OF_RECIPIENT.fullmatch(reply.enhanced))
        or bool(_RECIPIENT_WORDS.search(plain_words(reply.text)))
        or is_of_closed_recipient(reply)
    )


_MATTERS = {
    AccountFault.SENDER: Matter.SENDER,
    AccountFault.LOGIN: Matter.RELAY,
    AccountFault.ENCRYPTION: Matter.ENCRYPTION,
    AccountFault.CLIENT: Matter.CLIENT,
}


def matter_of(reply: Reply) -> Matter | None:
    """Return what a refusal is surely about; ``None``: it does not say."""
    fault = account_fault(reply)
    if fault is not None:
        is_plain = fault is AccountFault.LOGIN and reply.code == 530  # RFC 4954 §6: authentication required
        return Matter.LOGIN if is_plain else _MATTERS[fault]
    return Matter.RECIPIENT if is_about_recipient(reply) else None


def judgement(verdict: Verdict, reply: Reply) -> Judgement:
    """Return a verdict with all that the reply says besides."""
    if verdict is Verdict.ACCEPTED:
        return Judgement(verdict, reply)
    return Judgement(
        verdict,
        reply,
        matter=matter_of(reply),
        temporary=not reply.is_permanent,
        hint=for_sender(reply),
        rest_seconds=server_limit_seconds(reply) if verdict is Verdict.SERVER_LIMIT else None,
    )


def as_reply(answer: Answer | None) -> Reply | None:
    """Return the answer of an error of ours as what it was made from."""
    return answer if isinstance(answer, Reply) else None
